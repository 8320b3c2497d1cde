//! Plays the operations suites against a binary and compares with a recorded version of HAProxy.

use std::process::ExitCode;

use compat_tests::recorded::program::{Program, SUITES, print_report};
use compat_tests::{corpus, ops};

const PROGRAM: Program = Program {
    name: "ops",
    about: "plays the operations suites against a haproxy-compatible binary",
    list: "ops",
    flags: &[SUITES],
};

fn main() -> ExitCode {
    PROGRAM.main(|asked| {
        let reports = ops::play(&asked.run(corpus::ops, 8, 2)?)?;
        let mut to_show = asked.arguments.parsed("--show", 3)?;
        for report in &reports {
            print_report(report, &asked.golden, &mut to_show);
        }
        asked.conclude(&reports)
    })
}
