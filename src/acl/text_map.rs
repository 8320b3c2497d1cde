//! From a text to what belongs to the keys that it fits: one strategy for each method, none of which
//! walks the keys.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use foldhash::HashMap;

use super::prefixes::PrefixMap;
use super::text::{DIRECTORY, DOMAIN, word};
use super::words::WordMap;
use crate::plan::MatchMethod;

/// Keys with numbers that belong to them.
#[derive(Debug)]
pub(crate) enum TextMap {
    /// Equal texts.
    Exact(HashMap<Box<[u8]>, Vec<u32>>),
    /// What the text begins with.
    Prefix(PrefixMap),
    /// What the text ends with: the same, backwards.
    Suffix(PrefixMap),
    /// What the text contains.
    Substring(AhoCorasick, Vec<Vec<u32>>),
    /// What stands in the text between delimiters.
    Words(WordMap),
}

impl TextMap {
    /// What of a pattern is looked up; `None` when the pattern cannot be.
    pub(crate) fn key(matching: MatchMethod, text: &[u8]) -> Option<Box<[u8]>> {
        let key = match matching {
            MatchMethod::Exact | MatchMethod::Prefix => text,
            MatchMethod::Suffix => return Some(text.iter().rev().copied().collect()),
            // An empty one is contained nowhere.
            MatchMethod::Substring if text.is_empty() => return None,
            MatchMethod::Substring => text,
            MatchMethod::Directory => some(word(text, DIRECTORY))?,
            MatchMethod::Domain => some(word(text, DOMAIN))?,
            _ => return None,
        };
        Some(key.into())
    }

    /// Compiles keys as [`Self::key`] makes them; `None` when the method compares no texts.
    pub(crate) fn new(matching: MatchMethod, keys: BTreeMap<Box<[u8]>, Vec<u32>>) -> Option<Self> {
        Some(match matching {
            MatchMethod::Exact => Self::Exact(keys.into_iter().collect()),
            MatchMethod::Prefix => Self::Prefix(PrefixMap::new(keys)),
            MatchMethod::Suffix => Self::Suffix(PrefixMap::new(keys)),
            MatchMethod::Substring => {
                let (texts, numbers): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
                Self::Substring(AhoCorasick::new(&texts).ok()?, numbers)
            }
            MatchMethod::Directory => Self::Words(WordMap::new(DIRECTORY, keys)),
            MatchMethod::Domain => Self::Words(WordMap::new(DOMAIN, keys)),
            _ => return None,
        })
    }

    /// Visits what belongs to the keys that a text fits; of prefixes the longest first.
    pub(crate) fn visit(&self, text: &[u8], mut found: impl FnMut(&[u32])) {
        match self {
            Self::Exact(map) => map.get(text).into_iter().for_each(|numbers| found(numbers)),
            Self::Prefix(map) => map.visit(text, |_, numbers| found(numbers)),
            Self::Suffix(map) => {
                let reversed: Vec<u8> = text.iter().rev().copied().collect();
                map.visit(&reversed, |_, numbers| found(numbers));
            }
            Self::Substring(automaton, numbers) => {
                for hit in automaton.find_overlapping_iter(text) {
                    found(&numbers[hit.pattern().as_usize()]);
                }
            }
            Self::Words(map) => map.visit(text, found),
        }
    }
}

fn some(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}
