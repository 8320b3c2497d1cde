//! Transcripts against recordings.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::stage::perform;
use super::suite::{Case, Golden, Recorded, Suite, Transcript, suspects};
use crate::recorded::SuiteError;
use crate::recorded::{Job, Run, SuiteReport, play as play_all};

/// What happened in cases, by `suite/case`.
pub type Transcripts = BTreeMap<String, Transcript>;

/// What it takes to play a case.
type Play = (Arc<Suite>, Arc<Case>);

/// Plays all chosen cases, each with a process of its own, and compares with the recording.
pub fn play(run: &Run) -> Result<Vec<SuiteReport>, SuiteError> {
    play_beside(run, &recorded(run)?)
}

/// Plays all chosen cases that are in these transcripts, and compares with them.
pub fn play_beside(run: &Run, expected: &Transcripts) -> Result<Vec<SuiteReport>, SuiteError> {
    let jobs = chosen(run, |name| expected.get(name).cloned())?;
    run.compare(jobs, |play| perform_fairly(run, play), Transcript::lines)
}

/// Plays all chosen cases, whatever was recorded of them; transcripts by `suite/case`.
pub fn transcripts(run: &Run) -> Result<Transcripts, SuiteError> {
    let nothing = || Transcript::Failed("not played".to_owned());
    let mut jobs = chosen(run, |_| Some(nothing()))?;
    let mut all: Vec<_> = jobs.iter_mut().collect();
    play_all(&mut all, run.jobs, |play| perform_fairly(run, play))?;
    Ok(jobs.into_iter().map(|job| (job.name(), job.got)).collect())
}

/// One run that is not spoilt by a port lost to somebody else.
fn perform_fairly(run: &Run, (suite, case): &Play) -> Result<Transcript, SuiteError> {
    for _ in 1..START_ATTEMPTS {
        let got = perform(suite, case, &run.command, &run.golden)?;
        match &got {
            Transcript::Failed(why) if LOST_PORT.iter().any(|text| why.contains(text)) => {}
            _ => return Ok(got),
        }
    }
    perform(suite, case, &run.command, &run.golden)
}

fn suite_names(run: &Run) -> Result<Vec<String>, SuiteError> {
    let names = run.suite_names();
    names.map_err(|(path, source)| SuiteError::File { path, source })
}

/// The chosen cases for which there is something to compare with.
fn chosen(
    run: &Run,
    expected: impl Fn(&str) -> Option<Transcript>,
) -> Result<Vec<Job<Play, Transcript>>, SuiteError> {
    let mut jobs = Vec::new();
    for name in suite_names(run)? {
        let suite = Arc::new(Suite::load(&run.suite(&name))?);
        for case in &suite.cases {
            if !run.wants(&case.id, case.versions.as_ref()) {
                continue;
            }
            if let Some(expected) = expected(&format!("{name}/{}", case.id)) {
                jobs.push(Job {
                    suite: name.clone(),
                    id: case.id.clone(),
                    case: (Arc::clone(&suite), Arc::clone(case)),
                    expected,
                    got: Transcript::Failed("not played".to_owned()),
                });
            }
        }
    }
    Ok(jobs)
}

/// What was recorded and is worth comparing with.
fn recorded(run: &Run) -> Result<Transcripts, SuiteError> {
    let suspects = suspects(
        &run.corpus
            .join("golden")
            .join(&run.golden)
            .join("suspect.list"),
    )?;
    let mut recorded = Transcripts::new();
    for name in suite_names(run)? {
        let file = run.recording(&name);
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
pub fn record_often(run: &Run, suite: &str, times: usize) -> Result<(usize, usize), SuiteError> {
    let mut stable = transcripts(run)?;
    let played = stable.len();
    for _ in 1..times {
        let again = transcripts(run)?;
        stable.retain(|id, transcript| again.get(id) == Some(transcript));
    }
    record(run, suite, &stable)?;
    Ok((stable.len(), played))
}

/// Writes the recording of a suite.
pub fn record(run: &Run, suite: &str, transcripts: &Transcripts) -> Result<(), SuiteError> {
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
        json!(run.golden),
        cases.join(",\n")
    );
    std::fs::write(run.recording(suite), text)?;
    Ok(())
}

const START_ATTEMPTS: usize = 3;
const LOST_PORT: [&str; 2] = ["cannot bind", "in use"];
