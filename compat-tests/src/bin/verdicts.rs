//! Checks the recorded configurations with a binary and compares with a release of HAProxy.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use compat_tests::arguments::{Arguments, Flag, usage};
use compat_tests::ratchet::Ratchet;
use compat_tests::verdicts::{Comparison, VerdictRun};
use compat_tests::{corpus, hapax};
use regex::Regex;

fn main() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("verdicts: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse(FLAGS, std::env::args().skip(1))?;
    if arguments.has("--help") {
        print!("{}", usage("verdicts", ABOUT, FLAGS));
        return Ok(ExitCode::SUCCESS);
    }
    let golden = arguments
        .last("--golden")
        .ok_or("--golden is needed")?
        .to_owned();
    let run = VerdictRun {
        binary: match arguments.last("--bin") {
            Some(path) => std::path::absolute(path)?,
            None => hapax::binary(),
        },
        args: arguments.words("--args"),
        corpus: arguments
            .last("--root")
            .map_or_else(corpus::config, PathBuf::from),
        golden: golden.clone(),
        matching: arguments.last("--match").map(Regex::new).transpose()?,
        jobs: arguments.parsed("--jobs", 2)?,
    };
    let comparisons = run.run()?;
    let (passed, failed): (Vec<_>, Vec<_>) = comparisons.iter().partition(|c| c.agrees());
    for comparison in failed.iter().take(arguments.parsed("--show", 10)?) {
        print_difference(comparison);
    }
    let verdicts = comparisons
        .iter()
        .filter(|c| c.expected.verdict == c.got.verdict)
        .count();
    let lines = comparisons
        .iter()
        .filter(|c| c.expected.lines == c.got.lines)
        .count();
    println!(
        "golden {golden}: {} cases, verdict agrees on {verdicts}, line numbers agree on {lines}",
        comparisons.len()
    );

    let mut wrong = failed.len();
    if arguments.has("--known") || arguments.has("--bless") {
        let mut ratchet = Ratchet::load(&corpus::ratchet("config", &golden))?;
        let names = (
            passed.iter().map(|comparison| comparison.name.as_str()),
            failed.iter().map(|comparison| comparison.name.as_str()),
        );
        if arguments.has("--bless") {
            ratchet.bless(names.0.clone(), names.1.clone())?;
            println!("{} written", ratchet.path().display());
        }
        let judgement = ratchet.judge(names.0, names.1);
        print!("{}", judgement.explain(ratchet.path()));
        println!(
            "{} known failures of {}",
            judgement.known,
            comparisons.len()
        );
        wrong = judgement.regressions.len() + judgement.cured.len();
    }
    println!("{} passed, {wrong} failed", passed.len());
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
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

const ABOUT: &str = "checks configurations with a haproxy-compatible binary";
const FLAGS: &[Flag] = &[
    Flag::with_value(
        "--bin",
        "PATH",
        "the binary; the workspace's hapax when not given",
    ),
    Flag::with_value("--args", "WORDS", "extra arguments put before -c"),
    Flag::with_value("--golden", "VERSION", "the release to compare with"),
    Flag::with_value("--match", "REGEX", "only cases whose name matches"),
    Flag::with_value("--root", "FOLDER", "another folder with cases/ and files/"),
    Flag::with_value("--show", "N", "how many differences to print (10)"),
    Flag::with_value("--jobs", "N", "checks at once (2)"),
    Flag::switch(
        "--known",
        "judge by the list of known failures of the version",
    ),
    Flag::switch("--bless", "rewrite the list of known failures"),
    Flag::switch("--help", "this text"),
];
