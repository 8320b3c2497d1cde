//! Results against recordings.

use std::collections::BTreeMap;
use std::rc::Rc;

use parking_lot::Mutex;

use super::report::{lines, outcome_lines};
use super::stage::{Performance, perform};
use super::suite::{Case, Golden, Outcome, Recorded, Side, Suite, Transcript};
use crate::recorded::SuiteError;
use crate::recorded::{Failure, Run, SuiteReport};

/// What is run, and what it is compared with. Cases at once are those of one suite; what surprises is
/// tried again in a fresh process.
#[derive(Clone, Debug)]
pub struct WireRun {
    /// What is chosen.
    pub run: Run,
    /// Suites at once, each with a process of its own.
    pub parallel: usize,
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

impl WireRun {
    /// Plays all chosen suites; `each` sees every report as soon as it is there.
    pub fn run(&self, each: impl Fn(&SuiteReport) + Sync) -> Result<Vec<SuiteReport>, SuiteError> {
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
    pub fn chosen_suites(&self) -> Result<Vec<String>, SuiteError> {
        let names = self.run.suite_names();
        let mut names = names.map_err(|(path, source)| SuiteError::File { path, source })?;
        names.retain(|name| self.run.recording(name).exists());
        Ok(names)
    }

    /// Plays one suite; `None` when none of its cases is to be compared.
    pub fn run_suite(&self, name: &str) -> Result<Option<SuiteReport>, SuiteError> {
        let suite = Suite::load(&self.run.suite(name))?;
        let mut golden = Golden::load(&self.run.recording(name))?;
        let mut expected = BTreeMap::new();
        let mut cases = Vec::new();
        for case in &suite.cases {
            let chosen = self.run.wants(&case.id, None);
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
                expected: lines(&expected[&case.id]),
                got: outcome_lines(got.remove(&case.id)),
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
    ) -> Result<(Vec<Rc<Case>>, BTreeMap<String, Outcome>, Option<String>), SuiteError> {
        let is_known = |case: &Case| self.run.known.contains(&format!("{name}/{}", case.id));
        let mut surprising = cases.to_vec();
        let mut got: BTreeMap<String, Outcome> = BTreeMap::new();
        let mut note = None;
        for attempt in 0..=self.run.retry {
            // What surprises may have been late on a busy machine: fewer at once from now on.
            let jobs = if attempt == 0 {
                self.run.jobs
            } else {
                self.run.jobs.min(RETRY_JOBS)
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
    ) -> Result<(BTreeMap<String, Outcome>, Option<String>), SuiteError> {
        let mut attempt = 1;
        loop {
            let hold_ports = attempt <= 2;
            let Performance {
                outcomes,
                crash,
                end,
            } = perform(suite, cases, &self.run.command, jobs, hold_ports)?;
            let lost_port = end.output.contains("bind") || end.output.contains("in use");
            if attempt == START_ATTEMPTS || crash.is_none() || !(lost_port || end.killed()) {
                let note =
                    crash.map(|crash| format!("{crash}; its output:\n{}", tail(&end.output)));
                return Ok((outcomes, note));
            }
            attempt += 1;
        }
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
