//! Differences in a form that people read.

use similar::TextDiff;

use super::compare::Failure;
use super::suite::{Outcome, Side, Transcript};

/// What a failed case sent, and how its result differs from the recording.
pub fn difference(suite: &str, golden: &str, failure: &Failure) -> String {
    let mut out = format!("--- {suite} / {}\n", failure.id);
    for text in &failure.sent {
        out.push_str(&format!("    sends  {text:?}\n"));
    }
    let expected = lines(&failure.expected);
    let got = match &failure.got {
        None => "no result\n".to_owned(),
        Some(Outcome::Failed { failed }) => format!("failed: {failed}\n"),
        Some(Outcome::Played(transcript)) => lines(transcript),
    };
    let diff = TextDiff::from_lines(&expected, &got);
    let mut unified = diff.unified_diff();
    let unified = unified
        .context_radius(4)
        .header(&format!("golden {golden}"), "got")
        .to_string();
    for line in unified.lines() {
        out.push_str(&format!("    {line}\n"));
    }
    out
}

fn lines(transcript: &Transcript) -> String {
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
