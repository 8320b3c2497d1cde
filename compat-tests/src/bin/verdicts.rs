//! Checks the recorded configurations with a binary and compares with a release of HAProxy.
#![allow(clippy::print_stdout, reason = "a command that reports")]

use std::collections::BTreeSet;
use std::process::ExitCode;

use compat_tests::arguments::Flag;
use compat_tests::corpus;
use compat_tests::recorded::program::Program;
use compat_tests::verdicts::{Comparison, VerdictRun};
use regex::Regex;

const PROGRAM: Program = Program {
    name: "verdicts",
    about: "checks configurations with a haproxy-compatible binary",
    list: "config",
    flags: &[OWN],
};
const OWN: &[Flag] = &[Flag::with_value(
    "--match",
    "REGEX",
    "only cases whose name matches",
)];

fn main() -> ExitCode {
    PROGRAM.main(|asked| {
        let arguments = &asked.arguments;
        let command = asked.command()?;
        let run = VerdictRun {
            binary: command.binary,
            args: command.args,
            corpus: asked.corpus(corpus::config),
            golden: asked.golden.clone(),
            matching: arguments.last("--match").map(Regex::new).transpose()?,
            jobs: arguments.parsed("--jobs", 2)?,
        };
        let comparisons = run.run()?;
        let (passed, failed): (Vec<_>, Vec<_>) = comparisons.iter().partition(|c| c.agrees());
        for comparison in failed.iter().take(arguments.parsed("--show", 3)?) {
            print_difference(comparison);
        }
        let agree = |same: fn(&Comparison) -> bool| comparisons.iter().filter(|c| same(c)).count();
        println!(
            "golden {}: {} cases, verdict agrees on {}, line numbers agree on {}",
            asked.golden,
            comparisons.len(),
            agree(|c| c.expected.verdict == c.got.verdict),
            agree(|c| c.expected.lines == c.got.lines),
        );
        let names = |list: &[&Comparison]| list.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        asked.conclude_cases(&names(&passed), &names(&failed))
    })
}

fn print_difference(comparison: &Comparison) {
    let Comparison {
        name,
        expected,
        got,
    } = comparison;
    println!(
        "FAIL {name}: expected {} lines {}, got {} (exit {}) lines {}",
        expected.verdict.word(),
        list(&expected.lines),
        got.verdict.word(),
        got.status
            .map_or_else(|| "by signal".to_owned(), |status| status.to_string()),
        list(&got.lines),
    );
    for message in got.messages.iter().take(8) {
        println!("    got:      {message}");
    }
}

fn list(lines: &BTreeSet<u32>) -> String {
    format!("{:?}", Vec::from_iter(lines))
}
