//! The words after a keyword, taken one by one by the tables' parsers.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::keyword::Prefix;
use crate::value::{number, time};
use crate::{Dialect, SectionKind, Span, Version, Word};

/// The words of one line after its keyword.
pub struct Arguments<'a> {
    words: &'a [Word],
    position: usize,
    /// How many words the keyword has.
    keyword_words: usize,
    /// The section that the line is in.
    pub section: SectionKind,
    /// The dialect that the file is read with.
    pub dialect: Dialect,
    /// `no` or `default` before the keyword.
    pub prefix: Prefix,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Arguments<'a> {
    /// The words of a line of which the first `keyword_words` are the keyword.
    ///
    /// `words` is not empty.
    pub(crate) fn new(
        words: &'a [Word],
        keyword_words: usize,
        section: SectionKind,
        dialect: Dialect,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            words,
            position: keyword_words,
            keyword_words,
            section,
            dialect,
            prefix: Prefix::None,
            diagnostics,
        }
    }

    /// The next word, which stays next.
    pub fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.position)
    }

    /// The word after the next one.
    pub fn peek_second(&self) -> Option<&'a Word> {
        self.words.get(self.position + 1)
    }

    /// Takes the next word.
    pub fn next_word(&mut self) -> Option<&'a Word> {
        let word = self.peek()?;
        self.position += 1;
        Some(word)
    }

    /// Takes the next word if it is this one.
    pub fn take(&mut self, text: &str) -> Option<&'a Word> {
        self.peek().filter(|w| w.is(text))?;
        self.next_word()
    }

    /// Takes all remaining words.
    pub fn rest(&mut self) -> &'a [Word] {
        let rest = self.words.get(self.position..).unwrap_or_default();
        self.position = self.words.len();
        rest
    }

    /// Whether no word is left.
    pub fn is_empty(&self) -> bool {
        self.position >= self.words.len()
    }

    /// The keyword as written, without its prefix.
    pub fn keyword(&self) -> String {
        let names: Vec<_> = self.words[..self.keyword_words.min(self.words.len())]
            .iter()
            .map(Word::shown)
            .collect();
        names.join(" ")
    }

    /// The last word of the keyword, which may have an argument in parentheses.
    pub fn last_keyword_word(&self) -> Option<&'a Word> {
        self.words.get(self.keyword_words.checked_sub(1)?)
    }

    /// Where the keyword is.
    pub fn keyword_span(&self) -> Span {
        let last = self.keyword_words.clamp(1, self.words.len().max(1)) - 1;
        match (self.words.first(), self.words.get(last)) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        }
    }

    /// From the keyword to the end of the line.
    pub fn line_span(&self) -> Span {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        }
    }

    /// The place after the last word taken: where a missing word should have been.
    pub fn here(&self) -> Span {
        self.words
            .get(self.position.saturating_sub(1))
            .map_or_else(Span::default, |w| w.span)
    }

    /// Takes a word that must be there. An empty word (`""`) counts as missing, as in HAProxy.
    pub fn require(&mut self, what: &str) -> Result<&'a Word, Diagnostic> {
        match self.peek() {
            Some(word) if !word.bytes.is_empty() => {
                self.position += 1;
                Ok(word)
            }
            _ => Err(self.missing(what)),
        }
    }

    /// The mistake of a missing word.
    pub fn missing(&self, what: &str) -> Diagnostic {
        Diagnostic::new(
            Code::MissingArgument,
            self.here(),
            format!("'{}' needs {what}", self.keyword()),
        )
    }

    /// A word that is not what was expected.
    pub fn bad(&self, word: &Word, expected: &str) -> Diagnostic {
        Diagnostic::new(
            Code::BadValue,
            word.span,
            format!(
                "'{}' expects {expected}, not '{}'",
                self.keyword(),
                word.shown()
            ),
        )
    }

    /// Reports a mistake without giving up the line.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Words that HAProxy ignores: they are noted.
    pub fn ignore_rest(&mut self) {
        let Some(first) = self.peek() else { return };
        let rest = self.rest();
        let span = rest.last().map_or(first.span, |l| first.span.to(l.span));
        let diagnostic = Diagnostic::new(
            Code::JunkIgnored,
            span,
            format!(
                "'{}' takes no more words; these are ignored",
                self.keyword()
            ),
        )
        .help("delete them");
        self.report(diagnostic);
    }

    /// Words that `since` and later versions refuse and earlier ones ignore.
    pub fn end(&mut self, since: Version) -> Result<(), Diagnostic> {
        // The default dialect reads 1.4's files: what 1.4 ignores is noted only.
        if self.dialect == Dialect::V1_8 && self.dialect.version() >= since {
            return self.refuse_rest();
        }
        self.ignore_rest();
        Ok(())
    }

    /// Words that all versions refuse.
    pub fn refuse_rest(&mut self) -> Result<(), Diagnostic> {
        let Some(first) = self.peek() else {
            return Ok(());
        };
        let first_span = first.span;
        let shown = first.shown();
        let rest = self.rest();
        let span = rest.last().map_or(first_span, |l| first_span.to(l.span));
        Err(Diagnostic::new(
            Code::ExtraArgument,
            span,
            format!(
                "'{}' takes no more words, but there is '{shown}'",
                self.keyword()
            ),
        )
        .help("delete what follows"))
    }

    /// A whole number, read as C's `atol` does: what follows the digits is ignored and a word
    /// without digits is 0. Both are noted, for they are hardly meant.
    pub fn lax_integer(&mut self, what: &str) -> Result<i64, Diagnostic> {
        let word = self.require(what)?;
        Ok(self.lax_integer_of(word))
    }

    /// The same of a word at hand.
    pub fn lax_integer_of(&mut self, word: &Word) -> i64 {
        let (value, clean) = number::atol(&word.bytes);
        if !clean {
            self.report(
                Diagnostic::new(
                    Code::DropIn,
                    word.span,
                    format!("'{}' is read as {value}, as HAProxy does", word.shown()),
                )
                .severity(Severity::Notice)
                .help(format!("write {value} if that is meant")),
            );
        }
        value
    }

    /// A time in milliseconds when it has no unit.
    pub fn milliseconds(&mut self, what: &str) -> Result<time::Milliseconds, Diagnostic> {
        let word = self.require(what)?;
        self.time_of(word, time::Unit::Millisecond)
    }

    /// A time of a word at hand.
    pub fn time_of(
        &mut self,
        word: &Word,
        unit: time::Unit,
    ) -> Result<time::Milliseconds, Diagnostic> {
        match time::parse(&word.bytes, unit) {
            Ok(time) => {
                if time.junk {
                    self.report(
                        Diagnostic::new(
                            Code::DropIn,
                            word.span,
                            format!(
                                "'{}' is read as {} ms: what follows the unit does not count",
                                word.shown(),
                                time.value.0
                            ),
                        )
                        .help("write one number and one unit"),
                    );
                }
                if time.wrapped {
                    self.report(
                        Diagnostic::new(
                            Code::TimeWraps,
                            word.span,
                            format!(
                                "'{}' is more than 32 bits of milliseconds; HAProxy 1.4 makes \
                                 {} ms of it",
                                word.shown(),
                                time.value.0
                            ),
                        )
                        .help("write at most 24d"),
                    );
                }
                Ok(time.value)
            }
            Err(error) => Err(Diagnostic::new(
                Code::BadTime,
                word.span,
                format!("'{}' is not a time: {error}", word.shown()),
            )
            .help("write a number with us, ms, s, m, h or d, as 500ms, 30s or 10m")),
        }
    }
}
