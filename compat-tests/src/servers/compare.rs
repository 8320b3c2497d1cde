//! Transcripts against recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use regex::Regex;
use serde_json::json;
use similar::TextDiff;

use super::ServersError;
use super::stage::perform;
use super::suite::{Case, Golden, Recorded, Suite, Transcript, suspects};
use crate::process::ProxyCommand;

/// What is run, and what it is compared with.
#[derive(Clone, Debug)]
pub struct ServersRun {
    /// The binary under test.
    pub command: ProxyCommand,
    /// The folder with `suites/` and `golden/`.
    pub corpus: PathBuf,
    /// The recorded version to compare with.
    pub golden: String,
    /// Only these suites; all when empty.
    pub suites: Vec<String>,
    /// Only cases whose id matches one of these; all when empty.
    pub cases: Vec<Regex>,
    /// Cases at once, each with a process of its own.
    pub jobs: usize,
    /// How often cases that surprise are tried again.
    pub retry: usize,
    /// Cases that are expected to fail, as `suite/case`: it is their passing that surprises.
    pub known: BTreeSet<String>,
}

/// What happened in cases, by `suite/case`.
pub type Transcripts = BTreeMap<String, Transcript>;

/// What a suite came to.
#[derive(Debug)]
pub struct SuiteReport {
    /// The suite's name.
    pub name: String,
    /// Ids of the cases that equal their recording.
    pub passed: Vec<String>,
    /// The others, in file order.
    pub failed: Vec<Failure>,
}

/// A case that does not equal its recording.
#[derive(Debug)]
pub struct Failure {
    /// The case.
    pub id: String,
    /// What was recorded.
    pub expected: Transcript,
    /// What happened now.
    pub got: Transcript,
}

/// A case to play.
struct Job {
    name: String,
    suite: Arc<Suite>,
    case: Arc<Case>,
    expected: Transcript,
    got: Transcript,
}

impl Job {
    fn id(&self) -> String {
        format!("{}/{}", self.name, self.case.id)
    }

    fn passes(&self) -> bool {
        self.expected == self.got
    }
}

impl ServersRun {
    /// Plays all chosen cases and compares with the recording.
    pub fn run(&self) -> Result<Vec<SuiteReport>, ServersError> {
        self.run_beside(&self.recorded()?)
    }

    /// Plays all chosen cases that are in these transcripts, and compares with them.
    pub fn run_beside(&self, expected: &Transcripts) -> Result<Vec<SuiteReport>, ServersError> {
        let mut jobs = self.chosen(|id| expected.get(id).cloned())?;
        let mut surprising: Vec<&mut Job> = jobs.iter_mut().collect();
        for attempt in 0..=self.retry {
            // What surprises may have been late on a busy machine: fewer at once from now on.
            let at_once = (self.jobs / 3_usize.pow(attempt.min(3) as u32)).max(2);
            self.play(&mut surprising, at_once)?;
            surprising.retain(|job| job.passes() == self.known.contains(&job.id()));
            if surprising.is_empty() {
                break;
            }
        }
        let mut reports: BTreeMap<String, SuiteReport> = BTreeMap::new();
        for job in jobs {
            let report = reports
                .entry(job.name.clone())
                .or_insert_with(|| SuiteReport {
                    name: job.name.clone(),
                    passed: Vec::new(),
                    failed: Vec::new(),
                });
            let id = job.case.id.clone();
            if job.passes() {
                report.passed.push(id);
            } else {
                let (expected, got) = (job.expected, job.got);
                report.failed.push(Failure { id, expected, got });
            }
        }
        Ok(reports.into_values().collect())
    }

    /// Plays all chosen cases, whatever was recorded of them; transcripts by `suite/case`.
    pub fn transcripts(&self) -> Result<Transcripts, ServersError> {
        let nothing = || Transcript::Failed("not played".to_owned());
        let mut jobs = self.chosen(|_| Some(nothing()))?;
        let mut all: Vec<&mut Job> = jobs.iter_mut().collect();
        self.play(&mut all, self.jobs)?;
        Ok(jobs.into_iter().map(|job| (job.id(), job.got)).collect())
    }

    fn play(&self, jobs: &mut [&mut Job], at_once: usize) -> Result<(), ServersError> {
        let waiting = Mutex::new(jobs.iter_mut());
        let trouble = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let Some(job) = waiting.lock().next() else {
                            return;
                        };
                        match self.perform_fairly(job) {
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

    /// One run that is not spoilt by a port lost to somebody else.
    fn perform_fairly(&self, job: &Job) -> Result<Transcript, ServersError> {
        for _ in 1..START_ATTEMPTS {
            let got = perform(&job.suite, &job.case, &self.command, &self.golden)?;
            match &got {
                Transcript::Failed(why) if LOST_PORT.iter().any(|text| why.contains(text)) => {}
                _ => return Ok(got),
            }
        }
        perform(&job.suite, &job.case, &self.command, &self.golden)
    }

    /// The chosen cases for which there is something to compare with.
    fn chosen(
        &self,
        expected: impl Fn(&str) -> Option<Transcript>,
    ) -> Result<Vec<Job>, ServersError> {
        let mut jobs = Vec::new();
        for name in self.suite_names()? {
            let file = self.corpus.join(format!("suites/{name}.json"));
            let suite = Arc::new(Suite::load(&file)?);
            for case in &suite.cases {
                let id = &case.id;
                let chosen = self.cases.is_empty() || self.cases.iter().any(|r| r.is_match(id));
                let meant = case
                    .versions
                    .as_ref()
                    .is_none_or(|versions| versions.contains(&self.golden));
                if !chosen || !meant {
                    continue;
                }
                if let Some(expected) = expected(&format!("{name}/{id}")) {
                    jobs.push(Job {
                        name: name.clone(),
                        suite: Arc::clone(&suite),
                        case: Arc::clone(case),
                        expected,
                        got: Transcript::Failed("not played".to_owned()),
                    });
                }
            }
        }
        Ok(jobs)
    }

    /// What was recorded and is worth comparing with.
    fn recorded(&self) -> Result<Transcripts, ServersError> {
        let folder = self.corpus.join("golden").join(&self.golden);
        let suspects = suspects(&folder.join("suspect.list"))?;
        let mut recorded = Transcripts::new();
        for name in self.suite_names()? {
            let file = folder.join(format!("{name}.json"));
            if !file.exists() {
                continue;
            }
            for (id, case) in Golden::load(&file)?.cases {
                let id = format!("{name}/{id}");
                if let (Recorded::Stable { out }, false) = (case, suspects.contains(&id)) {
                    recorded.insert(id, Transcript::Played(out));
                }
            }
        }
        Ok(recorded)
    }

    /// Plays all chosen cases of a suite so often, and writes what was the same every time.
    pub fn record_often(&self, suite: &str, times: usize) -> Result<(usize, usize), ServersError> {
        let mut stable = self.transcripts()?;
        let played = stable.len();
        for _ in 1..times {
            let again = self.transcripts()?;
            stable.retain(|id, transcript| again.get(id) == Some(transcript));
        }
        self.record(suite, &stable)?;
        Ok((stable.len(), played))
    }

    /// Writes the recording of a suite.
    pub fn record(&self, suite: &str, transcripts: &Transcripts) -> Result<(), ServersError> {
        let mut cases = Vec::new();
        for (id, transcript) in transcripts {
            if let (Some((name, id)), Transcript::Played(out)) = (id.split_once('/'), transcript)
                && name == suite
            {
                cases.push(format!("  {}: {}", json!(id), json!({ "out": out })));
            }
        }
        let text = format!(
            "{{\n \"suite\": {},\n \"version\": {},\n \"cases\": {{\n{}\n }}\n}}\n",
            json!(suite),
            json!(self.golden),
            cases.join(",\n")
        );
        let folder = self.corpus.join("golden").join(&self.golden);
        std::fs::write(folder.join(format!("{suite}.json")), text)?;
        Ok(())
    }

    fn suite_names(&self) -> Result<Vec<String>, ServersError> {
        let folder = self.corpus.join("suites");
        let unreadable = |source| ServersError::File {
            path: folder.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.file_name();
            if let Some(name) = file.to_string_lossy().strip_suffix(".json")
                && (self.suites.is_empty() || self.suites.iter().any(|suite| suite == name))
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// How the transcript of a failed case differs from the recording, for people.
pub fn difference(suite: &str, golden: &str, failure: &Failure) -> String {
    let text = |transcript: &Transcript| transcript.lines().join("\n") + "\n";
    let (expected, got) = (text(&failure.expected), text(&failure.got));
    let diff = TextDiff::from_lines(&expected, &got);
    let mut unified = diff.unified_diff();
    let unified = unified
        .context_radius(2)
        .header(&format!("golden {golden}"), "got")
        .to_string();
    let mut out = format!("--- {suite} / {}\n", failure.id);
    for line in unified.lines() {
        out.push_str(&format!("    {line}\n"));
    }
    out
}

const START_ATTEMPTS: usize = 3;
const LOST_PORT: [&str; 2] = ["cannot bind", "in use"];
