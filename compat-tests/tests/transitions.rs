//! Servers go up and down at the same check as with HAProxy 2.6.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use compat_tests::process::ProxyCommand;
use compat_tests::recorded::{Run, SuiteReport, differences};
use compat_tests::{corpus, hapax, haproxy, servers};

/// Seventeen scripted servers: beside HAProxy where there is one, and beside what was recorded.
#[test]
fn every_transition_comes_at_the_same_check() {
    let ours = run(ProxyCommand {
        binary: hapax::binary(),
        args: Vec::new(),
    });
    if let Some(command) = haproxy::installed() {
        let theirs = run(command);
        let beside = servers::transcripts(&theirs).expect("the scenarios are readable");
        if std::env::var_os("HAPAX_BLESS").is_some() {
            servers::record(&theirs, "transitions", &beside).expect("written");
        }
        let reports = servers::play_beside(&ours, &beside).expect("playable");
        judge("HAProxy 2.6", &reports);
    }
    let reports = servers::play(&ours).expect("playable");
    judge("the recording of 2.6", &reports);
}

fn judge(beside: &str, reports: &[SuiteReport]) {
    let passed: usize = reports.iter().map(|report| report.passed.len()).sum();
    println!("{passed} scenarios as {beside}");
    let differences: String = differences(reports, beside, |_| true).collect();
    assert!(differences.is_empty(), "{differences}");
    assert!(passed >= 12, "only {passed} scenarios");
}

fn run(command: ProxyCommand) -> Run {
    Run {
        command,
        corpus: corpus::transitions(),
        golden: "2.6".to_owned(),
        suites: Vec::new(),
        cases: Vec::new(),
        jobs: 6,
        retry: 2,
        known: Default::default(),
    }
}
