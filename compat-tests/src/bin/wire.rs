//! Plays the wire suites against a binary and compares with a recorded version of HAProxy.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use compat_tests::arguments::{Arguments, Flag, usage};
use compat_tests::process::ProxyCommand;
use compat_tests::ratchet::Ratchet;
use compat_tests::wire::{Leniency, SuiteReport, WireRun, difference};
use compat_tests::{corpus, hapax};
use regex::Regex;

fn main() -> ExitCode {
    match run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("wire: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse(FLAGS, std::env::args().skip(1))?;
    if arguments.has("--help") {
        print!("{}", usage("wire", ABOUT, FLAGS));
        return Ok(ExitCode::SUCCESS);
    }
    let golden = arguments
        .last("--golden")
        .ok_or("--golden is needed")?
        .to_owned();
    let cases = arguments.all("--case").iter().map(|case| Regex::new(case));
    let mut ratchet = match arguments.last("--ratchet") {
        Some(path) => Some(Ratchet::load(&PathBuf::from(path))?),
        None if arguments.has("--known") || arguments.has("--bless") => {
            Some(Ratchet::load(&corpus::ratchet("wire", &golden))?)
        }
        None => None,
    };
    let run = WireRun {
        command: ProxyCommand {
            binary: match arguments.last("--bin") {
                Some(path) => std::path::absolute(path)?,
                None => hapax::binary(),
            },
            args: arguments.words("--args"),
        },
        corpus: arguments
            .last("--root")
            .map_or_else(corpus::wire, PathBuf::from),
        golden: golden.clone(),
        suites: arguments.all("--suite").to_vec(),
        cases: cases.collect::<Result<_, _>>()?,
        jobs: arguments.parsed("--jobs", 40)?,
        parallel: arguments.parsed("--parallel", 1)?,
        retry: arguments.parsed("--retry", 1)?,
        // Blessing looks for all that passes, so it tries every failure again.
        known: match &ratchet {
            Some(ratchet) if !arguments.has("--bless") => {
                ratchet.known().map(str::to_owned).collect()
            }
            _ => BTreeSet::new(),
        },
        leniency: Leniency {
            no_logs: arguments.has("--no-logs"),
            client_only: arguments.has("--client-only"),
            loose_reset: arguments.has("--loose-reset"),
        },
    };

    let to_show = AtomicUsize::new(arguments.parsed("--show", 3)?);
    let reports = run.run(|report| print_report(report, &golden, &to_show))?;
    if let Some(path) = arguments.last("--json") {
        std::fs::write(path, json(&reports, &golden))?;
    }

    let ids = |report: &SuiteReport, id: &str| format!("{}/{id}", report.name);
    let passed: Vec<String> = reports
        .iter()
        .flat_map(|r| r.passed.iter().map(|id| ids(r, id)))
        .collect();
    let failed: Vec<String> = reports
        .iter()
        .flat_map(|r| r.failed.iter().map(|f| ids(r, &f.id)))
        .collect();
    let mut wrong = failed.len();
    if let Some(ratchet) = &mut ratchet {
        let names = (
            passed.iter().map(String::as_str),
            failed.iter().map(String::as_str),
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

fn print_report(report: &SuiteReport, golden: &str, to_show: &AtomicUsize) {
    let total = report.passed.len() + report.failed.len();
    let mut out = format!("{:<34} {}/{total}\n", report.name, report.passed.len());
    if let Some(note) = &report.note {
        out.push_str(&format!("  {note}\n"));
    }
    // When the proxy did not even start, every case says the same.
    if report.note.is_none() || !report.passed.is_empty() {
        for failure in &report.failed {
            let left = to_show.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
            if left.is_err() {
                break;
            }
            out.push_str(&difference(&report.name, golden, failure));
        }
    }
    print!("{out}");
}

fn json(reports: &[SuiteReport], golden: &str) -> String {
    let suites: serde_json::Map<String, serde_json::Value> = reports
        .iter()
        .map(|report| {
            let failed: Vec<&str> = report.failed.iter().map(|f| f.id.as_str()).collect();
            let value = serde_json::json!({
                "passed": report.passed.len(),
                "total": report.passed.len() + failed.len(),
                "note": report.note,
                "failed": failed,
            });
            (report.name.clone(), value)
        })
        .collect();
    format!(
        "{:#}\n",
        serde_json::json!({ "golden": golden, "suites": suites })
    )
}

const ABOUT: &str = "plays the wire suites against a haproxy-compatible binary";
const FLAGS: &[Flag] = &[
    Flag::with_value(
        "--bin",
        "PATH",
        "the binary; the workspace's hapax when not given",
    ),
    Flag::with_value("--args", "WORDS", "extra arguments put before -f"),
    Flag::with_value(
        "--golden",
        "VERSION",
        "the recorded version to compare with",
    ),
    Flag::with_value(
        "--suite",
        "NAME",
        "only this suite, * allowed; may be repeated",
    ),
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
    Flag::with_value("--jobs", "N", "cases at once in a suite (40)"),
    Flag::with_value("--parallel", "N", "suites at once (1)"),
    Flag::with_value(
        "--retry",
        "N",
        "reruns of failing cases in a fresh process (1)",
    ),
    Flag::with_value("--json", "FILE", "write a report there"),
    Flag::switch("--no-logs", "do not compare log lines"),
    Flag::switch("--client-only", "compare only what the client saw"),
    Flag::switch("--loose-reset", "a reset counts as a close"),
    Flag::switch(
        "--known",
        "judge by the list of known failures of the version",
    ),
    Flag::with_value(
        "--ratchet",
        "FILE",
        "judge by another list of known failures",
    ),
    Flag::switch("--bless", "rewrite the list of known failures"),
    Flag::switch("--help", "this text"),
];
