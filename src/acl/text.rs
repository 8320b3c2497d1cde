//! Strings to compare with: one strategy for each method, none of which walks the patterns.

use std::cmp::Ordering;

use aho_corasick::AhoCorasick;
use foldhash::HashSet;

use super::words::WordMap;
use crate::plan::MatchMethod;

/// What parts the words of paths.
pub(super) const DIRECTORY: &[u8] = b"/?";
/// What parts the words of host names and URLs.
pub(super) const DOMAIN: &[u8] = b"/?.:";

/// A compiled set of strings.
#[derive(Debug)]
pub struct TextSet {
    ignore_case: bool,
    strategy: Strategy,
}

#[derive(Debug)]
enum Strategy {
    /// Equal to one of them.
    Exact(HashSet<Box<[u8]>>),
    /// Begins with one of them: sorted, and none begins with another.
    Prefix(Vec<Box<[u8]>>),
    /// Ends with one of them: the same with every string reversed.
    Suffix(Vec<Box<[u8]>>),
    /// Contains one of them.
    Substring(AhoCorasick),
    /// Contains one of them between delimiters.
    Words(WordMap),
    /// Nothing fits.
    Nothing,
}

impl TextSet {
    /// Compiles strings for a method; `None` when the method compares no strings.
    pub fn compile(method: MatchMethod, ignore_case: bool, texts: &[&[u8]]) -> Option<Self> {
        let folded = || {
            texts.iter().map(|text| {
                let mut text: Box<[u8]> = (*text).into();
                if ignore_case {
                    text.make_ascii_lowercase();
                }
                text
            })
        };
        let strategy = match method {
            MatchMethod::Exact | MatchMethod::Binary => Strategy::Exact(folded().collect()),
            MatchMethod::Prefix => Strategy::Prefix(prefix_free(folded().collect())),
            MatchMethod::Suffix => {
                let reversed = folded().map(|mut text| {
                    text.reverse();
                    text
                });
                Strategy::Suffix(prefix_free(reversed.collect()))
            }
            MatchMethod::Substring => {
                let texts = texts.iter().filter(|text| !text.is_empty());
                AhoCorasick::builder()
                    .ascii_case_insensitive(ignore_case)
                    .build(texts)
                    .map_or(Strategy::Nothing, Strategy::Substring)
            }
            MatchMethod::Directory => words(folded(), DIRECTORY),
            MatchMethod::Domain => words(folded(), DOMAIN),
            _ => return None,
        };
        Some(Self {
            ignore_case,
            strategy,
        })
    }

    /// Whether one of the strings fits.
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.strategy {
            Strategy::Exact(set) => folded(text, self.ignore_case, |text| set.contains(text)),
            Strategy::Prefix(sorted) => self.begins(sorted, text.iter().copied()),
            Strategy::Suffix(sorted) => self.begins(sorted, text.iter().rev().copied()),
            Strategy::Substring(automaton) => automaton.is_match(text),
            Strategy::Words(map) => folded(text, self.ignore_case, |text| map.contains(text)),
            Strategy::Nothing => false,
        }
    }

    /// Whether one of the sorted strings is what the text begins with. As none of them begins
    /// with another, only the last that is not after the text can.
    fn begins(&self, sorted: &[Box<[u8]>], text: impl Iterator<Item = u8> + Clone) -> bool {
        let fold = self.ignore_case;
        let text = text.map(move |b| if fold { b.to_ascii_lowercase() } else { b });
        let after = sorted.partition_point(|pattern| {
            pattern.iter().copied().cmp(text.clone()) != Ordering::Greater
        });
        after > 0 && {
            let pattern = &sorted[after - 1];
            let mut text = text;
            pattern.iter().all(|b| text.next() == Some(*b))
        }
    }
}

/// Sorts, and drops what begins with another.
fn prefix_free(mut texts: Vec<Box<[u8]>>) -> Vec<Box<[u8]>> {
    texts.sort_unstable();
    let mut kept: Vec<Box<[u8]>> = Vec::with_capacity(texts.len());
    for text in texts {
        if !kept.last().is_some_and(|last| text.starts_with(last)) {
            kept.push(text);
        }
    }
    kept
}

fn words(texts: impl Iterator<Item = Box<[u8]>>, delimiters: &'static [u8]) -> Strategy {
    let words = texts.map(|text| (word(&text, delimiters).into(), Vec::new()));
    Strategy::Words(WordMap::new(delimiters, words))
}

/// A pattern without the delimiters around it.
pub(super) fn word<'t>(text: &'t [u8], delimiters: &[u8]) -> &'t [u8] {
    let inside = |byte: &u8| !delimiters.contains(byte);
    let start = text.iter().position(inside).unwrap_or(text.len());
    let end = text.iter().rposition(inside).map_or(start, |n| n + 1);
    &text[start..end]
}

/// The text in small letters when case does not matter, without an allocation for short ones.
pub(super) fn folded<R>(text: &[u8], ignore_case: bool, check: impl FnOnce(&[u8]) -> R) -> R {
    if !ignore_case {
        return check(text);
    }
    let mut short = [0u8; 256];
    if let Some(short) = short.get_mut(..text.len()) {
        short.copy_from_slice(text);
        short.make_ascii_lowercase();
        return check(short);
    }
    check(&text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(method: MatchMethod, text: &[u8], pattern: &[u8]) -> bool {
        match method {
            MatchMethod::Exact => text == pattern,
            MatchMethod::Prefix => text.starts_with(pattern),
            MatchMethod::Suffix => text.ends_with(pattern),
            MatchMethod::Substring => {
                !pattern.is_empty() && text.windows(pattern.len()).any(|w| w == pattern)
            }
            MatchMethod::Directory => between(text, word(pattern, DIRECTORY), DIRECTORY),
            MatchMethod::Domain => between(text, word(pattern, DOMAIN), DOMAIN),
            _ => false,
        }
    }

    /// Whether a pattern stands in the text between delimiters or ends.
    fn between(text: &[u8], pattern: &[u8], delimiters: &[u8]) -> bool {
        let p = pattern.len();
        p > 0
            && p <= text.len()
            && (0..=text.len() - p).any(|at| {
                (at == 0 || delimiters.contains(&text[at - 1]))
                    && (at + p == text.len() || delimiters.contains(&text[at + p]))
                    && text[at..at + p] == *pattern
            })
    }

    proptest::proptest! {
        /// The compiled set says what walking the patterns would say.
        #[test]
        fn sets_are_walks(
            text in "[abA/.]{0,8}",
            patterns in proptest::collection::vec("[abA/.]{0,4}", 0..8),
            ignore_case: bool,
        ) {
            let lower = |t: &str| if ignore_case { t.to_ascii_lowercase() } else { t.to_owned() };
            for method in [
                MatchMethod::Exact,
                MatchMethod::Prefix,
                MatchMethod::Suffix,
                MatchMethod::Substring,
                MatchMethod::Directory,
                MatchMethod::Domain,
            ] {
                let texts: Vec<&[u8]> = patterns.iter().map(String::as_bytes).collect();
                let set = TextSet::compile(method, ignore_case, &texts).unwrap();
                let expected = patterns
                    .iter()
                    .any(|p| naive(method, lower(&text).as_bytes(), lower(p).as_bytes()));
                proptest::prop_assert_eq!(set.matches(text.as_bytes()), expected, "{:?}", method);
            }
        }
    }

    #[test]
    fn words_between_delimiters() {
        for (method, pattern, text, expected) in [
            (MatchMethod::Directory, "b", "/a/b/c", true),
            (MatchMethod::Directory, "/b/", "/a/b", true),
            (MatchMethod::Directory, "a/b", "/a/b/c", true),
            (MatchMethod::Directory, "b", "/a/bb", false),
            (MatchMethod::Domain, "example", "www.example.com:80", true),
            (MatchMethod::Domain, "com", "www.example.com:80", true),
            (MatchMethod::Domain, "exam", "www.example.com", false),
            (MatchMethod::Domain, "", "", false),
        ] {
            let set = TextSet::compile(method, false, &[pattern.as_bytes()]).unwrap();
            assert_eq!(
                set.matches(text.as_bytes()),
                expected,
                "{pattern} in {text}"
            );
        }
    }
}
