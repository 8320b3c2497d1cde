//! Checks configurations with `-c` and compares verdicts and line numbers with HAProxy's.
//!
//! - `cases`: the files of `corpus/config/cases`;
//! - `check`: one run of the binary, and what its messages say.

mod cases;
mod check;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use regex::Regex;

pub use cases::{CaseError, ConfigCase, Expectation, Verdict, parse, print};
pub use check::{Answer, Checker};

/// What is checked, and what it is compared with.
#[derive(Clone, Debug)]
pub struct VerdictRun {
    /// The binary under test.
    pub binary: PathBuf,
    /// Arguments before `-c -f`.
    pub args: Vec<String>,
    /// The folder with `cases/` and `files/`.
    pub corpus: PathBuf,
    /// The release to compare with.
    pub golden: String,
    /// Only cases whose name matches.
    pub matching: Option<Regex>,
    /// Checks at once.
    pub jobs: usize,
}

/// The comparison of one case.
#[derive(Debug)]
pub struct Comparison {
    /// The case.
    pub name: String,
    /// What the release answered.
    pub expected: Expectation,
    /// What the binary answered.
    pub got: Answer,
}

impl Comparison {
    /// Whether verdict and line numbers are equal.
    pub fn agrees(&self) -> bool {
        self.expected.verdict == self.got.verdict && self.expected.lines == self.got.lines
    }
}

/// Why the cases could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// A file of the corpus is not what it should be.
    #[error("{path}: {source}")]
    Case {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CaseError,
    },
    /// Files or processes cannot be used.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl VerdictRun {
    /// Checks all chosen cases; in the order of their names.
    pub fn run(&self) -> Result<Vec<Comparison>, VerdictError> {
        let mut chosen = load(&self.corpus)?;
        chosen.retain(|case| {
            let named = self
                .matching
                .as_ref()
                .is_none_or(|regex| regex.is_match(&case.name));
            named && case.expectation(&self.golden).is_some()
        });
        let folder = tempfile::Builder::new().prefix("verdicts-").tempdir()?;
        let checker = Checker::prepare(
            self.binary.clone(),
            self.args.clone(),
            folder.path(),
            &self.corpus.join("files"),
        )?;
        let waiting = Mutex::new(chosen.iter());
        let done = Mutex::new(BTreeMap::new());
        let trouble = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let Some(case) = waiting.lock().next() else {
                            return;
                        };
                        match checker.check(case) {
                            Ok(answer) => {
                                done.lock().insert(&case.name, answer);
                            }
                            Err(error) => {
                                trouble.lock().get_or_insert(error);
                                return;
                            }
                        }
                    }
                });
            }
        });
        if let Some(error) = trouble.into_inner() {
            return Err(error.into());
        }
        let mut answers = done.into_inner();
        let comparisons = chosen.iter().filter_map(|case| {
            Some(Comparison {
                name: case.name.clone(),
                expected: case.expectation(&self.golden)?.clone(),
                got: answers.remove(&case.name)?,
            })
        });
        Ok(comparisons.collect())
    }
}

/// All cases of the corpus, by name.
pub fn load(corpus: &Path) -> Result<Vec<ConfigCase>, VerdictError> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(corpus.join("cases"))? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        let cases = parse(&text).map_err(|source| VerdictError::Case { path, source })?;
        all.extend(cases);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}
