//! What many patterns and many rules cost: next to nothing more than a few.
//!
//! `cargo bench --bench rules`

use std::net::Ipv4Addr;

use divan::{Bencher, black_box};
use hapax::acl::patterns::PatternSet;
use hapax::plan::{MatchMethod, Pattern};
use hapax::sample::Value;

fn main() {
    divan::main();
}

const COUNTS: [usize; 3] = [1, 100, 10_000];

/// Compares a text with so many patterns, none of which fits, and then with one that does.
fn compare(
    bencher: Bencher<'_, '_>,
    method: MatchMethod,
    count: usize,
    text: &str,
    pattern: impl Fn(usize) -> String,
) {
    let patterns: Vec<Pattern> = (0..count)
        .map(|n| {
            let text = pattern(n).into_bytes().into();
            match method {
                MatchMethod::Regex => Pattern::Regex(text),
                _ => Pattern::Text(text),
            }
        })
        .collect();
    let set = PatternSet::compile(method, false, &patterns).expect("patterns compile");
    let fits = match method {
        MatchMethod::Regex => pattern(count - 1).replace(['^', '$'], ""),
        _ => pattern(count - 1),
    };
    assert!(set.matches(Value::Text(fits.as_bytes())));
    assert!(!set.matches(Value::Text(text.as_bytes())));
    let value = Value::Text(text.as_bytes());
    bencher.bench_local(|| set.matches(black_box(value)));
}

const PATH: &str = "/shop/articles/2026/11/hats?page=2";
const HOST: &str = "www.shop.example.com";

#[divan::bench(args = COUNTS)]
fn exact(bencher: Bencher<'_, '_>, count: usize) {
    let pattern = |n| format!("/shop/articles/{n}");
    compare(bencher, MatchMethod::Exact, count, PATH, pattern);
}

#[divan::bench(args = COUNTS)]
fn prefix(bencher: Bencher<'_, '_>, count: usize) {
    let pattern = |n| format!("/shop/part-{n}/");
    compare(bencher, MatchMethod::Prefix, count, PATH, pattern);
}

#[divan::bench(args = COUNTS)]
fn suffix(bencher: Bencher<'_, '_>, count: usize) {
    let pattern = |n| format!(".site-{n}.example.com");
    compare(bencher, MatchMethod::Suffix, count, HOST, pattern);
}

#[divan::bench(args = COUNTS)]
fn substring(bencher: Bencher<'_, '_>, count: usize) {
    let pattern = |n| format!("/art-{n}");
    compare(bencher, MatchMethod::Substring, count, PATH, pattern);
}

#[divan::bench(args = COUNTS)]
fn domain(bencher: Bencher<'_, '_>, count: usize) {
    let pattern = |n| format!("site-{n}.example");
    compare(bencher, MatchMethod::Domain, count, HOST, pattern);
}

#[divan::bench(args = COUNTS)]
fn directory(bencher: Bencher<'_, '_>, count: usize) {
    let pattern = |n| format!("articles/part-{n}");
    compare(bencher, MatchMethod::Directory, count, PATH, pattern);
}

#[divan::bench(args = COUNTS)]
fn regex(bencher: Bencher<'_, '_>, count: usize) {
    let pattern = |n| format!("^/shop/part-{n}$");
    compare(bencher, MatchMethod::Regex, count, PATH, pattern);
}

#[divan::bench(args = COUNTS)]
fn network(bencher: Bencher<'_, '_>, count: usize) {
    let patterns: Vec<Pattern> = (0..count as u32)
        .map(|n| Pattern::Network {
            address: Ipv4Addr::from(0x0a00_0000 + n * 512),
            mask: Ipv4Addr::new(255, 255, 255, 0),
        })
        .collect();
    let set = PatternSet::compile(MatchMethod::Address, false, &patterns).expect("they compile");
    let inside = Ipv4Addr::from(0x0a00_0001 + (count as u32 - 1) * 512);
    assert!(set.matches(Value::Address(inside)));
    let value = Value::Address(Ipv4Addr::new(192, 0, 2, 1));
    assert!(!set.matches(value));
    bencher.bench_local(|| set.matches(black_box(value)));
}
