//! `http-check`. Manual 1.4, section 4.2.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::section::{DLB, FRONTEND};
use crate::value::number;
use crate::{Statement, Word, version};

/// One `http-check` line.
#[derive(Clone, Debug)]
pub enum HttpCheck {
    /// `disable-on-404`: such a server gets no new users.
    DisableOn404,
    /// `send-state`: the check says what the proxy thinks of the server.
    SendState,
    /// `expect [!] kind pattern`
    Expect {
        /// `!`: it must not be so.
        negated: bool,
        /// Where to look and how.
        kind: Expect,
        /// What for.
        pattern: Word,
    },
}

/// What `http-check expect` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// `status`: the status is this.
    Status,
    /// `rstatus`: the status matches.
    StatusRegex,
    /// `string`: the body contains it.
    Text,
    /// `rstring`: the body matches.
    Regex,
}

/// One `tcp-check` line (1.5 and later).
#[derive(Clone, Debug)]
pub enum TcpCheck {
    /// `connect [port n]`
    Connect {
        /// The port, when it is not the usual one.
        port: Option<u16>,
    },
    /// `send`, `send-binary`
    Send(Vec<u8>),
    /// `expect [!] string|rstring|binary pattern`
    Expect {
        /// `!`: it must not be so.
        negated: bool,
        /// How the pattern is written.
        kind: TcpExpect,
        /// What for; in bytes when it was written in hexadecimal.
        pattern: Vec<u8>,
        /// Where it is written.
        span: crate::Span,
    },
    /// `comment`: shown when the next rule fails.
    Comment(Word),
}

/// How the pattern of `tcp-check expect` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpExpect {
    /// `string`
    Text,
    /// `rstring`
    Regex,
    /// `binary`
    Binary,
}

const fn row(
    name: &'static str,
    arguments: &'static str,
    parse: crate::keyword::Parser,
) -> Keyword {
    Keyword {
        ignored_in: FRONTEND,
        arguments,
        ..Keyword::new(name, DLB, parse)
    }
}

/// The family.
pub const CHECK: &[Keyword] = &[
    Keyword {
        accepts: &["http-check disable-on-404"],
        ..row("http-check disable-on-404", "none", |a| {
            a.end(version::V1_8)?;
            Ok(Statement::HttpCheck(HttpCheck::DisableOn404))
        })
    },
    Keyword {
        accepts: &["http-check send-state"],
        ..row("http-check send-state", "none", |a| {
            a.end(version::V1_8)?;
            Ok(Statement::HttpCheck(HttpCheck::SendState))
        })
    },
    Keyword {
        accepts: &[
            "http-check expect status 200",
            "http-check expect ! string error",
        ],
        refuses: &["http-check expect", "http-check expect bogus 1"],
        ..row("http-check expect", "[!] match pattern", expect)
    },
    Keyword {
        accepts: &["tcp-check connect", "tcp-check connect port 25"],
        refuses: &["tcp-check connect port 0", "tcp-check connect bogus"],
        ..later(row("tcp-check connect", "[port integer]", tcp_connect))
    },
    Keyword {
        accepts: &["tcp-check send PING\\r\\n"],
        refuses: &["tcp-check send"],
        ..later(row("tcp-check send", "string", tcp_send))
    },
    Keyword {
        accepts: &["tcp-check send-binary 50494e470d0a"],
        refuses: &["tcp-check send-binary 123", "tcp-check send-binary zz"],
        ..later(row("tcp-check send-binary", "digits", tcp_send_binary))
    },
    Keyword {
        accepts: &[
            "tcp-check expect string +PONG",
            "tcp-check expect ! binary 15",
        ],
        refuses: &["tcp-check expect", "tcp-check expect binary 1"],
        ..later(row("tcp-check expect", "[!] match pattern", tcp_expect))
    },
    Keyword {
        accepts: &["tcp-check comment greeting"],
        refuses: &["tcp-check comment"],
        ..later(row("tcp-check comment", "string", |a| {
            let text = a.require("a comment")?.clone();
            Ok(Statement::TcpCheck(TcpCheck::Comment(text)))
        }))
    },
];

const fn later(base: Keyword) -> Keyword {
    Keyword {
        since: version::V1_5,
        ..base
    }
}

fn tcp_connect(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let mut port = None;
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "default" => {}
            "port" => {
                let value = arguments.require("a port after 'port'")?;
                let number = number::atol(&value.bytes).0;
                port = match u16::try_from(number).ok().filter(|port| *port > 0) {
                    Some(port) => Some(port),
                    None => return Err(arguments.bad(value, "a port from 1 to 65535")),
                };
            }
            _ => return Err(arguments.bad(word, "nothing or 'port N'")),
        }
    }
    Ok(Statement::TcpCheck(TcpCheck::Connect { port }))
}

fn tcp_send(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let text = arguments.require("what to send")?.bytes.to_vec();
    arguments.end(version::V1_8)?;
    Ok(Statement::TcpCheck(TcpCheck::Send(text)))
}

fn tcp_send_binary(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("what to send, in hexadecimal digits")?;
    let bytes = hexadecimal(arguments, word)?;
    arguments.end(version::V1_8)?;
    Ok(Statement::TcpCheck(TcpCheck::Send(bytes)))
}

fn tcp_expect(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let what = "[!] 'string', 'rstring' or 'binary', and a pattern";
    let mut negated = false;
    while arguments.take("!").is_some() {
        negated = !negated;
    }
    let word = arguments.require(what)?;
    let kind = match word.text() {
        "string" => TcpExpect::Text,
        "rstring" => TcpExpect::Regex,
        "binary" => TcpExpect::Binary,
        _ => return Err(arguments.bad(word, what)),
    };
    let word = arguments.require(what)?;
    let pattern = if kind == TcpExpect::Binary {
        hexadecimal(arguments, word)?
    } else {
        word.bytes.to_vec()
    };
    Ok(Statement::TcpCheck(TcpCheck::Expect {
        negated,
        kind,
        pattern,
        span: word.span,
    }))
}

/// Bytes written as pairs of hexadecimal digits.
fn hexadecimal(arguments: &Arguments<'_>, word: &Word) -> Result<Vec<u8>, Diagnostic> {
    let digits: Option<Vec<u8>> = word
        .bytes
        .iter()
        .map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8))
        .collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => Ok(digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()),
        _ => Err(arguments.bad(word, "an even number of hexadecimal digits")),
    }
}

fn expect(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let what = "[!] 'status', 'rstatus', 'string' or 'rstring', and a pattern";
    let mut negated = false;
    while arguments.take("!").is_some() {
        negated = !negated;
    }
    let word = arguments.require(what)?;
    let kind = match word.text() {
        "status" => Expect::Status,
        "rstatus" => Expect::StatusRegex,
        "string" => Expect::Text,
        "rstring" => Expect::Regex,
        _ => return Err(arguments.bad(word, what)),
    };
    let pattern = arguments.require(what)?.clone();
    Ok(Statement::HttpCheck(HttpCheck::Expect {
        negated,
        kind,
        pattern,
    }))
}
