//! Every criterion of HAProxy 1.4 is asked in recorded cases, and those that look at a request are
//! answered there with yes and with no.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use haproxy_cfg_grammar::value::criterion::CRITERIA;
use haproxy_cfg_grammar::version;
use serde_json::Value;

const WIRE: &str = "compat-tests/corpus/wire";

#[test]
fn every_criterion_is_asked() {
    let mut asked = String::new();
    for entry in fs::read_dir(Path::new(WIRE).join("suites")).expect("the corpus") {
        for line in config(&read(&entry.expect("a suite").path())) {
            asked += &line;
            asked.push('\n');
        }
    }
    let words: Vec<&str> = asked
        .split(|c: char| c.is_whitespace() || c == '(')
        .map(|word| word.trim_start_matches('!'))
        .collect();
    for criterion in CRITERIA.iter().filter(|c| c.since == version::V1_4) {
        assert!(words.contains(&criterion.name), "{}", criterion.name);
    }
}

#[test]
fn criteria_of_requests_hold_and_do_not() {
    let suite = read(&Path::new(WIRE).join("suites/acl-table.json"));
    let golden = read(&Path::new(WIRE).join("golden/1.4/acl-table.json"));
    // Each proxy marks requests with the names of the ACLs that hold.
    let mut proxy = String::new();
    let mut outcomes: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for line in config(&suite) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["listen" | "frontend", name, ..] => name.clone_into(&mut proxy),
            ["acl", name, criterion, ..] => {
                let criterion = criterion.split('(').next().unwrap_or_default();
                let outcome = outcomes.entry(criterion.to_owned()).or_default();
                let mark = format!("\\r\\n{name}: 1\\r\\n");
                let cases = golden["cases"].as_object().expect("cases");
                for (id, case) in cases {
                    if id.split('.').next() == Some(&proxy) {
                        outcome[usize::from(case.to_string().contains(&mark))] = true;
                    }
                }
            }
            _ => {}
        }
    }
    assert!(outcomes.len() > 40, "{}", outcomes.len());
    outcomes.retain(|name, _| !name.starts_with("always_"));
    for (criterion, outcome) in outcomes {
        assert_eq!(outcome, [true, true], "{criterion}");
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file of the corpus")).expect("JSON")
}

fn config(suite: &Value) -> Vec<String> {
    let lines = suite["config"].as_array().expect("lines");
    let texts = lines.iter().map(|line| line.as_str().expect("a text"));
    texts.map(str::to_owned).collect()
}
