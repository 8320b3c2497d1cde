//! Transcripts against recordings.

use std::sync::Arc;

use super::stage::perform;
use super::suite::{Case, Golden, Recorded, Suite};
use crate::recorded::SuiteError;
use crate::recorded::{Job, Run, SuiteReport};

/// Plays all chosen cases, each with processes of its own, and compares with the recording.
pub fn play(run: &Run) -> Result<Vec<SuiteReport>, SuiteError> {
    let play = |(suite, case): &(Arc<Suite>, Arc<Case>)| match perform(suite, case, &run.command) {
        // A connection or file that is not as the script needs it.
        Err(SuiteError::Io(error)) => Ok(vec![format!("runner: {error}")]),
        other => other,
    };
    run.compare(chosen(run)?, play, Vec::clone)
}

/// The chosen cases for which there is something to compare with.
#[expect(
    clippy::type_complexity,
    reason = "what it takes to play a case is its suite and itself"
)]
fn chosen(run: &Run) -> Result<Vec<Job<(Arc<Suite>, Arc<Case>), Vec<String>>>, SuiteError> {
    let names = run.suite_names();
    let names = names.map_err(|(path, source)| SuiteError::File { path, source })?;
    let mut jobs = Vec::new();
    for name in names {
        let recording = run.recording(&name);
        if !recording.exists() {
            continue;
        }
        let mut recorded = Golden::load(&recording)?.cases;
        let suite = Arc::new(Suite::load(&run.suite(&name))?);
        for case in &suite.cases {
            let wanted = run.wants(&case.id, case.versions.as_ref());
            if let (true, Some(Recorded::Stable(expected))) = (wanted, recorded.remove(&case.id)) {
                jobs.push(Job {
                    suite: name.clone(),
                    id: case.id.clone(),
                    case: (Arc::clone(&suite), Arc::clone(case)),
                    expected,
                    got: vec!["not played".to_owned()],
                });
            }
        }
    }
    Ok(jobs)
}
