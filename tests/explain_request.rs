//! `hapax explain request`: a request followed through the rules, offline.

use hapax::configuration::{self, Overrides};
use hapax::explain::request::{Question, RequestExplanation, explain};
use haproxy_cfg_grammar::{Dialect, SourceSet};

const FILE: &str = "\
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
frontend www
    bind :8080
    acl images path_beg /img
    acl inside src 10.0.0.0/8
    block if !inside { path_beg /admin }
    reqadd X-Edge:\\ 1
    redirect location /login if { path /old }
    use_backend static if images
    default_backend app
backend static
    option httpclose
    reqirep ^Host:.* Host:\\ static.test
    server s1 10.0.0.1:80
backend app
    server a1 10.0.0.2:80
";

fn ask(line: &str, source: &str) -> RequestExplanation {
    let sources = SourceSet::from_text("haproxy.cfg", FILE);
    let configuration = configuration::read(&sources, Dialect::V1_4, Overrides::default());
    let plan = configuration.plan.expect("a plan");
    let question = Question {
        frontend: Some("www".to_owned()),
        line: line.to_owned(),
        headers: vec!["Host: www.test".to_owned()],
        source: format!("{source}:4000").parse().expect("an address"),
        destination: None,
    };
    explain(&plan, &question).expect("an explanation")
}

#[test]
fn a_request_is_followed_to_its_backend_and_rewritten() {
    let told = ask("GET /img/a HTTP/1.1", "10.1.1.1");
    assert_eq!(told.backend.as_deref(), Some("static"));
    assert_eq!(
        told.request,
        [
            "GET /img/a HTTP/1.1",
            "Host: static.test",
            "X-Edge: 1",
            "Connection: close"
        ]
    );
    let applied: Vec<&str> = told
        .steps
        .iter()
        .filter(|s| s.applies)
        .map(|s| &*s.rule)
        .collect();
    assert!(
        applied.iter().any(|rule| rule.starts_with("reqadd")),
        "{applied:?}"
    );
    assert!(
        applied.contains(&"use_backend static if images"),
        "{applied:?}"
    );
    let refused = told.steps.iter().find(|s| s.rule.starts_with("block"));
    assert!(refused.is_some_and(|step| !step.applies));
}

#[test]
fn refusals_and_redirects_end_it() {
    let refused = ask("GET /admin HTTP/1.1", "192.0.2.1");
    assert_eq!(refused.backend, None);
    assert!(refused.outcome.contains("403"), "{}", refused.outcome);
    let allowed = ask("GET /admin HTTP/1.1", "10.9.9.9");
    assert_eq!(allowed.backend.as_deref(), Some("app"));
    let sent = ask("GET /old HTTP/1.1", "10.9.9.9");
    assert!(sent.outcome.contains("/login"), "{}", sent.outcome);
}
