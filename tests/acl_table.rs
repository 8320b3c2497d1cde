//! The recorded table of ACL criteria has each criterion of 1.4 with what fits and what does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use haproxy_cfg_grammar::value::criterion::CRITERIA;
use serde_json::Value;

/// What every connection has, or none.
const CONSTANT: [&str; 3] = ["always_false", "always_true", "wait_end"];

/// Marks are lines `aN: 1` that rules add when the ACL of that name fits, and what content rules
/// accept and reject.
#[test]
fn each_criterion_of_1_4_fits_and_does_not() {
    let mut outcomes: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for suite in ["", "-url", "-response", "-state", "-content"] {
        let name = format!("acl-table{suite}.json");
        let config = read(&["suites", &name])["config"].clone();
        let lines: Vec<&str> = config
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let golden = read(&["golden", "1.4", &name]);
        for (proxy, mark, criterion) in criteria(&lines) {
            let seen = outcomes.entry(criterion).or_default();
            for (case, result) in golden["cases"].as_object().into_iter().flatten() {
                if suite == "-content" {
                    if case.split('.').next() == Some(proxy) {
                        seen.insert(result["clients"][0]["end"] == "open" || has(result, "answer"));
                    }
                } else {
                    seen.insert(has(result, &format!("\n{mark}: 1\r\n")));
                }
            }
        }
    }
    let missing: Vec<&str> = CRITERIA
        .iter()
        .filter(|c| c.since == haproxy_cfg_grammar::version::V1_4 && !CONSTANT.contains(&c.name))
        .map(|c| c.name)
        .filter(|name| outcomes.get(*name).is_none_or(|seen| seen.len() < 2))
        .collect();
    assert!(missing.is_empty(), "without both outcomes: {missing:?}");
    assert!(outcomes.len() >= 73, "{} criteria", outcomes.len());
}

/// The frontend or backend, the name and the criterion of each ACL in a configuration.
fn criteria<'c>(lines: &[&'c str]) -> Vec<(&'c str, &'c str, String)> {
    let mut proxy = "";
    let mut found = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, criterion) = match *words.as_slice() {
            ["frontend" | "backend" | "listen", name, ..] => {
                proxy = name;
                continue;
            }
            ["acl", name, criterion, ..] => (name, criterion),
            ["tcp-request", "content", _, "if", "{", criterion, ..] => ("", criterion),
            _ => continue,
        };
        let criterion = criterion.split('(').next().unwrap_or_default();
        found.push((proxy, name, criterion.to_owned()));
    }
    found
}

/// Whether a peer received a text.
fn has(result: &Value, text: &str) -> bool {
    let peers = ["clients", "origins"].map(|side| result[side].as_array());
    peers
        .into_iter()
        .flatten()
        .flatten()
        .any(|peer| peer["rx"].as_str().is_some_and(|rx| rx.contains(text)))
}

fn read(path: &[&str]) -> Value {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("compat-tests/corpus/wire");
    let path = path.iter().fold(corpus, |at, part| at.join(part));
    let text = fs::read_to_string(&path).expect("the corpus is readable");
    serde_json::from_str(&text).expect("it is JSON")
}
