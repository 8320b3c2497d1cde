//! Balancing, queues, limits, retries and checks are what was recorded from HAProxy, but for the
//! listed cases.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use compat_tests::ratchet::Ratchet;
use compat_tests::recorded::{Run, verdict};
use compat_tests::{corpus, servers};

#[test]
fn as_haproxy_1_4() {
    play("1.4");
}

#[test]
fn as_haproxy_1_8() {
    play("1.8");
}

fn play(version: &str) {
    let list = corpus::ratchet("servers", version);
    let ratchet = Ratchet::load(&list).expect("the list is readable");
    let run = Run::of_hapax(corpus::servers(), version, &["--compat", version], &ratchet);
    let reports = servers::play(&run).expect("the corpus is readable");
    match verdict(&reports, &ratchet, version) {
        Ok(counts) => println!("{counts}"),
        Err(differences) => panic!("{differences}"),
    }
}
