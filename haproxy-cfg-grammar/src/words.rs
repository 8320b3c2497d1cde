//! One line into words.
//!
//! Up to 1.5 a backslash takes the special meaning from a blank, `#` and itself, `\r \n \t \xHH`
//! stand for bytes, and any other backslash is kept. Since 1.6 quotes exist as well: between
//! single quotes nothing is special; between double quotes blanks are not, and `$NAME` and
//! `${NAME}` stand for environment variables. An unquoted `#` ends the line.

use std::collections::BTreeMap;

use crate::{Code, Diagnostic, Dialect, FileId, Span, WordBytes};

/// A word of the configuration: what it says, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its bytes as written, escapes and quotes included.
    pub span: Span,
    /// Its meaning, of no particular character set.
    pub bytes: WordBytes,
}

impl Word {
    /// The word as text, for keywords and numbers. A word that is not UTF-8 gives a text that no
    /// keyword equals.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or("\u{FFFD}")
    }

    /// Whether it is exactly this.
    pub fn is(&self, text: &str) -> bool {
        *self.bytes == *text.as_bytes()
    }

    /// For messages: as text, with what is not UTF-8 replaced.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Where a line lies in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineStart {
    pub(crate) file: FileId,
    /// Line number, from 1.
    pub(crate) number: u32,
    /// Offset of its first byte.
    pub(crate) offset: u32,
}

impl LineStart {
    fn span(self, start: usize, end: usize) -> Span {
        let at = |n: usize| {
            self.offset
                .saturating_add(u32::try_from(n).unwrap_or(u32::MAX))
        };
        Span {
            file: self.file,
            line: self.number,
            start: at(start),
            end: at(end),
        }
    }
}

/// Splits the text of one line, up to and without its end.
pub(crate) fn split(
    text: &[u8],
    at: LineStart,
    dialect: Dialect,
    variables: &BTreeMap<String, Vec<u8>>,
) -> (Vec<Word>, Vec<Diagnostic>) {
    let mut splitter = Splitter {
        text,
        at,
        position: 0,
        quotes: dialect.has_quotes(),
        variables,
        diagnostics: Vec::new(),
    };
    let mut words = Vec::new();
    while let Some(word) = splitter.next_word() {
        words.push(word);
    }
    // Big files have a million words: what growing left over adds up.
    words.shrink_to_fit();
    (words, splitter.diagnostics)
}

struct Splitter<'a> {
    text: &'a [u8],
    at: LineStart,
    position: usize,
    quotes: bool,
    variables: &'a BTreeMap<String, Vec<u8>>,
    diagnostics: Vec<Diagnostic>,
}

impl Splitter<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    fn next_word(&mut self) -> Option<Word> {
        while self.peek().is_some_and(|b| is_blank(b) && b != b'\r') {
            self.position += 1;
        }
        let start = self.position;
        let first = self.peek()?;
        // A carriage return ends the line, as if the rest were a comment.
        if first == b'#' || first == b'\r' {
            self.position = self.text.len();
            return None;
        }
        let mut bytes = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => break,
                b if is_blank(b) => break,
                b'\\' => self.escape(&mut bytes, false),
                b'\'' if self.quotes => self.single_quoted(&mut bytes),
                b'"' if self.quotes => self.double_quoted(&mut bytes),
                b => {
                    bytes.push(b);
                    self.position += 1;
                }
            }
        }
        Some(Word {
            span: self.at.span(start, self.position),
            bytes: bytes.as_slice().into(),
        })
    }

    /// A backslash and what belongs to it.
    fn escape(&mut self, bytes: &mut Vec<u8>, in_double_quotes: bool) {
        let start = self.position;
        self.position += 1;
        let Some(next) = self.peek() else {
            bytes.push(b'\\');
            return;
        };
        let quoted = self.quotes && matches!(next, b'"' | b'\'');
        let dollar = self.quotes && in_double_quotes && next == b'$';
        let literal = matches!(next, b' ' | b'\\' | b'#') || quoted || dollar;
        self.position += 1;
        match next {
            _ if literal => bytes.push(next),
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'x' => {
                let digits = self.text.get(self.position..self.position + 2);
                match digits.and_then(hexadecimal) {
                    Some(value) => {
                        bytes.push(value);
                        self.position += 2;
                    }
                    None => {
                        let span = self.at.span(start, self.position);
                        self.diagnostics.push(
                            Diagnostic::new(
                                Code::BadEscape,
                                span,
                                "'\\x' must be followed by two hexadecimal digits",
                            )
                            .help("write the byte as \\x41, or a backslash as \\\\"),
                        );
                    }
                }
            }
            _ => {
                bytes.push(b'\\');
                bytes.push(next);
            }
        }
    }

    fn single_quoted(&mut self, bytes: &mut Vec<u8>) {
        let start = self.position;
        self.position += 1;
        let rest = self.text.get(self.position..).unwrap_or_default();
        match memchr::memchr(b'\'', rest) {
            Some(length) => {
                bytes.extend_from_slice(&rest[..length]);
                self.position += length + 1;
            }
            None => self.unclosed(start, "'"),
        }
    }

    fn double_quoted(&mut self, bytes: &mut Vec<u8>) {
        let start = self.position;
        self.position += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.position += 1;
                    return;
                }
                b'\\' => self.escape(bytes, true),
                b'$' => self.variable(bytes),
                b => {
                    bytes.push(b);
                    self.position += 1;
                }
            }
        }
        self.unclosed(start, "\"");
    }

    /// `$NAME` or `${NAME}`; a variable that is not set is empty.
    fn variable(&mut self, bytes: &mut Vec<u8>) {
        let start = self.position;
        self.position += 1;
        let braces = self.peek() == Some(b'{');
        if braces {
            self.position += 1;
        }
        let name_start = self.position;
        while self
            .peek()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            self.position += 1;
        }
        let name = self.text.get(name_start..self.position).unwrap_or_default();
        if name.first().is_none_or(u8::is_ascii_digit) {
            let span = self.at.span(start, self.position);
            self.diagnostics.push(
                Diagnostic::new(
                    Code::BadQuote,
                    span,
                    "'$' between double quotes must be followed by the name of a variable",
                )
                .help("write \\$ for the character itself, or use single quotes"),
            );
            return;
        }
        if braces {
            if self.peek() == Some(b'}') {
                self.position += 1;
            } else {
                self.unclosed(start, "${");
                return;
            }
        }
        let name = String::from_utf8_lossy(name);
        if let Some(value) = self.variables.get(&*name) {
            bytes.extend_from_slice(value);
        }
    }

    fn unclosed(&mut self, start: usize, what: &str) {
        self.position = self.text.len();
        let span = self.at.span(start, self.position);
        self.diagnostics.push(
            Diagnostic::new(
                Code::BadQuote,
                span,
                format!("this {what} is not closed on its line"),
            )
            .help(format!("write \\{what} for the character itself")),
        );
    }
}

/// What separates words: 1.4 asks `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | b'\n')
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, dialect: Dialect) -> Vec<String> {
        let at = LineStart {
            file: FileId(0),
            number: 1,
            offset: 0,
        };
        let mut variables = BTreeMap::new();
        variables.insert("HOME".to_owned(), b"/root".to_vec());
        let (words, _) = split(text.as_bytes(), at, dialect, &variables);
        words.iter().map(Word::shown).collect()
    }

    #[test]
    fn escapes() {
        let v14 = |t| words(t, Dialect::V1_4);
        assert_eq!(v14("a\\ b c"), ["a b", "c"]);
        assert_eq!(v14("retries 3# glued"), ["retries", "3"]);
        assert_eq!(v14("a\\#b"), ["a#b"]);
        assert_eq!(v14("\\x41\\t\\q\\\\"), ["A\t\\q\\"]);
        assert_eq!(v14("'a b'"), ["'a", "b'"]);
        assert_eq!(v14("abc\\"), ["abc\\"]);
        assert_eq!(v14("a b\rc d"), ["a", "b"]);
    }

    #[test]
    fn quotes_since_1_6() {
        let v18 = |t| words(t, Dialect::V1_8);
        assert_eq!(v18("'a b'\"c d\""), ["a bc d"]);
        assert_eq!(v18("\"${HOME}/x $HOME $NOPE\""), ["/root/x /root "]);
        assert_eq!(v18("'$HOME' $HOME \"\""), ["$HOME", "$HOME", ""]);
        assert_eq!(v18("\"\\$HOME\""), ["$HOME"]);
    }
}
