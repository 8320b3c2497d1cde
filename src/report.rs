//! Diagnostics on the terminal: in HAProxy's line format, for people, or as JSON.

use chrono::{Datelike as _, Local, Timelike as _};
use haproxy_cfg_grammar::render::{haproxy, json, snippet};
use haproxy_cfg_grammar::{Code, Diagnostic, Severity, SourceSet};

use crate::configuration::Unreadable;

/// The time and process for HAProxy's line format, in local time as HAProxy has it.
pub fn stamp() -> haproxy::Stamp {
    let now = Local::now();
    let small = |n: u32| u8::try_from(n).unwrap_or(0);
    haproxy::Stamp {
        time: (
            u16::try_from(now.ordinal0()).unwrap_or(0),
            small(now.hour()),
            small(now.minute()),
            small(now.second()),
        ),
        pid: std::process::id(),
    }
}

/// That a file cannot be read.
pub fn unreadable((name, error): &Unreadable) -> String {
    format!("cannot read the configuration file '{name}': {error}")
}

/// How the process waits for sockets: what HAProxy prints with `-V` and `-d` to standard error, and
/// to standard output. There is one way here.
pub fn polling() -> [&'static str; 2] {
    [
        "Available polling systems :\n      epoll : pref=300,  test result OK\n\
         Total: 1 (1 usable), will use epoll.\n",
        "Using epoll() as the polling mechanism.\n",
    ]
}

/// All of them in HAProxy's line format, and its closing lines when the configuration is refused.
pub fn haproxy_lines(diagnostics: &[Diagnostic], sources: &SourceSet) -> String {
    let stamp = stamp();
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&haproxy::render(diagnostic, sources, stamp));
    }
    if crate::resolve::has_errors(diagnostics) {
        out.push_str(&stamp.line(Severity::Error, "the configuration is refused."));
    }
    out
}

/// All of them for people: consequences of other mistakes are left out.
pub fn snippets(diagnostics: &[Diagnostic], sources: &SourceSet, colours: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics.iter().filter(|d| !d.follows) {
        out.push_str(&snippet::render(diagnostic, sources, colours));
        out.push('\n');
    }
    out
}

/// All of them as JSON.
pub fn as_json(diagnostics: &[Diagnostic], sources: &SourceSet) -> String {
    let mut out = json::render(diagnostics, sources);
    out.push('\n');
    out
}

/// How many errors and warnings there are, in words.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| {
        diagnostics
            .iter()
            .filter(|d| d.severity == severity && !d.follows)
            .count()
    };
    let words = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    format!(
        "{}, {}",
        words(count(Severity::Error), "error"),
        words(count(Severity::Warning) + count(Severity::Alert), "warning")
    )
}

/// Applies `--deny` and `--allow`: denied codes become errors, allowed warnings disappear.
pub fn filter(diagnostics: Vec<Diagnostic>, deny: &[Code], allow: &[Code]) -> Vec<Diagnostic> {
    diagnostics
        .into_iter()
        .filter_map(|mut diagnostic| {
            if deny.contains(&diagnostic.code) {
                diagnostic.severity = Severity::Error;
            } else if allow.contains(&diagnostic.code) && diagnostic.severity != Severity::Error {
                return None;
            }
            Some(diagnostic)
        })
        .collect()
}
