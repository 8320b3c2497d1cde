//! Results against recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use parking_lot::Mutex;
use regex::Regex;

use super::WireError;
use super::stage::{Performance, perform};
use super::suite::{Case, Golden, Outcome, Recorded, Side, Suite, Transcript};
use crate::process::ProxyCommand;

/// What is run, and what it is compared with.
#[derive(Clone, Debug)]
pub struct WireRun {
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
    /// Cases at once in one suite.
    pub jobs: usize,
    /// Suites at once, each with a process of its own.
    pub parallel: usize,
    /// How often cases that surprise are tried again in a fresh process.
    pub retry: usize,
    /// Cases that are expected to fail, as `suite/case`: it is their passing that surprises.
    pub known: BTreeSet<String>,
    /// What is not compared.
    pub leniency: Leniency,
}

/// What is left out of the comparison.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leniency {
    /// Log lines.
    pub no_logs: bool,
    /// Everything but what the clients saw.
    pub client_only: bool,
    /// The difference between a reset and a close.
    pub loose_reset: bool,
}

/// What a suite came to.
#[derive(Debug)]
pub struct SuiteReport {
    /// The suite's name.
    pub name: String,
    /// Ids of the cases that equal their recording.
    pub passed: Vec<String>,
    /// The others, in file order.
    pub failed: Vec<Failure>,
    /// What is wrong with the proxy itself, when something is.
    pub note: Option<String>,
}

/// A case that does not equal its recording.
#[derive(Debug)]
pub struct Failure {
    /// The case.
    pub id: String,
    /// What its client sent.
    pub sent: Vec<String>,
    /// What was recorded, as far as it is compared.
    pub expected: Transcript,
    /// What happened now, as far as it is compared.
    pub got: Option<Outcome>,
}

impl WireRun {
    /// Plays all chosen suites; `each` sees every report as soon as it is there.
    pub fn run(&self, each: impl Fn(&SuiteReport) + Sync) -> Result<Vec<SuiteReport>, WireError> {
        let names = self.chosen_suites()?;
        let waiting = Mutex::new(names.iter());
        let reports = Mutex::new(BTreeMap::new());
        let trouble = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.parallel.max(1) {
                scope.spawn(|| {
                    loop {
                        let Some(name) = waiting.lock().next() else {
                            return;
                        };
                        match self.run_suite(name) {
                            Ok(None) => {}
                            Ok(Some(report)) => {
                                each(&report);
                                reports.lock().insert(name, report);
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
        match trouble.into_inner() {
            Some(error) => Err(error),
            None => Ok(reports.into_inner().into_values().collect()),
        }
    }

    /// Names of the suites that were chosen and have a recording, in alphabetical order.
    pub fn chosen_suites(&self) -> Result<Vec<String>, WireError> {
        let folder = self.corpus.join("suites");
        let unreadable = |source| WireError::File {
            path: folder.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.file_name();
            if let Some(name) = file.to_string_lossy().strip_suffix(".json") {
                let wanted = self.suites.is_empty()
                    || self
                        .suites
                        .iter()
                        .any(|pattern| matches_name(pattern, name));
                if wanted && self.golden_path(name).exists() {
                    names.push(name.to_owned());
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Plays one suite; `None` when none of its cases is to be compared.
    pub fn run_suite(&self, name: &str) -> Result<Option<SuiteReport>, WireError> {
        let suite = Suite::load(&self.corpus.join("suites").join(name).with_extension_json())?;
        let mut golden = Golden::load(&self.golden_path(name))?;
        let mut expected = BTreeMap::new();
        let mut cases = Vec::new();
        for case in &suite.cases {
            let chosen =
                self.cases.is_empty() || self.cases.iter().any(|regex| regex.is_match(&case.id));
            if let (true, Some(Recorded::Stable(transcript))) =
                (chosen, golden.cases.remove(&case.id))
            {
                expected.insert(case.id.clone(), self.leniency.apply(transcript));
                cases.push(Rc::clone(case));
            }
        }
        if cases.is_empty() {
            return Ok(None);
        }
        let (bad, mut got, note) = self.compare(name, &Rc::new(suite), &cases, &expected)?;
        let is_bad = |case: &&Rc<Case>| bad.iter().any(|other| other.id == case.id);
        let passed = cases
            .iter()
            .filter(|case| !is_bad(case))
            .map(|case| case.id.clone())
            .collect();
        let failed = bad
            .iter()
            .map(|case| Failure {
                id: case.id.clone(),
                sent: case.sent().map(str::to_owned).collect(),
                expected: expected[&case.id].clone(),
                got: got.remove(&case.id),
            })
            .collect();
        Ok(Some(SuiteReport {
            name: name.to_owned(),
            passed,
            failed,
            note,
        }))
    }

    /// The cases that differ, the results, and what the proxy did wrong.
    ///
    /// A case counts as the opposite of what is expected only when it is so in every try.
    #[expect(
        clippy::type_complexity,
        reason = "three answers of one private function"
    )]
    fn compare(
        &self,
        name: &str,
        suite: &Rc<Suite>,
        cases: &[Rc<Case>],
        expected: &BTreeMap<String, Transcript>,
    ) -> Result<(Vec<Rc<Case>>, BTreeMap<String, Outcome>, Option<String>), WireError> {
        let is_known = |case: &Case| self.known.contains(&format!("{name}/{}", case.id));
        let mut surprising = cases.to_vec();
        let mut got: BTreeMap<String, Outcome> = BTreeMap::new();
        let mut note = None;
        for attempt in 0..=self.retry {
            // What surprises may have been late on a busy machine: fewer at once from now on.
            let jobs = if attempt == 0 {
                self.jobs
            } else {
                self.jobs.min(RETRY_JOBS)
            };
            let (outcomes, trouble) = self.perform_fairly(suite, &surprising, jobs)?;
            if attempt == 0 || trouble.is_none() {
                note.clone_from(&trouble);
            }
            let all_failed = outcomes
                .values()
                .all(|outcome| matches!(outcome, Outcome::Failed { .. }));
            got.extend(outcomes.into_iter().map(|(id, outcome)| {
                let outcome = match outcome {
                    Outcome::Played(played) => Outcome::Played(self.leniency.apply(played)),
                    failed => failed,
                };
                (id, outcome)
            }));
            surprising.retain(|case| is_equal(case, &got, expected) == is_known(case));
            if surprising.is_empty() || (trouble.is_some() && all_failed) {
                break;
            }
        }
        let bad = cases.iter().filter(|case| !is_equal(case, &got, expected));
        Ok((bad.cloned().collect(), got, note))
    }

    /// One run that is not spoilt by a port lost to somebody else or by a kill from outside.
    fn perform_fairly(
        &self,
        suite: &Rc<Suite>,
        cases: &[Rc<Case>],
        jobs: usize,
    ) -> Result<(BTreeMap<String, Outcome>, Option<String>), WireError> {
        let mut attempt = 1;
        loop {
            let hold_ports = attempt <= 2;
            let Performance {
                outcomes,
                crash,
                end,
            } = perform(suite, cases, &self.command, jobs, hold_ports)?;
            let lost_port = end.output.contains("bind") || end.output.contains("in use");
            if attempt == START_ATTEMPTS || crash.is_none() || !(lost_port || end.killed()) {
                let note =
                    crash.map(|crash| format!("{crash}; its output:\n{}", tail(&end.output)));
                return Ok((outcomes, note));
            }
            attempt += 1;
        }
    }

    fn golden_path(&self, name: &str) -> PathBuf {
        self.corpus
            .join("golden")
            .join(&self.golden)
            .join(name)
            .with_extension_json()
    }
}

impl Leniency {
    fn apply(self, mut transcript: Transcript) -> Transcript {
        if self.no_logs {
            transcript.log = None;
        }
        if self.loose_reset {
            let origins = transcript.origins.iter_mut().flatten();
            for Side { end, .. } in transcript.clients.iter_mut().chain(origins) {
                *end = end.replacen("reset", "closed", 1);
            }
        }
        if self.client_only {
            transcript.origins = None;
        }
        transcript
    }
}

fn is_equal(
    case: &Case,
    got: &BTreeMap<String, Outcome>,
    expected: &BTreeMap<String, Transcript>,
) -> bool {
    match got.get(&case.id) {
        Some(Outcome::Played(played)) => *played == expected[&case.id],
        Some(Outcome::Failed { .. }) | None => false,
    }
}

trait WithExtensionJson {
    /// Adds `.json`; suite names may contain dots.
    fn with_extension_json(&self) -> PathBuf;
}

impl WithExtensionJson for Path {
    fn with_extension_json(&self) -> PathBuf {
        let mut name = self.as_os_str().to_owned();
        name.push(".json");
        name.into()
    }
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

fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.trim().lines().collect();
    let last = &lines[lines.len().saturating_sub(OUTPUT_LINES)..];
    last.iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

const START_ATTEMPTS: usize = 4;
const RETRY_JOBS: usize = 8;
const OUTPUT_LINES: usize = 25;

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
