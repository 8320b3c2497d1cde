//! What is chosen, and how it is played.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use parking_lot::Mutex;
use regex::Regex;

use super::report::{Failure, SuiteReport};
use crate::hapax;
use crate::process::ProxyCommand;
use crate::ratchet::Ratchet;

/// What is run, and what it is compared with.
#[derive(Clone, Debug)]
pub struct Run {
    /// The binary under test.
    pub command: ProxyCommand,
    /// The folder with `suites/` and `golden/`.
    pub corpus: PathBuf,
    /// The recorded version to compare with.
    pub golden: String,
    /// Only suites whose name matches one of these; all when empty. `*` stands for anything.
    pub suites: Vec<String>,
    /// Only cases whose id matches one of these; all when empty.
    pub cases: Vec<Regex>,
    /// Cases at once.
    pub jobs: usize,
    /// How often cases that surprise are tried again.
    pub retry: usize,
    /// Cases that are expected to fail, as `suite/case`: it is their passing that surprises.
    pub known: BTreeSet<String>,
}

/// A case to play: what it takes to do so, what was recorded, and what happened.
pub(crate) struct Job<C, T> {
    pub(crate) suite: String,
    pub(crate) id: String,
    pub(crate) case: C,
    pub(crate) expected: T,
    pub(crate) got: T,
}

impl<C, T: PartialEq> Job<C, T> {
    /// `suite/case`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.suite, self.id)
    }

    fn passes(&self) -> bool {
        self.expected == self.got
    }
}

impl Run {
    /// Everything that hapax is compared with in one dialect, but for what a list has.
    pub fn of_hapax(corpus: PathBuf, golden: &str, args: &[&str], ratchet: &Ratchet) -> Self {
        Self {
            command: ProxyCommand {
                binary: hapax::binary(),
                args: args.iter().map(|&arg| arg.to_owned()).collect(),
            },
            corpus,
            golden: golden.to_owned(),
            suites: Vec::new(),
            cases: Vec::new(),
            jobs: 8,
            retry: 3,
            known: ratchet.known().map(str::to_owned).collect(),
        }
    }

    /// Where the recording of a suite lies.
    pub(crate) fn recording(&self, suite: &str) -> PathBuf {
        let folder = self.corpus.join("golden").join(&self.golden);
        folder.join(format!("{suite}.json"))
    }

    /// Where a suite lies.
    pub(crate) fn suite(&self, suite: &str) -> PathBuf {
        self.corpus.join(format!("suites/{suite}.json"))
    }

    /// Names of the chosen suites, in alphabetical order. The error has the folder.
    pub(crate) fn suite_names(&self) -> Result<Vec<String>, (PathBuf, io::Error)> {
        let folder = self.corpus.join("suites");
        let unreadable = |error| (folder.clone(), error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.file_name();
            if let Some(name) = file.to_string_lossy().strip_suffix(".json")
                && (self.suites.is_empty() || self.suites.iter().any(|p| matches_name(p, name)))
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Whether a case was chosen, and is meant for the version.
    pub(crate) fn wants(&self, id: &str, versions: Option<&Vec<String>>) -> bool {
        let chosen = self.cases.is_empty() || self.cases.iter().any(|regex| regex.is_match(id));
        chosen && versions.is_none_or(|all| all.contains(&self.golden))
    }

    /// Plays cases and compares with what was recorded. What surprises may have been late on a busy
    /// machine: it is tried again, with fewer at once.
    pub(crate) fn compare<C: Sync + Send, T: PartialEq + Send + Sync, E: Send>(
        &self,
        mut jobs: Vec<Job<C, T>>,
        perform: impl Fn(&C) -> Result<T, E> + Sync,
        lines: impl Fn(&T) -> Vec<String>,
    ) -> Result<Vec<SuiteReport>, E> {
        let mut surprising: Vec<&mut Job<C, T>> = jobs.iter_mut().collect();
        for attempt in 0..=self.retry {
            play(&mut surprising, self.jobs >> attempt.min(8), &perform)?;
            surprising.retain(|job| job.passes() == self.known.contains(&job.name()));
            if surprising.is_empty() {
                break;
            }
        }
        let mut reports: BTreeMap<String, SuiteReport> = BTreeMap::new();
        for job in jobs {
            let name = job.suite.clone();
            let report = reports
                .entry(name)
                .or_insert_with(|| SuiteReport::new(&job.suite));
            if job.passes() {
                report.passed.push(job.id);
            } else {
                report.failed.push(Failure {
                    id: job.id,
                    sent: Vec::new(),
                    expected: lines(&job.expected),
                    got: lines(&job.got),
                });
            }
        }
        Ok(reports.into_values().collect())
    }
}

/// Plays cases, so many at once.
pub(crate) fn play<C: Sync + Send, T: Send + Sync, E: Send>(
    jobs: &mut [&mut Job<C, T>],
    at_once: usize,
    perform: impl Fn(&C) -> Result<T, E> + Sync,
) -> Result<(), E> {
    let waiting = Mutex::new(jobs.iter_mut());
    let trouble = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(job) = waiting.lock().next() else {
                        return;
                    };
                    match perform(&job.case) {
                        Ok(got) => job.got = got,
                        Err(error) => {
                            trouble.lock().get_or_insert(error);
                            return;
                        }
                    }
                }
            });
        }
    });
    trouble.into_inner().map_or(Ok(()), Err)
}

/// Whether a name matches a pattern in which `*` stands for anything.
fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len())
                .filter(|cut| name.is_char_boundary(*cut))
                .any(|cut| matches_name(rest, &name[cut..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches_name;

    #[test]
    fn stars_stand_for_anything() {
        let cases = [
            ("cookie", "cookie", true),
            ("cookie", "cookie-15", false),
            ("http-modes*", "http-modes-fe-be-cl", true),
            ("*-15", "cookie-15", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches_name(pattern, name), expected, "{pattern} {name}");
        }
    }
}
