//! From a text to everything that belongs to one of the words between its delimiters.

use std::collections::HashMap;

/// Words of `hdr_dom`, `path_dir` and the like.
#[derive(Debug)]
pub(super) struct WordMap {
    delimiters: &'static [u8],
    words: HashMap<Box<[u8]>, Vec<u32>>,
}

impl WordMap {
    pub(super) fn new(delimiters: &'static [u8], words: HashMap<Box<[u8]>, Vec<u32>>) -> Self {
        Self { delimiters, words }
    }

    /// Visits what belongs to the words of a text.
    pub(super) fn visit(&self, text: &[u8], mut found: impl FnMut(&[u32])) {
        for word in text.split(|byte| self.delimiters.contains(byte)) {
            if let Some(rules) = self.words.get(word) {
                found(rules);
            }
        }
    }
}
