//! Format strings: literals and sample expressions, `%[src]-%[path]`. They came with HAProxy 1.5;
//! its manual describes them under "Custom log format".

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_till1, take_while1};
use nom::combinator::{opt, value};
use nom::sequence::delimited;

use crate::diagnostic::{Code, Diagnostic};
use crate::value::expression::{self, Expression};
use crate::{Span, Word};

/// One part of a format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is; `%%` is a percent sign.
    Literal(Vec<u8>),
    /// `%[fetch(arguments),converter...]`
    Sample(Expression),
}

/// A format string, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatSyntax {
    /// The parts, in order.
    pub pieces: Vec<Piece>,
    /// The word.
    pub span: Span,
}

type Nom<'a, T> = nom::IResult<&'a [u8], T>;

/// What one step of reading finds.
#[derive(Clone, Copy)]
enum Token<'a> {
    Literal(&'a [u8]),
    /// What stands between the brackets.
    Sample(&'a [u8]),
    /// A variable of log lines, by its name.
    Variable(&'a [u8]),
}

fn token(input: &[u8]) -> Nom<'_, Token<'_>> {
    let options = || {
        opt(delimited(
            tag(&b"{"[..]),
            take_till(|b| b == b'}'),
            tag(&b"}"[..]),
        ))
    };
    let sample = delimited(tag(&b"["[..]), take_till(|b| b == b']'), tag(&b"]"[..]));
    let name = take_while1(|b: u8| b.is_ascii_alphanumeric());
    alt((
        take_till1(|b| b == b'%').map(Token::Literal),
        value(Token::Literal(b"%"), tag(&b"%%"[..])),
        (tag(&b"%"[..]), options(), sample).map(|(_, _, text)| Token::Sample(text)),
        (tag(&b"%"[..]), options(), opt(tag(&b"-"[..])), name)
            .map(|(_, _, _, name)| Token::Variable(name)),
    ))
    .parse(input)
}

/// Reads a word as a format string.
///
/// # Errors
/// A `%` that begins nothing, a sample expression that is none, and the variables of log lines,
/// which hapax does not have outside of them.
pub fn parse(word: &Word) -> Result<FormatSyntax, Diagnostic> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest: &[u8] = &word.bytes;
    while !rest.is_empty() {
        let Ok((after, token)) = token(rest) else {
            return Err(Diagnostic::new(
                Code::BadFormat,
                word.span,
                format!(
                    "'{}' is not a format: nothing can be made of '{}'",
                    word.shown(),
                    String::from_utf8_lossy(rest)
                ),
            )
            .help("write %% for a percent sign, %[fetch,converter] for a value"));
        };
        rest = after;
        match token {
            Token::Literal(text) => match pieces.last_mut() {
                Some(Piece::Literal(before)) => before.extend_from_slice(text),
                _ => pieces.push(Piece::Literal(text.to_vec())),
            },
            Token::Sample(text) => {
                match expression::parse(text) {
                    Some(expression) => pieces.push(Piece::Sample(expression)),
                    None => {
                        return Err(Diagnostic::new(
                        Code::BadFormat,
                        word.span,
                        format!(
                            "'{}' is not a sample expression",
                            String::from_utf8_lossy(text)
                        ),
                    )
                    .help("write a fetch, its arguments in parentheses, then converters after commas"));
                    }
                }
            }
            Token::Variable(name) => {
                return Err(Diagnostic::new(
                    Code::LaterKeyword,
                    word.span,
                    format!(
                        "the log variable '%{}' came with HAProxy 1.5; hapax does not have it",
                        String::from_utf8_lossy(name)
                    ),
                )
                .help("hapax has sample expressions, as %[src]; write %% for a percent sign"));
            }
        }
    }
    Ok(FormatSyntax {
        pieces,
        span: word.span,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Piece>, Code> {
        let word = Word {
            span: Span::default(),
            bytes: text.as_bytes().into(),
        };
        parse(&word).map(|f| f.pieces).map_err(|d| d.code)
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.as_bytes().to_vec())
    }

    #[test]
    fn formats() {
        let sample = |text: &str| Piece::Sample(expression::parse(text.as_bytes()).unwrap());
        for (text, expected) in [
            ("", Ok(vec![])),
            ("abc", Ok(vec![literal("abc")])),
            ("100%%", Ok(vec![literal("100%")])),
            (
                "a-%[src]-%[hdr(host),lower]",
                Ok(vec![
                    literal("a-"),
                    sample("src"),
                    literal("-"),
                    sample("hdr(host),lower"),
                ]),
            ),
            ("%{+Q}[path]", Ok(vec![sample("path")])),
            ("a%", Err(Code::BadFormat)),
            ("a%[path", Err(Code::BadFormat)),
            ("%{x", Err(Code::BadFormat)),
            ("%[]", Err(Code::BadFormat)),
            ("a%20b", Err(Code::LaterKeyword)),
            ("%ci", Err(Code::LaterKeyword)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
