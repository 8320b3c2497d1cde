//! What crosses the wire equals what was recorded from HAProxy, but for the listed cases.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use compat_tests::corpus;
use compat_tests::ratchet::Ratchet;
use compat_tests::recorded::{Run, verdict};
use compat_tests::wire::{Leniency, WireRun};

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
        run: Run {
            jobs: 40,
            ..Run::of_hapax(corpus::wire(), version, args, &ratchet)
        },
        // Suites spend their time waiting; a few at once keep two cores busy without lateness.
        parallel: 3,
        leniency: Leniency::default(),
    };
    let reports = run.run(|_| {}).expect("the corpus is readable");
    match verdict(&reports, &ratchet, version) {
        Ok(counts) => println!("{counts}"),
        Err(differences) => panic!("{differences}"),
    }
}
