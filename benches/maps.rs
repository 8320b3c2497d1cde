//! What a map of many entries costs: next to nothing more than one of a few.
//!
//! `cargo bench --bench maps`

use divan::{Bencher, black_box};
use hapax::map::Maps;
use hapax::pattern_list::{entry, file};
use hapax::plan::{Map, MapEntry, MapId, MapOutput, MatchMethod};
use hapax::sample::Value;

fn main() {
    divan::main();
}

const COUNTS: [usize; 3] = [1, 100, 10_000];

/// Looks up the last of so many keys.
fn look_up(
    bencher: Bencher<'_, '_>,
    matching: MatchMethod,
    count: usize,
    key: impl Fn(usize) -> String,
    value: &str,
) {
    let content: String = (0..count).map(|n| format!("{} v{n}\n", key(n))).collect();
    let entries = file::lines(content.as_bytes(), true).map(|line| MapEntry {
        key: entry::read(matching, false, line.key).expect("a key"),
        value: MapOutput::Text
            .read(line.value.unwrap_or_default())
            .expect("a value"),
    });
    let map = Map {
        file: "bench".into(),
        matching,
        output: MapOutput::Text,
        entries: entries.collect(),
        content: content.as_bytes().into(),
    };
    let maps = Maps::compile(&[map]).expect("keys compile");
    let map = maps.get(MapId(0)).expect("there is one");
    let expected = format!("v{}", count - 1);
    let ask = |value: Value<'_>| {
        map.look_up(value, None, &mut |found| {
            found == Value::Text(expected.as_bytes())
        })
    };
    let value = Value::Text(value.as_bytes());
    assert!(ask(value));
    bencher.bench_local(|| ask(black_box(value)));
}

#[divan::bench(args = COUNTS)]
fn exact(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!("www.site-{n}.example.com");
    look_up(bencher, MatchMethod::Exact, count, key, &key(count - 1));
}

#[divan::bench(args = COUNTS)]
fn prefix(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!("/shop/part-{n}/");
    let path = format!("{}hats?page=2", key(count - 1));
    look_up(bencher, MatchMethod::Prefix, count, key, &path);
}

#[divan::bench(args = COUNTS)]
fn suffix(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!(".site-{n}.example.com");
    let host = format!("www{}", key(count - 1));
    look_up(bencher, MatchMethod::Suffix, count, key, &host);
}

#[divan::bench(args = COUNTS)]
fn substring(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!("/part-{n}/");
    let path = format!("/shop{}hats", key(count - 1));
    look_up(bencher, MatchMethod::Substring, count, key, &path);
}

#[divan::bench(args = COUNTS)]
fn domain(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!("site-{n}.example");
    let host = format!("www.{}.com", key(count - 1));
    look_up(bencher, MatchMethod::Domain, count, key, &host);
}

#[divan::bench(args = COUNTS)]
fn regex(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!("^/shop/part-{n}/");
    let path = format!("/shop/part-{}/hats", count - 1);
    look_up(bencher, MatchMethod::Regex, count, key, &path);
}

#[divan::bench(args = COUNTS)]
fn integer(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!("{}:{}", n * 10, n * 10 + 5);
    let number = (count * 10 - 8).to_string();
    look_up(bencher, MatchMethod::Integer, count, key, &number);
}

#[divan::bench(args = COUNTS)]
fn network(bencher: Bencher<'_, '_>, count: usize) {
    let key = |n| format!("10.{}.{}.0/25", n / 256, n % 256);
    let address = key(count - 1).replace(".0/25", ".77");
    look_up(bencher, MatchMethod::Address, count, key, &address);
}
