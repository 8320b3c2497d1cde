//! `capture`: what of a message is written to the log. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::section::{BACKEND, FL};
use crate::value::number;
use crate::{Statement, Word};

/// One `capture` line.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Of what.
    pub what: Captured,
    /// The name.
    pub name: Word,
    /// `len`: how many bytes are kept.
    pub len: u32,
}

/// What is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Captured {
    /// A cookie of requests and responses.
    Cookie,
    /// A header of requests.
    RequestHeader,
    /// A header of responses.
    ResponseHeader,
}

const fn row(
    name: &'static str,
    parse: crate::keyword::Parser,
    accepts: &'static [&'static str],
    refuses: &'static [&'static str],
) -> Keyword {
    Keyword {
        ignored_in: BACKEND,
        arguments: "name len n",
        accepts,
        refuses,
        ..Keyword::new(name, FL, parse)
    }
}

/// The family.
pub const CAPTURE: &[Keyword] = &[
    row(
        "capture cookie",
        |a| capture(a, Captured::Cookie),
        &["capture cookie ASPSESSION len 32"],
        &["capture cookie"],
    ),
    row(
        "capture request header",
        |a| capture(a, Captured::RequestHeader),
        &["capture request header Host len 15"],
        &[
            "capture request header",
            "capture request header Host size 3",
        ],
    ),
    row(
        "capture response header",
        |a| capture(a, Captured::ResponseHeader),
        &["capture response header Location len 20"],
        &["capture response header Location"],
    ),
];

fn capture(arguments: &mut Arguments<'_>, what: Captured) -> Result<Statement, Diagnostic> {
    let shape = "a name, then 'len N'";
    let name = arguments.require(shape)?.clone();
    let keyword = arguments.require(shape)?;
    // Of cookies 1.4 does not look at the word between.
    if !keyword.is("len") && what != Captured::Cookie {
        return Err(arguments.bad(keyword, "'len'"));
    }
    let len = arguments.require(shape)?;
    let len = super::limits::count(number::atol(&len.bytes).0);
    arguments.end(crate::version::V1_8)?;
    Ok(Statement::Capture(Capture { what, name, len }))
}
