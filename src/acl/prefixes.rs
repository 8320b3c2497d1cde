//! From a text to everything that belongs to one of its prefixes.

use std::collections::BTreeMap;

/// Sorted texts, each with the longest other one that it begins with.
#[derive(Debug, Default)]
pub(crate) struct PrefixMap {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    /// The longest entry that is a prefix of this one.
    parent: Option<u32>,
    rules: Vec<u32>,
}

impl PrefixMap {
    pub(crate) fn new(texts: BTreeMap<Box<[u8]>, Vec<u32>>) -> Self {
        let mut entries: Vec<Entry> = Vec::with_capacity(texts.len());
        // The entries that the current one may begin with, the longest last.
        let mut open: Vec<u32> = Vec::new();
        for (text, rules) in texts {
            while open
                .last()
                .is_some_and(|&last| !text.starts_with(&entries[last as usize].text))
            {
                open.pop();
            }
            let parent = open.last().copied();
            open.push(entries.len() as u32);
            entries.push(Entry {
                text,
                parent,
                rules,
            });
        }
        Self { entries }
    }

    /// Visits what belongs to the prefixes of a text, the longest first. They are all among the entry that sorts last
    /// before the text and the entries that it begins with.
    pub(crate) fn visit(&self, text: &[u8], mut found: impl FnMut(&[u8], &[u32])) {
        let after = self.entries.partition_point(|entry| *entry.text <= *text);
        let mut at = after.checked_sub(1);
        while let Some(index) = at {
            let entry = &self.entries[index];
            if text.starts_with(&entry.text) {
                found(&entry.text, &entry.rules);
            }
            at = entry.parent.map(|parent| parent as usize);
        }
    }
}
