//! Fifty reloads under load, with files that change, lose nothing that the proxy knows.
#![allow(clippy::print_stdout, reason = "the figures are part of the result")]

use compat_tests::hapax;
use compat_tests::state::{Subject, play};
use nix::sys::signal::Signal;

#[test]
fn fifty_reloads_lose_nothing_that_is_known() {
    let subject = Subject {
        binary: hapax::binary(),
        arguments: vec!["-db".to_owned()],
        signal: Signal::SIGHUP,
    };
    let findings = play(&subject, 50).expect("it can be played");
    for finding in &findings.list {
        println!("{finding:?}");
    }
    assert_eq!(findings.failed, 0);
    let lost: Vec<_> = findings.list.iter().filter(|f| !f.kept).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
