//! From a text to everything that belongs to one of the words between its delimiters.

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::prefixes::PrefixMap;

/// Words of `hdr_dom`, `path_dir` and the like: also several in a row, as in `example.com`.
#[derive(Debug)]
pub(crate) struct WordMap {
    delimiters: &'static [u8],
    single: HashMap<Box<[u8]>, Vec<u32>>,
    /// Those with delimiters inside.
    compound: PrefixMap,
}

impl WordMap {
    /// From words without delimiters around them; empty ones are nowhere.
    pub(super) fn new(
        delimiters: &'static [u8],
        words: impl IntoIterator<Item = (Box<[u8]>, Vec<u32>)>,
    ) -> Self {
        let mut single = HashMap::default();
        let mut compound = BTreeMap::new();
        for (word, rules) in words {
            if word.iter().any(|byte| delimiters.contains(byte)) {
                compound.insert(word, rules);
            } else if !word.is_empty() {
                single.insert(word, rules);
            }
        }
        Self {
            delimiters,
            single,
            compound: PrefixMap::new(compound),
        }
    }

    /// Visits what belongs to the words of a text.
    pub(super) fn visit(&self, text: &[u8], mut found: impl FnMut(&[u32])) {
        let delimiter = |byte: &u8| self.delimiters.contains(byte);
        let mut start = 0;
        for word in text.split(delimiter) {
            if !self.single.is_empty()
                && let Some(rules) = self.single.get(word)
            {
                found(rules);
            }
            if !word.is_empty() {
                let rest = &text[start..];
                self.compound.visit(rest, |prefix, rules| {
                    if rest.get(prefix.len()).is_none_or(delimiter) {
                        found(rules);
                    }
                });
            }
            start += word.len() + 1;
        }
    }

    /// Whether anything belongs to a word of the text.
    pub(super) fn contains(&self, text: &[u8]) -> bool {
        let mut any = false;
        self.visit(text, |_| any = true);
        any
    }
}
