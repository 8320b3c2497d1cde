//! What a proxy keeps over reloads: `state [--reloads N] [--haproxy PATH] [ARGUMENT...]`.
//!
//! Without `--haproxy` it is hapax that is looked at; its arguments follow.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a tool")]

use std::process::ExitCode;

use compat_tests::hapax;
use compat_tests::state::{Subject, play};
use nix::sys::signal::Signal;

fn main() -> ExitCode {
    let mut subject = Subject {
        binary: std::path::PathBuf::new(),
        arguments: vec!["-db".to_owned()],
        signal: Signal::SIGHUP,
    };
    let mut reloads = 50;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--reloads" => reloads = words.next().and_then(|n| n.parse().ok()).unwrap_or(50),
            "--haproxy" => {
                subject.binary = words.next().unwrap_or_default().into();
                // Its own way to reload: a master process that starts another worker.
                subject.arguments = vec!["-W".to_owned(), "-db".to_owned()];
                subject.signal = Signal::SIGUSR2;
            }
            _ => subject.arguments.push(word),
        }
    }
    if subject.binary.as_os_str().is_empty() {
        subject.binary = hapax::binary();
    }
    match play(&subject, reloads) {
        Ok(findings) => {
            println!("| what | before | after {reloads} reloads | kept |");
            println!("|---|---|---|---|");
            for finding in &findings.list {
                let kept = if finding.kept { "yes" } else { "no" };
                println!(
                    "| {} | {} | {} | {kept} |",
                    finding.what, finding.before, finding.after
                );
            }
            println!(
                "{} requests answered while reloading, {} failed",
                findings.answered, findings.failed
            );
            if findings.failed == 0 && findings.list.iter().all(|finding| finding.kept) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("state: {error}");
            ExitCode::FAILURE
        }
    }
}
