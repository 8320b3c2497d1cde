//! Diagnostics on the terminal: in HAProxy's line format, for people, or as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use haproxy_cfg_grammar::render::{haproxy, json, snippet};
use haproxy_cfg_grammar::{Code, Diagnostic, Severity, SourceSet};

/// The time and process for HAProxy's line format, in local time as HAProxy has it.
pub fn stamp() -> haproxy::Stamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let day = now / 86_400;
    let second = now % 86_400;
    let small = |n: u64| u8::try_from(n).unwrap_or(0);
    haproxy::Stamp {
        time: (
            day_of_year(day),
            small(second / 3600),
            small(second / 60 % 60),
            small(second % 60),
        ),
        pid: std::process::id(),
    }
}

/// The day of its year, from 0, of a day since 1970.
fn day_of_year(mut day: u64) -> u16 {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if day < length {
            return u16::try_from(day).unwrap_or(0);
        }
        day -= length;
        year += 1;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        assert_eq!(day_of_year(0), 0);
        assert_eq!(day_of_year(364), 364);
        assert_eq!(day_of_year(365), 0);
        assert_eq!(day_of_year(365 * 3 + 1), 0, "1972 was a leap year");
    }
}
