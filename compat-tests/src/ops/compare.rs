//! Transcripts against recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use regex::Regex;
use similar::TextDiff;

use super::OpsError;
use super::stage::perform;
use super::suite::{Case, Golden, Recorded, Suite};
use crate::process::ProxyCommand;

/// What is run, and what it is compared with.
#[derive(Clone, Debug)]
pub struct OpsRun {
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
    /// Cases at once, each with processes of its own.
    pub jobs: usize,
    /// How often cases that surprise are tried again.
    pub retry: usize,
    /// Cases that are expected to fail, as `suite/case`: it is their passing that surprises.
    pub known: BTreeSet<String>,
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
}

/// A case that does not equal its recording.
#[derive(Debug)]
pub struct Failure {
    /// The case.
    pub id: String,
    /// What was recorded.
    pub expected: Vec<String>,
    /// What happened now.
    pub got: Vec<String>,
}

/// A case to play.
struct Job {
    name: String,
    suite: Arc<Suite>,
    case: Arc<Case>,
    expected: Vec<String>,
    got: Vec<String>,
}

impl Job {
    fn passes(&self) -> bool {
        self.expected == self.got
    }

    fn surprises(&self, known: &BTreeSet<String>) -> bool {
        let id = format!("{}/{}", self.name, self.case.id);
        self.passes() == known.contains(&id)
    }
}

impl OpsRun {
    /// Plays all chosen cases and compares with the recording.
    pub fn run(&self) -> Result<Vec<SuiteReport>, OpsError> {
        let mut jobs = self.chosen()?;
        let mut surprising: Vec<&mut Job> = jobs.iter_mut().collect();
        for attempt in 0..=self.retry {
            // What surprises may have been late on a busy machine: fewer at once from now on.
            let at_once = (self.jobs >> attempt.min(8)).max(1);
            self.play(&mut surprising, at_once)?;
            surprising.retain(|job| job.surprises(&self.known));
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

    fn play(&self, jobs: &mut [&mut Job], at_once: usize) -> Result<(), OpsError> {
        let waiting = Mutex::new(jobs.iter_mut());
        let trouble = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let Some(job) = waiting.lock().next() else {
                            return;
                        };
                        match perform(&job.suite, &job.case, &self.command) {
                            Ok(got) => job.got = got,
                            Err(OpsError::Io(error)) => {
                                // A connection or file that is not as the script needs it.
                                job.got = vec![format!("runner: {error}")];
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
        trouble.into_inner().map_or(Ok(()), Err)
    }

    /// The chosen cases for which there is something to compare with.
    fn chosen(&self) -> Result<Vec<Job>, OpsError> {
        let mut jobs = Vec::new();
        let golden = self.corpus.join("golden").join(&self.golden);
        for name in self.suite_names()? {
            let recording = golden.join(format!("{name}.json"));
            if !recording.exists() {
                continue;
            }
            let mut recorded = Golden::load(&recording)?.cases;
            let file = self.corpus.join(format!("suites/{name}.json"));
            let suite = Arc::new(Suite::load(&file)?);
            for case in &suite.cases {
                let id = &case.id;
                let chosen = self.cases.is_empty() || self.cases.iter().any(|r| r.is_match(id));
                let versions = case.versions.as_ref();
                let meant = versions.is_none_or(|all| all.contains(&self.golden));
                if let (true, Some(Recorded::Stable(expected))) =
                    (chosen && meant, recorded.remove(id))
                {
                    jobs.push(Job {
                        name: name.clone(),
                        suite: Arc::clone(&suite),
                        case: Arc::clone(case),
                        expected,
                        got: vec!["not played".to_owned()],
                    });
                }
            }
        }
        Ok(jobs)
    }

    fn suite_names(&self) -> Result<Vec<String>, OpsError> {
        let folder = self.corpus.join("suites");
        let unreadable = |source| OpsError::File {
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
    let text = |lines: &[String]| lines.join("\n") + "\n";
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
