//! What `hapax explain request` says of the requests of the recorded suites is what HAProxy did with
//! them: which server got them, with which head, or which status the client got.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hapax::configuration::{self, Overrides};
use hapax::explain::request::{Question, RequestExplanation, explain};
use hapax::plan::{Plan, ServerPort};
use haproxy_cfg_grammar::{Dialect, SourceSet};
use serde_json::Value;

/// Suites of which every request is decided by the request itself, and cases that are not.
const SUITES: &[(&str, &[&str])] = &[
    ("acl-layer7", &[]),
    ("auth", &[]),
    ("cookie", &[]),
    ("forwardfor", &[]),
    ("rewrite-request", &[]),
    ("rule-order", &[]),
    ("switching", &[]),
    ("switching-setbe", &[]),
];

#[test]
fn explanations_are_what_haproxy_1_4_did() {
    compare(Dialect::V1_4, "1.4");
}

#[test]
fn explanations_are_what_haproxy_1_8_did() {
    compare(Dialect::V1_8, "1.8");
}

fn compare(dialect: Dialect, version: &str) {
    let mut compared = 0;
    let mut differences = Vec::new();
    for (name, others) in SUITES {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat-tests/corpus/wire");
        let suite = json(&corpus.join(format!("suites/{name}.json")));
        let golden = corpus.join(format!("golden/{version}/{name}.json"));
        if !golden.exists() {
            continue;
        }
        let golden = json(&golden);
        let stage = Stage::new(&suite, dialect);
        for case in suite["cases"].as_array().expect("cases") {
            let id = case["id"].as_str().expect("an id");
            let recorded = &golden["cases"][id];
            if recorded["clients"].is_null() || others.contains(&id) {
                continue;
            }
            let Some(question) = stage.question(case) else {
                continue;
            };
            compared += 1;
            if let Err(difference) = stage.judge(&question, recorded) {
                differences.push(format!("{name}/{id}: {difference}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(compared > 1000, "only {compared} requests");
}

/// A suite's configuration, with ports for its places.
struct Stage {
    plan: Plan,
    ports: BTreeMap<String, u16>,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new(suite: &Value, dialect: Dialect) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in suite["files"].as_object().into_iter().flatten() {
            let text = text.as_str().expect("text");
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let mut ports = BTreeMap::new();
        let lines = suite["config"].as_array().expect("lines");
        let text: String = lines
            .iter()
            .map(|line| {
                let line = line.as_str().expect("text");
                places(line, folder.path(), &mut ports) + "\n"
            })
            .collect();
        let sources = SourceSet::from_text("suite.cfg", text.as_str());
        let configuration = configuration::read(&sources, dialect, Overrides::default());
        Self {
            plan: configuration.plan.expect("the suite's file is valid"),
            ports,
            _folder: folder,
        }
    }

    /// The request of a case, when it is one that can be asked about: the only one of its client,
    /// whole, and without a body.
    fn question(&self, case: &Value) -> Option<Question> {
        let [connect, send, rest @ ..] = &case["client"].as_array()?[..] else {
            return None;
        };
        if rest.iter().any(|step| !step["send"].is_null()) {
            return None;
        }
        let port = *self.ports.get(connect["connect"].as_str()?)?;
        let head = send["send"].as_str()?.strip_suffix("\r\n\r\n")?;
        if head.contains("\r\n\r\n") || head.contains('%') {
            return None;
        }
        let mut lines = head.split("\r\n").map(str::to_owned);
        let line = lines.next()?;
        let frontend = self.plan.proxies.iter().find(|proxy| {
            proxy.listeners.iter().any(|listener| {
                matches!(listener.address, hapax::plan::ListenAddress::Tcp { port: p, .. } if p == port)
            })
        })?;
        Some(Question {
            frontend: Some(frontend.name.clone()),
            line,
            headers: lines.collect(),
            source: "127.0.0.1:40000".parse().ok()?,
            destination: format!("127.0.0.1:{port}").parse().ok(),
        })
    }

    fn judge(&self, question: &Question, recorded: &Value) -> Result<(), String> {
        let told = explain(&self.plan, question)?;
        let served = recorded["origins"].as_array().and_then(|all| all.first());
        let answer = recorded["clients"][0]["rx"].as_str().unwrap_or_default();
        let Some(origin) = served else {
            return answered(&told, answer);
        };
        let Some(backend) = &told.backend else {
            return Err(format!("served, not '{}'", told.outcome));
        };
        let place = origin["port"].as_str().unwrap_or_default();
        let port = self.ports.get(place).copied();
        let servers = self.plan.proxies.iter().filter(|p| p.name == *backend);
        let reachable = servers
            .flat_map(|proxy| &proxy.servers)
            .any(|server| matches!(server.address.port, ServerPort::Fixed(p) if Some(p) == port));
        if !reachable && !told.outcome.contains("'dispatch'") {
            return Err(format!("{place} got it, which is not in {backend}"));
        }
        let head = told.request.join("\r\n") + "\r\n\r\n";
        let received = origin["rx"].as_str().unwrap_or_default();
        if !received.starts_with(&head) {
            return Err(format!("the head was\n{received:?}, not\n{head:?}"));
        }
        Ok(())
    }
}

/// Whether the proxy's own answer is the one that was announced.
fn answered(told: &RequestExplanation, answer: &str) -> Result<(), String> {
    let status = answer.get(9..12).unwrap_or("no answer");
    // That nobody answers cannot be known; and a rule may have taken away what tells cases apart.
    let elsewhere = told.backend.is_some() && matches!(status, "200" | "503" | "504");
    if elsewhere || told.outcome.contains(status) {
        Ok(())
    } else {
        Err(format!("{status}, not '{}'", told.outcome))
    }
}

/// A line with numbers and folders in the places of its placeholders.
fn places(line: &str, folder: &Path, ports: &mut BTreeMap<String, u16>) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        rest = after;
        let name = after.split_once('}').map_or("", |(name, _)| name);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) || name.as_bytes()[0].is_ascii_digit() {
            out.push('{');
            continue;
        }
        if name == "dir" {
            out.push_str(&folder.display().to_string());
        } else {
            let next = 10_000 + ports.len() as u16;
            let port = *ports.entry(name.to_owned()).or_insert(next);
            out.push_str(&port.to_string());
        }
        rest = &after[name.len() + 1..];
    }
    out + rest
}

fn json(path: &PathBuf) -> Value {
    let text = std::fs::read_to_string(path).expect("the corpus is readable");
    serde_json::from_str(&text).expect("JSON")
}
