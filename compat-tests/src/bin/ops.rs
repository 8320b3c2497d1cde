//! Plays the operations suites against a binary and compares with a recorded version of HAProxy.
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
use compat_tests::ops::{OpsRun, difference};
use compat_tests::process::ProxyCommand;
use compat_tests::ratchet::Ratchet;
use compat_tests::{corpus, hapax};
use regex::Regex;

fn main() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("ops: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse(FLAGS, std::env::args().skip(1))?;
    if arguments.has("--help") {
        print!("{}", usage("ops", ABOUT, FLAGS));
        return Ok(ExitCode::SUCCESS);
    }
    let golden = arguments
        .last("--golden")
        .ok_or("--golden is needed")?
        .to_owned();
    let cases = arguments.all("--case").iter().map(|case| Regex::new(case));
    let bless = arguments.has("--bless");
    let mut ratchet = if arguments.has("--known") || bless {
        Some(Ratchet::load(&corpus::ratchet("ops", &golden))?)
    } else {
        None
    };
    let run = OpsRun {
        command: ProxyCommand {
            binary: match arguments.last("--bin") {
                Some(path) => std::path::absolute(path)?,
                None => hapax::binary(),
            },
            args: arguments.words("--args"),
        },
        corpus: arguments
            .last("--root")
            .map_or_else(corpus::ops, PathBuf::from),
        golden: golden.clone(),
        suites: arguments.all("--suite").to_vec(),
        cases: cases.collect::<Result<_, _>>()?,
        jobs: arguments.parsed("--jobs", 8)?,
        retry: arguments.parsed("--retry", 2)?,
        // Blessing looks for all that passes, so it tries every failure again.
        known: match &ratchet {
            Some(ratchet) if !bless => ratchet.known().map(str::to_owned).collect(),
            _ => BTreeSet::new(),
        },
    };

    let reports = run.run()?;
    let mut to_show = arguments.parsed("--show", 3)?;
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for report in &reports {
        let total = report.passed.len() + report.failed.len();
        println!("{:<20} {}/{total}", report.name, report.passed.len());
        for failure in report.failed.iter().take(to_show) {
            print!("{}", difference(&report.name, &golden, failure));
        }
        to_show = to_show.saturating_sub(report.failed.len());
        passed.extend(
            report
                .passed
                .iter()
                .map(|id| format!("{}/{id}", report.name)),
        );
        let name = |id| format!("{}/{id}", report.name);
        failed.extend(report.failed.iter().map(|failure| name(&failure.id)));
    }
    let mut wrong = failed.len();
    if let Some(ratchet) = &mut ratchet {
        let names = (
            passed.iter().map(String::as_str),
            failed.iter().map(String::as_str),
        );
        if bless {
            ratchet.bless(names.0.clone(), names.1.clone())?;
            println!("{} written", ratchet.path().display());
        }
        let judgement = ratchet.judge(names.0, names.1);
        print!("{}", judgement.explain(ratchet.path()));
        println!(
            "{} known failures of {}",
            judgement.known,
            passed.len() + failed.len()
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

const ABOUT: &str = "plays the operations suites against a haproxy-compatible binary";
const FLAGS: &[Flag] = &[
    Flag::with_value(
        "--bin",
        "PATH",
        "the binary; the workspace's hapax when not given",
    ),
    Flag::with_value("--args", "WORDS", "extra arguments put before all others"),
    Flag::with_value(
        "--golden",
        "VERSION",
        "the recorded version to compare with",
    ),
    Flag::with_value("--suite", "NAME", "only this suite; may be repeated"),
    Flag::with_value(
        "--case",
        "REGEX",
        "only cases whose id matches; may be repeated",
    ),
    Flag::with_value(
        "--root",
        "FOLDER",
        "another folder with suites/ and golden/",
    ),
    Flag::with_value("--show", "N", "how many differences to print (3)"),
    Flag::with_value("--jobs", "N", "cases at once (8)"),
    Flag::with_value("--retry", "N", "reruns of failing cases (2)"),
    Flag::switch(
        "--known",
        "judge by the list of known failures of the version",
    ),
    Flag::switch("--bless", "rewrite the list of known failures"),
    Flag::switch("--help", "this text"),
];
