//! The texts of a suite: placeholders such as `{s1}` and repetitions such as `%{a*100}`.
//!
//! A text is written in JSON with one character per byte (latin-1), so any byte can be said.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What the placeholders of one run stand for: port numbers, and the scratch folder.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_name: BTreeMap<String, String>,
}

impl Places {
    /// The names that `text` mentions, in order, each once.
    pub(crate) fn names_in(text: &str) -> Vec<String> {
        let mut names: Vec<String> = PLACE
            .captures_iter(text)
            .map(|found| found[1].to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(crate) fn insert(&mut self, name: String, value: String) {
        self.by_name.insert(name, value);
    }

    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.by_name.get(name)?.parse().ok()
    }

    /// The places that the proxy is expected to listen on.
    pub(crate) fn listening(&self) -> impl Iterator<Item = (&str, u16)> {
        self.by_name
            .iter()
            .filter(|(name, _)| name.starts_with("fe_"))
            .filter_map(|(name, value)| Some((name.as_str(), value.parse().ok()?)))
    }

    /// The first name, in alphabetical order, that stands for this port.
    pub(crate) fn name_of(&self, port: &str) -> Option<&str> {
        self.by_name
            .iter()
            .find(|(_, value)| *value == port)
            .map(|(name, _)| name.as_str())
    }

    /// Puts values for placeholders; unknown ones stay as they are.
    pub(crate) fn fill(&self, text: &str) -> String {
        PLACE
            .replace_all(text, |found: &Captures<'_>| {
                self.by_name
                    .get(&found[1])
                    .map_or_else(|| found[0].to_owned(), String::clone)
            })
            .into_owned()
    }

    /// The bytes that a step's text stands for.
    pub(crate) fn expand(&self, text: &str) -> Vec<u8> {
        let text = self.fill(text);
        let text = REPETITION.replace_all(&text, |found: &Captures<'_>| {
            let times = found[2].parse().unwrap_or(0);
            found[1].repeat(times)
        });
        to_bytes(&text)
    }
}

/// Bytes of a text that has one character per byte.
///
/// A character above U+00FF stands for no byte; a suite that has one is answered with `?`.
pub(crate) fn to_bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

/// The text that has one character for each byte.
pub(crate) fn from_bytes(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Writes every run of 40 or more equal characters as `%{x*N}`.
pub(crate) fn shorten(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let mut run = 1;
        while rest.next_if_eq(&c).is_some() {
            run += 1;
        }
        if run >= LONG_RUN {
            out.push_str(&format!("%{{{c}*{run}}}"));
        } else {
            out.extend(std::iter::repeat_n(c, run));
        }
    }
    out
}

const LONG_RUN: usize = 40;

static PLACE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{([a-z][a-z0-9_]*)\}").expect("a constant pattern"));
static REPETITION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)%\{(.+?)\*(\d+)\}").expect("a constant pattern"));

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let mut places = Places::default();
        places.insert("s1".into(), "10101".into());
        places.insert("fe_x".into(), "20202".into());
        places
    }

    #[test]
    fn known_places_are_filled_and_others_left() {
        assert_eq!(places().fill("a{s1}b{s2}c{fe_x}"), "a10101b{s2}c20202");
    }

    #[test]
    fn repetitions_expand_to_bytes() {
        assert_eq!(places().expand("x%{ab*3}\u{e9}"), b"xababab\xe9");
    }

    #[test]
    fn only_long_runs_are_shortened() {
        let short = "a".repeat(39);
        assert_eq!(shorten(&short), short);
        assert_eq!(shorten(&format!("x{}y", "a".repeat(40))), "x%{a*40}y");
    }

    #[test]
    fn names_come_sorted_and_once() {
        assert_eq!(Places::names_in("{s2} {s1} {s2} {5} {X}"), ["s1", "s2"]);
    }
}
