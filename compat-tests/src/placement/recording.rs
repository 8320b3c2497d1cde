//! What came out of HAProxy 2.6: per scenario the first choices, and a digest of all of them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::drive::Choices;

/// A file with a line per scenario: its name, the digest, the first choices.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recording {
    lines: BTreeMap<String, String>,
}

impl Recording {
    /// The recording of these choices.
    pub fn of(choices: &Choices) -> Self {
        let line = |chosen: &String| format!("{:016x} {}", digest(chosen), first(chosen));
        Self {
            lines: choices
                .iter()
                .map(|(name, chosen)| (name.clone(), line(chosen)))
                .collect(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let entry = |line: &str| {
            let (name, line) = line.split_once(": ")?;
            Some((name.to_owned(), line.to_owned()))
        };
        let lines = text.lines().filter_map(entry).collect();
        Ok(Self { lines })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let lines: String = self
            .lines
            .iter()
            .map(|(name, line)| format!("{name}: {line}\n"))
            .collect();
        std::fs::write(path, lines)
    }

    /// The scenarios in which other servers were chosen, with both lines.
    pub fn differences(&self, choices: &Choices) -> Vec<String> {
        let now = Self::of(choices);
        let differs = |(name, line): (&String, &String)| {
            let got = now.lines.get(name).map_or("not played", String::as_str);
            (got != line).then(|| format!("{name}\n  recorded {line}\n  got      {got}"))
        };
        self.lines.iter().filter_map(differs).collect()
    }

    /// How many scenarios it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

fn first(chosen: &str) -> &str {
    &chosen[..chosen.len().min(FIRST)]
}

/// FNV-1a, 64 bits.
pub fn digest(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

const FIRST: usize = 100;
