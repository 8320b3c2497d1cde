//! What was written, in file order, losslessly.

use crate::keyword::Prefix;
use crate::{SectionKind, SourceSet, Span, Statement, Word};

/// Everything that was read: the files and their lines.
///
/// Every byte of the input belongs to exactly one line, so printing gives the input back.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The files.
    pub sources: SourceSet,
    /// Every line of every file, blank ones included, in order.
    pub lines: Vec<Line>,
    /// The sections in order; each names a range of `lines`.
    pub sections: Vec<Section>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// All its bytes, line end included.
    pub span: Span,
    /// Its words; empty for blank lines and comments.
    pub words: Vec<Word>,
    /// `no` or `default` before the keyword.
    pub prefix: Prefix,
    /// What it says; `None` for blank lines, section lines and lines with a mistake.
    pub statement: Option<Statement>,
}

impl Line {
    /// From its first to its last word.
    pub fn words_span(&self) -> Span {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => self.span,
        }
    }
}

/// A section line and what follows it up to the next section line.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its kind.
    pub kind: SectionKind,
    /// The name of a proxy or a user list; `None` when there is none.
    pub name: Option<Word>,
    /// The addresses on a `listen` or `frontend` line.
    pub header: Option<Statement>,
    /// Index of the section line in [`Document::lines`].
    pub first_line: usize,
    /// Index after its last line.
    pub end_line: usize,
    /// The section line had a mistake; what it contains was checked but must not be used.
    pub broken: bool,
}

impl Document {
    /// The section line.
    pub fn header_line(&self, section: &Section) -> Option<&Line> {
        self.lines.get(section.first_line)
    }

    /// The lines of a section after its section line.
    pub fn body(&self, section: &Section) -> &[Line] {
        self.lines
            .get(section.first_line + 1..section.end_line)
            .unwrap_or_default()
    }

    /// Every statement with its line, in order.
    pub fn statements(&self) -> impl Iterator<Item = (&Line, &Statement)> {
        self.lines
            .iter()
            .filter_map(|line| line.statement.as_ref().map(|s| (line, s)))
    }

    /// The text of all files, one after the other: word by word, and between the words what
    /// stood there.
    pub fn print(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for line in &self.lines {
            let mut at = line.span.start;
            for word in &line.words {
                let gap = Span {
                    start: at,
                    end: word.span.start,
                    ..line.span
                };
                out.extend_from_slice(self.sources.text(gap));
                out.extend_from_slice(self.sources.text(word.span));
                at = word.span.end;
            }
            out.extend_from_slice(self.sources.text(Span {
                start: at,
                ..line.span
            }));
        }
        out
    }
}
