//! Fault scenarios by hand: `faults [--haproxy PATH] [NAME...]`.
#![allow(clippy::print_stdout, reason = "this is a tool")]

use std::process::ExitCode;

use compat_tests::faults::{SCENARIOS, Subject};
use compat_tests::hapax;

fn main() -> ExitCode {
    let mut haproxy = None;
    let mut names = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--haproxy" => haproxy = words.next(),
            _ => names.push(word),
        }
    }
    let subject = Subject {
        haproxy: haproxy.is_some(),
        binary: haproxy.map_or_else(hapax::binary, Into::into),
    };
    let chosen = |name: &&str| names.is_empty() || names.iter().any(|n| n == name);
    let mut failed = 0;
    for scenario in SCENARIOS.iter().filter(|s| chosen(&s.name)) {
        match scenario.play(&subject) {
            Ok(seen) => println!("| {} | {} | {seen} |", scenario.name, scenario.what),
            Err(seen) => {
                failed += 1;
                println!("| {} | {} | **{seen}** |", scenario.name, scenario.what);
            }
        }
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
