//! What crosses the wire equals what was recorded from HAProxy, but for the listed cases.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use compat_tests::process::ProxyCommand;
use compat_tests::ratchet::Ratchet;
use compat_tests::wire::{Leniency, WireRun, difference};
use compat_tests::{corpus, hapax};

#[test]
fn as_haproxy_1_4() {
    play("1.4", &["--compat", "1.4"], "1.4");
}

#[test]
fn as_haproxy_1_8() {
    play("1.8", &["--compat", "1.8"], "1.8");
}

/// `modes_by_default` has what the cases do that this list has and that of 1.8 has not.
#[test]
fn as_haproxy_1_8_by_default() {
    play("1.8", &[], "default");
}

fn play(version: &str, args: &[&str], list: &str) {
    let ratchet = Ratchet::load(&corpus::ratchet("wire", list)).expect("the list is readable");
    let run = WireRun {
        command: ProxyCommand {
            binary: hapax::binary(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        },
        corpus: corpus::wire(),
        golden: version.into(),
        suites: Vec::new(),
        cases: Vec::new(),
        jobs: 40,
        // Suites spend their time waiting; a few at once keep two cores busy without lateness.
        parallel: 3,
        retry: 3,
        known: ratchet.known().map(str::to_owned).collect(),
        leniency: Leniency::default(),
    };
    let reports = run.run(|_| {}).expect("the corpus is readable");
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
