//! HAProxy's line format: `[ALERT] ddd/hhmmss (pid) : parsing [file:line] : sentence`.
//!
//! Operators and scripts look for `[ALERT]`, `[WARNING]` and `parsing [file:line]`; the sentences
//! are our own. A sentence may have several lines: the others begin with `   | `.

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::source::SourceSet;

/// The time and process that stand before each message.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Day of the year from 0, hours, minutes, seconds.
    pub time: (u16, u8, u8, u8),
    /// Process id.
    pub pid: u32,
}

impl Stamp {
    /// The beginning of a line.
    pub fn prefix(&self, severity: Severity) -> String {
        let level = match severity {
            Severity::Error | Severity::Alert => "[ALERT]",
            Severity::Warning => "[WARNING]",
            Severity::Notice => "[NOTICE]",
        };
        let (day, hour, minute, second) = self.time;
        format!(
            "{level} {day:03}/{hour:02}{minute:02}{second:02} ({}) : ",
            self.pid
        )
    }

    /// One message that belongs to no place.
    pub fn line(&self, severity: Severity, message: &str) -> String {
        format!("{}{message}\n", self.prefix(severity))
    }
}

/// One diagnostic, line end included.
pub fn render(diagnostic: &Diagnostic, sources: &SourceSet, stamp: Stamp) -> String {
    let mut out = stamp.prefix(diagnostic.severity);
    match (diagnostic.place, diagnostic.span) {
        (Place::Line, Some(span)) => {
            out.push_str(&format!(
                "parsing [{}:{}] : ",
                sources.name(span.file),
                span.line
            ));
        }
        _ => out.push_str("config : "),
    }
    out.push_str(&diagnostic.message.replace('\n', "\n   | "));
    if let Some(help) = &diagnostic.help {
        out.push_str(" (");
        out.push_str(&help.replace('\n', " "));
        out.push(')');
    }
    for related in &diagnostic.related {
        out.push_str(&format!(
            "\n   | {} ({}, line {})",
            related.message,
            sources.name(related.span.file),
            related.span.line
        ));
    }
    out.push('\n');
    out
}
