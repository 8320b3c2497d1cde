//! Results in a form that people read.

use super::suite::{Outcome, Side, Transcript};

/// What happened in a case, line by line.
pub(super) fn outcome_lines(got: Option<Outcome>) -> Vec<String> {
    match got {
        None => vec!["no result".to_owned()],
        Some(Outcome::Failed { failed }) => vec![format!("failed: {failed}")],
        Some(Outcome::Played(transcript)) => lines(&transcript),
    }
}

/// A transcript, line by line.
pub(super) fn lines(transcript: &Transcript) -> Vec<String> {
    text(transcript).lines().map(str::to_owned).collect()
}

fn text(transcript: &Transcript) -> String {
    let mut out = String::new();
    for (number, side) in (1..).zip(&transcript.clients) {
        out.push_str(&format!("client {number} got:\n"));
        push_side(&mut out, &format!("client {number}"), side);
        if !side.notes.is_empty() {
            out.push_str(&format!(
                "client {number} steps: {}\n",
                side.notes.join(", ")
            ));
        }
    }
    if let Some(origins) = &transcript.origins {
        out.push_str(&format!("origin connections: {}\n", origins.len()));
        for (number, side) in (1..).zip(origins) {
            let port = side.port.as_deref().unwrap_or_default();
            out.push_str(&format!("origin {number} ({port}) got:\n"));
            push_side(&mut out, &format!("origin {number}"), side);
        }
    }
    for line in transcript.log.iter().flatten() {
        out.push_str(&format!("log: {line}\n"));
    }
    out
}

fn push_side(out: &mut String, name: &str, side: &Side) {
    for line in side.rx.split_inclusive('\n') {
        out.push_str(&format!("   | {}\n", line.escape_debug()));
    }
    let at = side.at.map(|at| format!(" at {at} ms")).unwrap_or_default();
    out.push_str(&format!("{name} end: {}{at}\n", side.end));
}
