//! For editors and build servers: one JSON object for each diagnostic.

use serde::Serialize;

use crate::Span;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::SourceSet;

/// A diagnostic with its places spelled out.
#[derive(Debug, Serialize)]
pub struct JsonDiagnostic<'a> {
    /// Stable name of the kind of mistake.
    pub code: Code,
    /// `error`, `warning` or `notice`.
    pub severity: Severity,
    /// The sentence.
    pub message: &'a str,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a str>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<JsonPlace<'a>>,
    /// Other places that matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<JsonRelated<'a>>,
}

/// A range of bytes in a line.
#[derive(Debug, Serialize)]
pub struct JsonPlace<'a> {
    /// File name as given.
    pub file: &'a str,
    /// Line, from 1.
    pub line: u32,
    /// Byte in the line, from 1.
    pub column: u32,
    /// Byte after the last one in the line, from 1.
    pub end_column: u32,
}

/// A place and what is there.
#[derive(Debug, Serialize)]
pub struct JsonRelated<'a> {
    /// What is there.
    pub message: &'a str,
    /// Where.
    pub place: JsonPlace<'a>,
}

/// One diagnostic as a value.
pub fn value<'a>(diagnostic: &'a Diagnostic, sources: &'a SourceSet) -> JsonDiagnostic<'a> {
    JsonDiagnostic {
        code: diagnostic.code,
        severity: diagnostic.severity,
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        place: diagnostic.span.map(|span| place(span, sources)),
        related: diagnostic
            .related
            .iter()
            .map(|r| JsonRelated {
                message: &r.message,
                place: place(r.span, sources),
            })
            .collect(),
    }
}

fn place(span: Span, sources: &SourceSet) -> JsonPlace<'_> {
    let (_, line_start, line) = sources.line_around(span);
    JsonPlace {
        file: sources.name(span.file),
        line,
        column: span.start.saturating_sub(line_start) + 1,
        end_column: span.end.saturating_sub(line_start) + 1,
    }
}

/// All of them as one JSON array.
pub fn render(diagnostics: &[Diagnostic], sources: &SourceSet) -> String {
    let values: Vec<_> = diagnostics.iter().map(|d| value(d, sources)).collect();
    serde_json::to_string_pretty(&values).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"))
}
