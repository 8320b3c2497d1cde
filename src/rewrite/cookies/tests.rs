//! Editing of cookies, whatever stands in the lines: nothing but the persistence cookie changes.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq};

use super::*;
use crate::http1::Kind;
use crate::http1::scan::{Scan, Tolerance};

/// Name and value.
type Pair = (String, String);

proptest::proptest! {
    #[test]
    fn indirect_takes_the_own_cookie_out_and_nothing_else(
        lines in request_lines(), indirect in any::<bool>(),
    ) {
        let settings = Cookie { indirect, ..cookie(CookieMode::Insert) };
        let expected = all(&lines).filter(|(name, _)| !indirect || name != "SRV").collect::<Vec<_>>();
        prop_assert_eq!(edited_request(&lines, &settings), expected);
    }

    #[test]
    fn rewrite_leaves_requests_alone(lines in request_lines()) {
        let expected = all(&lines).collect::<Vec<_>>();
        prop_assert_eq!(edited_request(&lines, &cookie(CookieMode::Rewrite)), expected);
    }

    #[test]
    fn prefix_takes_off_what_it_has_put_on(lines in request_lines()) {
        let expected = all(&lines).map(|(name, value)| {
            let value = match value.split_once('~') {
                Some((_, own)) if name == "SRV" => own.to_owned(),
                _ => value,
            };
            (name, value)
        }).collect::<Vec<_>>();
        prop_assert_eq!(edited_request(&lines, &cookie(CookieMode::Prefix)), expected);
    }

    #[test]
    fn responses_change_in_the_own_cookie_only(
        cookies in vec((name(), "[a-z0-9]{0,4}", "(; ?path=/|; httponly|)"), 0..5),
        mode in proptest::sample::select(&[CookieMode::Passive, CookieMode::Insert, CookieMode::Rewrite, CookieMode::Prefix][..]),
        preserve in any::<bool>(),
    ) {
        let settings = Cookie { preserve, ..cookie(mode) };
        let mut text = String::from("HTTP/1.1 200 OK\r\nServer: x\r\n");
        for (name, value, attributes) in &cookies {
            text += &format!("Set-Cookie: {name}={value}{attributes}\r\n");
        }
        let (mut head, bytes) = head(Kind::Response, &text);
        let mut state = State::default();
        response(&mut head, &bytes, Some(&settings), Some(b"s1"), &mut state, &mut |_, _| {});
        let expected: Vec<String> = cookies.iter().filter_map(|(name, value, attributes)| {
            let value = match mode {
                _ if name != "SRV" || preserve => value.clone(),
                CookieMode::Passive => value.clone(),
                CookieMode::Insert => return None,
                CookieMode::Rewrite => "s1".to_owned(),
                CookieMode::Prefix => format!("s1~{value}"),
            };
            Some(format!("{name}={value}{attributes}"))
        }).collect();
        prop_assert_eq!(values(&head, &bytes, Kind::Response, "Set-Cookie"), expected);
    }

    /// A date that was given is the date that comes back, to four seconds.
    #[test]
    fn dates_come_back(now in 1i64..4_000_000_000) {
        let mut text = Vec::new();
        encode((now + 3) >> 2, &mut text);
        let back = date::decode(&text);
        proptest::prop_assert!(back.is_some_and(|date| (0..4).contains(&(date - now))), "{back:?}");
    }

    /// Whatever comes as cookies, nothing panics, and the head can be read again.
    #[test]
    fn any_bytes_are_cookies(value in "[ -~\\t]{0,40}", prefix in any::<bool>()) {
        let mode = if prefix { CookieMode::Prefix } else { CookieMode::Insert };
        let settings = Cookie { indirect: true, ..cookie(mode) };
        let text = format!("GET / HTTP/1.1\r\nCookie: SRV=a~b; {value}\r\nHost: h\r\n");
        let (mut head, bytes) = head(Kind::Request, &text);
        follow(&mut head, &bytes, &settings);
        prop_assert_eq!(values(&head, &bytes, Kind::Request, "Host"), ["h"]);
    }
}

/// Cookies of a client, as lines: pairs, and what stands between them.
fn request_lines() -> impl Strategy<Value = Vec<(Vec<Pair>, String)>> {
    let value = "[a-z0-9]{0,3}(~[a-z0-9]{0,3})?";
    vec((vec((name(), value), 1..5), "(; |;|, |,|  ;  )"), 0..3)
}

fn name() -> impl Strategy<Value = String> {
    proptest::sample::select(&["SRV", "a", "bc", "SRV2", "srv"][..]).prop_map(str::to_owned)
}

fn all(lines: &[(Vec<Pair>, String)]) -> impl Iterator<Item = Pair> {
    lines.iter().flat_map(|(pairs, _)| pairs.iter().cloned())
}

#[test]
fn a_line_can_set_several_cookies() {
    for (mode, line, expected) in [
        (CookieMode::Rewrite, "a=b, SRV=v", Some("a=b, SRV=s")),
        (
            CookieMode::Rewrite,
            "SRV=v;P=\"x,y\", SRV = w",
            Some("SRV=s;P=\"x,y\", SRV=s"),
        ),
        (CookieMode::Prefix, "a;x=y,SRV=v", Some("a;x=y,SRV=s~v")),
        (
            CookieMode::Passive,
            "a = b; x = y, SRV = v",
            Some("a=b; x = y, SRV=v"),
        ),
        (
            CookieMode::Insert,
            "a=b; p=q, SRV=v; P=/, c=d",
            Some("a=b; p=q, c=d"),
        ),
        (CookieMode::Insert, "a=b , SRV = v ,c=d", Some("a=b, c=d")),
        (CookieMode::Insert, "SRV=\"v,w\", a=b", Some("a=b")),
        (CookieMode::Insert, "a=b, SRV=v", Some("a=b")),
        (CookieMode::Insert, ", SRV=v", Some("")),
        (CookieMode::Insert, "SRV=v; x, SRV=w", None),
    ] {
        let line_text = format!("HTTP/1.1 200 OK\r\nSet-Cookie2: {line}\r\n");
        let (mut head, bytes) = head(Kind::Response, &line_text);
        let mut state = State::default();
        let settings = cookie(mode);
        let server = Some(&b"s"[..]);
        response(
            &mut head,
            &bytes,
            Some(&settings),
            server,
            &mut state,
            &mut |_, _| {},
        );
        let left = values(&head, &bytes, Kind::Response, "Set-Cookie2");
        assert_eq!(left.first().map(String::as_str), expected, "{line}");
    }
}

fn edited_request(lines: &[(Vec<Pair>, String)], settings: &Cookie) -> Vec<Pair> {
    let mut text = String::from("GET / HTTP/1.1\r\nHost: h\r\n");
    for (pairs, between) in lines {
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        text += &format!("Cookie: {}\r\n", pairs.join(between));
    }
    let (mut head, bytes) = head(Kind::Request, &text);
    follow(&mut head, &bytes, settings);
    values(&head, &bytes, Kind::Request, "Cookie")
        .iter()
        .flat_map(|line| line.split([';', ',']))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn follow(head: &mut Head, bytes: &[u8], settings: &Cookie) {
    let mut lookup = |server: &[u8]| match server {
        b"a" => Lookup::Usable(true),
        b"b" => Lookup::Down,
        _ => Lookup::Unknown,
    };
    let mut state = State::default();
    let mut seen = |_: &[u8], _: &[u8]| false;
    request(
        head,
        bytes,
        Some(settings),
        1_000_000,
        &mut state,
        &mut lookup,
        &mut seen,
    );
}

fn cookie(mode: CookieMode) -> Cookie {
    Cookie {
        name: "SRV".into(),
        mode,
        indirect: false,
        nocache: false,
        postonly: false,
        preserve: false,
        httponly: false,
        secure: false,
        domains: Vec::new(),
        maxidle: None,
        maxlife: None,
    }
}

fn head(kind: Kind, lines: &str) -> (Head, Vec<u8>) {
    let mut bytes = format!("{lines}\r\n").into_bytes();
    let mut head = Head::new(kind);
    let len = bytes.len();
    assert_eq!(
        head.scan(&mut bytes, Tolerance::default()),
        Scan::Complete(len)
    );
    (head, bytes)
}

/// The values of a header after all edits, as the other side reads them.
fn values(edited: &Head, bytes: &[u8], kind: Kind, name: &str) -> Vec<String> {
    let mut written = Vec::new();
    edited.write_to(bytes, &mut written);
    let text = String::from_utf8(written).expect("what went in is text");
    let (again, bytes) = head(kind, text.strip_suffix("\r\n").expect("an empty line"));
    again
        .lines()
        .filter(|&index| {
            again
                .name(&bytes, index)
                .eq_ignore_ascii_case(name.as_bytes())
        })
        .map(|index| String::from_utf8_lossy(again.value(&bytes, index)).into_owned())
        .collect()
}
