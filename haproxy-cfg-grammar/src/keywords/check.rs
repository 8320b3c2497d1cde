//! `http-check`. Manual 1.4, section 4.2.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::section::{DLB, FRONTEND};
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
];

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
