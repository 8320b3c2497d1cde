//! Source files and places in them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Index of a file in a [`SourceSet`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The line of its first byte, from 1, as HAProxy counts lines: up to 1.6 a line longer
    /// than the limit counts as several.
    pub line: u32,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// From the start of this span to the end of another one of the same line.
    pub fn to(self, other: Self) -> Self {
        Self {
            end: other.end.max(self.end),
            ..self
        }
    }
}

/// One configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As given on the command line.
    pub name: String,
    /// Its bytes, of no particular character set.
    pub text: Arc<[u8]>,
}

/// The files of a configuration in the order of the command line, and the environment variables
/// that they may refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSet {
    files: Vec<SourceFile>,
    /// Environment variables; they are expanded within double quotes since 1.6.
    pub variables: BTreeMap<String, Vec<u8>>,
}

impl SourceSet {
    /// A set of one file.
    pub fn from_text(name: &str, text: impl Into<Vec<u8>>) -> Self {
        let mut set = Self::default();
        set.add(name, text);
        set
    }

    /// Appends a file. Offsets are 32 bits wide: what follows the first 4 GiB is not read.
    pub fn add(&mut self, name: &str, text: impl Into<Vec<u8>>) -> FileId {
        let mut text = text.into();
        text.truncate(u32::MAX as usize - 1);
        self.files.push(SourceFile {
            name: name.to_owned(),
            text: text.into(),
        });
        FileId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// The files, in order.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The name of a file.
    pub fn name(&self, file: FileId) -> &str {
        self.files
            .get(file.0 as usize)
            .map_or("?", |f| f.name.as_str())
    }

    /// The bytes of a span; empty when it does not belong to this set.
    pub fn text(&self, span: Span) -> &[u8] {
        self.files
            .get(span.file.0 as usize)
            .and_then(|f| f.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// The whole line (without its end) around a span, the offset of its first byte, and its
    /// number as an editor counts.
    pub fn line_around(&self, span: Span) -> (&[u8], u32, u32) {
        let Some(file) = self.files.get(span.file.0 as usize) else {
            return (&[], 0, 0);
        };
        let at = (span.start as usize).min(file.text.len());
        let before = &file.text[..at];
        let start = memchr::memrchr(b'\n', before).map_or(0, |n| n + 1);
        let end = memchr::memchr(b'\n', &file.text[at..]).map_or(file.text.len(), |n| at + n);
        let number = memchr::memchr_iter(b'\n', before).count() + 1;
        (
            &file.text[start..end],
            u32::try_from(start).unwrap_or(0),
            u32::try_from(number).unwrap_or(u32::MAX),
        )
    }
}
