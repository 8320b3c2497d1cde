//! `req*` and `rsp*`: rules over whole header lines. Manual 1.4, section 4.2 and chapter 6.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::keywords::switching::optional_condition;
use crate::section::FLB;
use crate::value::condition::ConditionSyntax;
use crate::{Statement, Word, WordBytes, version};

/// Requests or responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// `req...`
    Request,
    /// `rsp...`
    Response,
}

/// What is done with a line that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineAction {
    /// `reqallow`: stop here, and let the message pass.
    Allow,
    /// `reqdeny`, `rspdeny`: refuse the message.
    Deny,
    /// `reqdel`, `rspdel`: remove the line.
    Delete,
    /// `reqpass`: leave this line alone.
    Pass,
    /// `reqrep`, `rsprep`: replace the line.
    Replace,
    /// `reqtarpit`: keep the client waiting.
    Tarpit,
    /// `reqsetbe`: choose a backend.
    SetBackend,
}

/// One rule over header lines.
#[derive(Clone, Debug)]
pub struct LineRule {
    /// Of requests or responses.
    pub side: Side,
    /// What is done.
    pub action: LineAction,
    /// The case of letters does not matter.
    pub ignore_case: bool,
    /// The regular expression.
    pub pattern: Word,
    /// The replacement, or the backend.
    pub value: Option<Word>,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

/// `reqadd`, `rspadd`.
#[derive(Clone, Debug)]
pub struct AddLine {
    /// To requests or responses.
    pub side: Side,
    /// The whole line.
    pub line: Word,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

const fn row(
    name: &'static str,
    arguments: &'static str,
    parse: crate::keyword::Parser,
    accepts: &'static [&'static str],
    refuses: &'static [&'static str],
) -> Keyword {
    Keyword {
        arguments,
        accepts,
        refuses,
        ..Keyword::new(name, FLB, parse)
    }
}

macro_rules! search {
    ($name:literal, $side:ident, $action:ident, $ignore_case:literal) => {
        row(
            $name,
            "regex [condition]",
            |a| rule(a, Side::$side, LineAction::$action, $ignore_case),
            &[
                concat!($name, " ^X-Bad:.*"),
                concat!($name, " ^X-Bad: if METH_GET"),
            ],
            &[$name, concat!($name, " ^x extra")],
        )
    };
}

macro_rules! replace {
    ($name:literal, $side:ident, $ignore_case:literal) => {
        row(
            $name,
            "regex replacement [condition]",
            |a| rule(a, Side::$side, LineAction::Replace, $ignore_case),
            &[concat!($name, " ^X-Old:(.*) X-New:\\1")],
            &[$name, concat!($name, " ^x"), concat!($name, " ^x y extra")],
        )
    };
}

/// The family.
pub const HEADER_RULES: &[Keyword] = &[
    row(
        "reqadd",
        "header line [condition]",
        |a| add(a, Side::Request),
        &["reqadd X-Proto:\\ http"],
        &["reqadd", "reqadd X extra"],
    ),
    search!("reqallow", Request, Allow, false),
    search!("reqiallow", Request, Allow, true),
    search!("reqdel", Request, Delete, false),
    search!("reqidel", Request, Delete, true),
    search!("reqdeny", Request, Deny, false),
    search!("reqideny", Request, Deny, true),
    search!("reqpass", Request, Pass, false),
    search!("reqipass", Request, Pass, true),
    search!("reqtarpit", Request, Tarpit, false),
    search!("reqitarpit", Request, Tarpit, true),
    replace!("reqrep", Request, false),
    replace!("reqirep", Request, true),
    // The names of 1.1 and 1.2.
    replace!("cliexp", Request, false),
    Keyword {
        until: Some(version::V1_8),
        ..row(
            "reqsetbe",
            "regex backend",
            |a| rule(a, Side::Request, LineAction::SetBackend, false),
            &["reqsetbe ^Host:\\ x be"],
            &["reqsetbe"],
        )
    },
    Keyword {
        until: Some(version::V1_8),
        ..row(
            "reqisetbe",
            "regex backend",
            |a| rule(a, Side::Request, LineAction::SetBackend, true),
            &["reqisetbe ^Host:\\ x be"],
            &["reqisetbe"],
        )
    },
    row(
        "rspadd",
        "header line [condition]",
        |a| add(a, Side::Response),
        &["rspadd X-Via:\\ proxy"],
        &["rspadd"],
    ),
    search!("rspdel", Response, Delete, false),
    search!("rspidel", Response, Delete, true),
    search!("rspdeny", Response, Deny, false),
    search!("rspideny", Response, Deny, true),
    replace!("rsprep", Response, false),
    replace!("rspirep", Response, true),
    replace!("srvexp", Response, false),
];

fn add(arguments: &mut Arguments<'_>, side: Side) -> Result<Statement, Diagnostic> {
    let line = arguments
        .require("a header line (write its blanks as '\\ ')")?
        .clone();
    let condition = optional_condition(arguments)?;
    Ok(Statement::AddLine(Box::new(AddLine {
        side,
        line,
        condition,
    })))
}

fn rule(
    arguments: &mut Arguments<'_>,
    side: Side,
    action: LineAction,
    ignore_case: bool,
) -> Result<Statement, Diagnostic> {
    let pattern = arguments.require("a regular expression")?.clone();
    let value = match action {
        LineAction::Replace => {
            let value = arguments
                .require("a replacement after the regular expression")?
                .clone();
            check_replacement(&value, arguments)?;
            Some(value)
        }
        // 1.4 takes a missing name for the name of no backend.
        LineAction::SetBackend => Some(arguments.next_word().cloned().unwrap_or_else(|| Word {
            span: arguments.here(),
            bytes: WordBytes::default(),
        })),
        _ => None,
    };
    let condition = optional_condition(arguments)?;
    Ok(Statement::LineRule(Box::new(LineRule {
        side,
        action,
        ignore_case,
        pattern,
        value,
        condition,
    })))
}

/// A backslash in a replacement must be followed by a digit, or by a character that it protects;
/// `\x` takes two hexadecimal digits.
fn check_replacement(word: &Word, arguments: &mut Arguments<'_>) -> Result<(), Diagnostic> {
    let mut bytes = word.bytes.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'\\' {
            continue;
        }
        let fine = match bytes.next() {
            None => false,
            Some(b'x') => {
                bytes.next().is_some_and(u8::is_ascii_hexdigit)
                    && bytes.next().is_some_and(u8::is_ascii_hexdigit)
            }
            Some(b'0'..=b'9' | b'\\') => true,
            Some(other) => {
                arguments.report(
                    Diagnostic::whole(
                        Code::Deprecated,
                        Some(word.span),
                        format!(
                            "'\\{}' in a replacement is read as '{0}'",
                            other.escape_ascii()
                        ),
                    )
                    .help("delete the backslash, or write \\\\ for a backslash"),
                );
                true
            }
        };
        if !fine {
            return Err(Diagnostic::new(
                Code::BadRegex,
                word.span,
                format!(
                    "the replacement '{}' ends in the middle of a '\\' sequence",
                    word.shown()
                ),
            )
            .help("write \\\\ for a backslash, \\0 to \\9 for what was matched"));
        }
    }
    Ok(())
}
