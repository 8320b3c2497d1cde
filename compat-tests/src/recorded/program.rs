//! Commands that play recorded cases by hand: the options that they share, and their last lines.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands that report"
)]

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use regex::Regex;

use super::report::names;
use super::{Run, SuiteReport, difference};
use crate::arguments::{Arguments, Flag, usage};
use crate::process::ProxyCommand;
use crate::ratchet::Ratchet;
use crate::{corpus, hapax};

/// Options of every program.
pub const COMMON: &[Flag] = &[
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
    Flag::with_value("--root", "FOLDER", "another folder with the corpus"),
    Flag::with_value("--show", "N", "how many differences to print (3)"),
    Flag::with_value("--jobs", "N", "cases at once"),
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

/// Options of those that play suites.
pub const SUITES: &[Flag] = &[
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
    Flag::with_value("--retry", "N", "reruns of failing cases"),
];

/// What a command line asks for.
#[derive(Debug)]
pub struct Asked {
    /// The command line.
    pub arguments: Arguments,
    /// `--golden`.
    pub golden: String,
    /// The list to judge by, if there is to be one.
    pub ratchet: Option<Ratchet>,
    /// Whether the list is to be rewritten.
    pub bless: bool,
}

/// A program.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Whose list of known failures it is judged by.
    pub list: &'static str,
    /// Its options, beside [`COMMON`].
    pub flags: &'static [&'static [Flag]],
}

impl Program {
    /// Reads the command line, has it played, and exits with 0 when all is well, 1 when cases fail,
    /// and 2 when they cannot be played.
    pub fn main(&self, play: impl FnOnce(Asked) -> Result<ExitCode, Box<dyn Error>>) -> ExitCode {
        self.run(play).unwrap_or_else(|error| {
            eprintln!("{}: {error}", self.name);
            ExitCode::from(2)
        })
    }

    fn run(
        &self,
        play: impl FnOnce(Asked) -> Result<ExitCode, Box<dyn Error>>,
    ) -> Result<ExitCode, Box<dyn Error>> {
        let flags = [self.flags.concat(), COMMON.to_vec()].concat();
        let arguments = Arguments::parse(&flags, std::env::args().skip(1))?;
        if arguments.has("--help") {
            print!("{}", usage(self.name, self.about, &flags));
            return Ok(ExitCode::SUCCESS);
        }
        play(Asked::read(self.list, arguments)?)
    }
}

impl Asked {
    fn read(list: &str, arguments: Arguments) -> Result<Self, Box<dyn Error>> {
        let golden = arguments.last("--golden").ok_or("--golden is needed")?;
        let golden = golden.to_owned();
        let bless = arguments.has("--bless");
        let file = match arguments.last("--ratchet") {
            Some(path) => Some(PathBuf::from(path)),
            None if bless || arguments.has("--known") => Some(corpus::ratchet(list, &golden)),
            None => None,
        };
        Ok(Self {
            ratchet: file.map(|file| Ratchet::load(&file)).transpose()?,
            arguments,
            golden,
            bless,
        })
    }

    /// `--bin` and `--args`.
    pub fn command(&self) -> io::Result<ProxyCommand> {
        Ok(ProxyCommand {
            binary: match self.arguments.last("--bin") {
                Some(path) => std::path::absolute(path)?,
                None => hapax::binary(),
            },
            args: self.arguments.words("--args"),
        })
    }

    /// `--root`, or the folder of this crate.
    pub fn corpus(&self, own: impl FnOnce() -> PathBuf) -> PathBuf {
        self.arguments
            .last("--root")
            .map_or_else(own, PathBuf::from)
    }

    /// A run over suites.
    pub fn run(
        &self,
        own: impl FnOnce() -> PathBuf,
        jobs: usize,
        retry: usize,
    ) -> Result<Run, Box<dyn Error>> {
        let cases = self.arguments.all("--case").iter();
        Ok(Run {
            command: self.command()?,
            corpus: self.corpus(own),
            golden: self.golden.clone(),
            suites: self.arguments.all("--suite").to_vec(),
            cases: cases
                .map(|case| Regex::new(case))
                .collect::<Result<_, _>>()?,
            jobs: self.arguments.parsed("--jobs", jobs)?,
            retry: self.arguments.parsed("--retry", retry)?,
            // Blessing looks for all that passes, so it tries every failure again.
            known: match &self.ratchet {
                Some(ratchet) if !self.bless => ratchet.known().map(str::to_owned).collect(),
                _ => BTreeSet::new(),
            },
        })
    }

    /// Says how suites went, and what the list makes of it.
    pub fn conclude(self, reports: &[SuiteReport]) -> Result<ExitCode, Box<dyn Error>> {
        let (passed, failed) = names(reports);
        self.conclude_cases(&passed, &failed)
    }

    /// The same for cases without suites.
    pub fn conclude_cases(
        mut self,
        passed: &[String],
        failed: &[String],
    ) -> Result<ExitCode, Box<dyn Error>> {
        let mut wrong = failed.len();
        if let Some(ratchet) = &mut self.ratchet {
            let names = (
                passed.iter().map(String::as_str),
                failed.iter().map(String::as_str),
            );
            if self.bless {
                ratchet.bless(names.0.clone(), names.1.clone())?;
                println!("{} written", ratchet.path().display());
            }
            let judgement = ratchet.judge(names.0, names.1);
            print!("{}", judgement.explain(ratchet.path()));
            let all = passed.len() + failed.len();
            println!("{} known failures of {all}", judgement.known);
            wrong = judgement.regressions.len() + judgement.cured.len();
        }
        println!("{} passed, {wrong} failed", passed.len());
        Ok(if wrong == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Prints the counts of a suite, and as many differences as `to_show` still allows.
pub fn print_report(report: &SuiteReport, golden: &str, to_show: &mut usize) {
    let total = report.passed.len() + report.failed.len();
    println!("{:<34} {}/{total}", report.name, report.passed.len());
    if let Some(note) = &report.note {
        println!("  {note}");
        // When the proxy did not even start, every case says the same.
        if report.passed.is_empty() {
            return;
        }
    }
    for failure in report.failed.iter().take(*to_show) {
        print!("{}", difference(&report.name, golden, failure));
    }
    *to_show = to_show.saturating_sub(report.failed.len());
}
