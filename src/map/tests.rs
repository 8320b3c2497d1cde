use super::*;
use crate::pattern_list::{entry, file};

fn map(matching: MatchMethod, output: MapOutput, content: &str) -> plan::Map {
    let entries = file::lines(content.as_bytes(), true).map(|line| MapEntry {
        key: entry::read(matching, false, line.key).unwrap(),
        value: output.read(line.value.unwrap()).unwrap(),
    });
    plan::Map {
        file: "f".into(),
        matching,
        output,
        entries: entries.collect(),
        content: content.as_bytes().into(),
    }
}

fn ask(map: &Map, value: Value<'_>) -> Option<String> {
    let mut found = None;
    let otherwise = MapValue::Text(b"default"[..].into());
    map.look_up(value, Some(&otherwise), &mut |value| {
        let mut text = Vec::new();
        value.write_to(&mut text);
        found = Some(String::from_utf8(text).unwrap());
        true
    });
    found
}

#[test]
fn which_entry_counts() {
    use MatchMethod::*;
    let texts = "a A\naa AA\n/a SA\n/aa SAA\n.gif G\nx.gif XG\n/aa again\n";
    let networks = "127.0.0.0/8 loop\n127.0.0.1 one\n1.0.0.0/255.0.0.255 holes\n\
                    2.0.0.0/255.0.0.255 holes\n1.0.0.0/8 one-eight\n2001:db8::/32 six\n\
                    ::ffff:9.0.0.0/104 mapped\n";
    for (matching, content, value, expected) in [
        (Exact, texts, "/aa", "SAA"),
        (Exact, texts, "/b", "default"),
        (Exact, texts, "", "default"),
        (Prefix, texts, "/aax", "SAA"),
        (Prefix, texts, "/ax", "SA"),
        (Suffix, texts, "x.gif", "G"),
        (Suffix, texts, "/aax.gi", "default"),
        (Substring, texts, "/aax.gif", "A"),
        (Substring, texts, ".gif", "G"),
        (Directory, texts, "/x/aa", "AA"),
        (Directory, texts, "/aab", "default"),
        (Domain, "h.test T\nexample E\n", "www.example.com", "E"),
        (Domain, "h.test T\nexample E\n", "a.h.test:80", "T"),
        (Regex, "^/a/(.*)$ got-\\1\n/b b\n", "/a/b", "got-\\1"),
        (Regex, "^/a/(.*)$ got-\\1\n/b b\n", "/c/b", "b"),
        (Regex, "^/a/b 1\n^/a 2\nx$ 3\n^/ 4\n", "/a/bx", "1"),
        (Regex, "^/ax 1\nx$ 3\n^/a 2\n^/ 4\n", "/a/x", "3"),
        (Regex, "^/ax 1\nx$ 3\n^/a[^/] 2\n^/ 4\n^/a 5\n", "/a/b", "4"),
        (Regex, "^/ax 1\nx$ 3\n^/a 2\n", "/b", "default"),
        (Integer, "1 one\n2:5 few\n3 three\n:0 low\n", "3", "few"),
        (Integer, "1 one\n2:5 few\n3 three\n:0 low\n", "-7", "low"),
        (Integer, "1 one\n2:5 few\n3 three\n0 zero\n", "abc", "zero"),
        (Integer, "1 one\n", "1x", "one"),
        (Address, networks, "127.0.0.1", "one"),
        (Address, networks, "127.0.0.2:80", "loop"),
        (Address, networks, "1.5.5.0", "one-eight"),
        (Address, networks, "2.5.5.0", "holes"),
        (Address, networks, "::ffff:127.0.0.1", "one"),
        (Address, networks, "9.1.2.3", "mapped"),
        (Address, networks, "2001:db8::1", "six"),
        (Address, networks, "::1", "default"),
    ] {
        let map = Map::compile(&map(matching, MapOutput::Text, content)).unwrap();
        let found = ask(&map, Value::Text(value.as_bytes()));
        assert_eq!(found.as_deref(), Some(expected), "{matching:?} {value}");
    }
}

#[test]
fn what_is_no_value_has_no_default() {
    for (matching, value) in [
        (MatchMethod::Integer, Value::Text(b"")),
        (MatchMethod::Address, Value::Text(b"x")),
        (MatchMethod::Address, Value::Text(b"")),
        (MatchMethod::Address, Value::Bool(true)),
    ] {
        let map = Map::compile(&map(matching, MapOutput::Text, "")).unwrap();
        assert_eq!(ask(&map, value), None, "{matching:?} {value:?}");
    }
}

#[test]
fn without_a_default_nothing_comes_out() {
    for output in [MapOutput::Text, MapOutput::Integer, MapOutput::Address] {
        let map = Map::compile(&map(MatchMethod::Exact, output, "")).unwrap();
        assert!(!map.look_up(Value::Text(b"other"), None, &mut |_| true));
    }
}

#[test]
fn what_comes_out() {
    use MatchMethod::{Exact, Regex};
    for (matching, output, content, value, expected) in [
        (Exact, MapOutput::Integer, "k -5\n", "k", "-5"),
        (Exact, MapOutput::Integer, "k\n", "k", "0"),
        (Exact, MapOutput::Address, "k 1.2.3.4/8\n", "k", "1.2.3.4"),
        (Exact, MapOutput::Address, "k ::1\n", "k", "::1"),
        (Exact, MapOutput::Text, "k\n", "k", ""),
        (
            Regex,
            MapOutput::Replacement,
            r"^/(.)(.)(.*)$ \2\1-\0-\9-\\x-\n",
            "/abc",
            r"ba-/abc--\x-n",
        ),
    ] {
        let map = Map::compile(&map(matching, output, content)).unwrap();
        let found = ask(&map, Value::Text(value.as_bytes()));
        assert_eq!(found.as_deref(), Some(expected), "{content}");
    }
}

#[test]
fn entries_that_come_later() {
    let beginnings = map(MatchMethod::Prefix, MapOutput::Text, "/a A\n/abc ABC\n");
    let live = Map::compile(&beginnings).unwrap();
    let more = map(
        MatchMethod::Prefix,
        MapOutput::Text,
        "/a again\n/ab AB\n/z Z\n",
    );
    for entry in &more.entries {
        assert!(live.add(entry.clone()).unwrap());
    }
    for (path, expected) in [
        ("/ax", "A"),
        ("/abx", "AB"),
        ("/abcd", "ABC"),
        ("/zz", "Z"),
        ("/q", "default"),
    ] {
        assert_eq!(
            ask(&live, Value::Text(path.as_bytes())).as_deref(),
            Some(expected)
        );
    }
    live.replace(&more.entries).unwrap();
    assert_eq!(ask(&live, Value::Text(b"/a")).as_deref(), Some("again"));
}
