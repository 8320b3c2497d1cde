//! Plays the servers suites against a binary and compares with a recorded version of HAProxy.
#![allow(clippy::print_stdout, reason = "a command that reports")]

use std::process::ExitCode;

use compat_tests::arguments::Flag;
use compat_tests::recorded::Run;
use compat_tests::recorded::program::{Program, SUITES, print_report};
use compat_tests::{corpus, servers};

const PROGRAM: Program = Program {
    name: "servers",
    about: "plays the servers suites against a haproxy-compatible binary",
    list: "servers",
    flags: &[SUITES, OWN],
};
const OWN: &[Flag] = &[Flag::with_value(
    "--record",
    "SUITE",
    "record what the binary does three times in a row as that version",
)];

fn main() -> ExitCode {
    PROGRAM.main(|asked| {
        let run = asked.run(corpus::servers, 12, 2)?;
        if let Some(suite) = asked.arguments.last("--record") {
            let suites = vec![suite.to_owned()];
            let (stable, played) = servers::record_often(&Run { suites, ..run }, suite, 3)?;
            println!("{stable} of {played} cases recorded");
            return Ok(ExitCode::SUCCESS);
        }
        let reports = servers::play(&run)?;
        let mut to_show = asked.arguments.parsed("--show", 3)?;
        for report in &reports {
            print_report(report, &asked.golden, &mut to_show);
        }
        asked.conclude(&reports)
    })
}
