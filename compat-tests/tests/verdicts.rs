//! `-c` says about recorded configurations what HAProxy says, but for the listed cases.

use compat_tests::ratchet::Ratchet;
use compat_tests::verdicts::{VerdictRun, load, parse, print};
use compat_tests::{corpus, hapax};

#[test]
fn as_haproxy_1_4() {
    check("1.4");
}

#[test]
fn as_haproxy_1_8() {
    check("1.8");
}

#[test]
fn cases_print_back() {
    let cases = load(&corpus::config()).expect("the corpus is readable");
    assert_eq!(parse(&print(&cases)).as_ref(), Ok(&cases));
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "a name is used twice");
}

fn check(version: &str) {
    let run = VerdictRun {
        binary: hapax::binary(),
        args: vec!["--compat".into(), version.into()],
        corpus: corpus::config(),
        golden: version.into(),
        matching: None,
        jobs: 2,
    };
    let comparisons = run.run().expect("the corpus is readable");
    let (passed, failed): (Vec<_>, Vec<_>) = comparisons.iter().partition(|c| c.agrees());
    let ratchet = Ratchet::load(&corpus::ratchet("config", version)).expect("the list is readable");
    let judgement = ratchet.judge(
        passed.iter().map(|comparison| comparison.name.as_str()),
        failed.iter().map(|comparison| comparison.name.as_str()),
    );
    let shown: Vec<_> = failed
        .iter()
        .filter(|c| judgement.regressions.contains(&c.name))
        .take(SHOWN)
        .collect();
    assert!(
        judgement.holds(),
        "{}\n{shown:#?}",
        judgement.explain(ratchet.path())
    );
}

/// How many unexpected differences are printed in full.
const SHOWN: usize = 5;
