//! Command line, signals, takeover, statistics and logs are what was recorded from HAProxy, but for the
//! listed cases.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use compat_tests::ops::{OpsRun, difference};
use compat_tests::process::ProxyCommand;
use compat_tests::ratchet::Ratchet;
use compat_tests::{corpus, hapax};

#[test]
fn as_haproxy_1_4() {
    play("1.4");
}

#[test]
fn as_haproxy_1_8() {
    play("1.8");
}

fn play(version: &str) {
    let list = corpus::ratchet("ops", version);
    let ratchet = Ratchet::load(&list).expect("the list is readable");
    let run = OpsRun {
        command: ProxyCommand {
            binary: hapax::binary(),
            args: vec!["--compat".into(), version.into()],
        },
        corpus: corpus::ops(),
        golden: version.into(),
        suites: Vec::new(),
        cases: Vec::new(),
        // Cases spend their time waiting; more at once and two cores are late.
        jobs: 8,
        retry: 3,
        known: ratchet.known().map(str::to_owned).collect(),
    };
    let reports = run.run().expect("the corpus is readable");
    let name = |suite: &str, id: &str| format!("{suite}/{id}");
    let passed: Vec<String> = reports
        .iter()
        .flat_map(|r| r.passed.iter().map(|id| name(&r.name, id)))
        .collect();
    let failed: Vec<String> = reports
        .iter()
        .flat_map(|r| r.failed.iter().map(|f| name(&r.name, &f.id)))
        .collect();
    let judgement = ratchet.judge(
        passed.iter().map(String::as_str),
        failed.iter().map(String::as_str),
    );
    let shown: String = reports
        .iter()
        .flat_map(|report| report.failed.iter().map(move |failure| (report, failure)))
        .filter(|(r, f)| judgement.regressions.contains(&name(&r.name, &f.id)))
        .take(SHOWN)
        .map(|(report, failure)| difference(&report.name, version, failure))
        .collect();
    println!(
        "{version}: {} pass, {} known failures",
        passed.len(),
        judgement.known
    );
    assert!(
        judgement.holds(),
        "{}\n{shown}",
        judgement.explain(ratchet.path())
    );
}

/// How many unexpected differences are printed in full.
const SHOWN: usize = 5;
