//! Nothing that breaks around it breaks hapax: see `docs/overload.md`.
#![allow(clippy::print_stdout, reason = "what was seen is part of the result")]

use compat_tests::faults::{SCENARIOS, Subject};
use compat_tests::hapax;

#[test]
fn no_fault_breaks_it() {
    let subject = Subject {
        binary: hapax::binary(),
        haproxy: false,
    };
    let mut failures = Vec::new();
    for scenario in SCENARIOS {
        match scenario.play(&subject) {
            Ok(seen) => println!("{}: {seen}", scenario.name),
            Err(seen) => failures.push(format!("{}: {seen}", scenario.name)),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
