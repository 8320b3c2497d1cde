//! `redirect`. Manual 1.4, section 4.2.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::keywords::switching::required_condition;
use crate::section::FLB;
use crate::value::condition::ConditionSyntax;
use crate::value::number;
use crate::{Statement, Word, WordBytes};

/// How the new location is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RedirectKind {
    /// `location`: it is the value.
    Location,
    /// `prefix`: the value, then the URI.
    Prefix,
    /// `scheme`: the value, `://`, the host and the URI.
    Scheme,
}

/// One `redirect` line.
#[derive(Clone, Debug)]
pub struct RedirectRule {
    /// How the location is made.
    pub kind: RedirectKind,
    /// From what.
    pub value: Word,
    /// `code`: 301, 302, 303, 307 or 308.
    pub code: u16,
    /// `set-cookie`.
    pub set_cookie: Option<Word>,
    /// `clear-cookie`.
    pub clear_cookie: Option<Word>,
    /// `drop-query`.
    pub drop_query: bool,
    /// `append-slash`.
    pub append_slash: bool,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

/// The family.
pub const REDIRECT: &[Keyword] = &[Keyword {
    arguments: "location|prefix|scheme value [options] [condition]",
    accepts: &[
        "redirect location / code 301",
        "redirect prefix https://www.example.com drop-query append-slash if METH_GET",
        "redirect scheme https unless TRUE",
        "redirect location / clear-cookie USERID=",
    ],
    refuses: &[
        "redirect",
        "redirect location",
        "redirect location / code 300",
        "redirect bogus /",
        "redirect location / set-cookie",
    ],
    ..Keyword::new("redirect", FLB, redirect)
}];

const OPTIONS: &str = "'location', 'prefix', 'scheme', 'code', 'set-cookie', 'clear-cookie', \
                       'drop-query', 'append-slash', or a condition";

fn redirect(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let mut kind = None;
    let mut rule = RedirectRule {
        kind: RedirectKind::Location,
        value: Word {
            span: arguments.here(),
            bytes: WordBytes::default(),
        },
        code: 302,
        set_cookie: None,
        clear_cookie: None,
        drop_query: false,
        append_slash: false,
        condition: None,
    };
    while let Some(word) = arguments.peek() {
        let found = match word.text() {
            "location" => Some(RedirectKind::Location),
            "prefix" => Some(RedirectKind::Prefix),
            "scheme" => Some(RedirectKind::Scheme),
            _ => None,
        };
        if let Some(found) = found {
            arguments.next_word();
            kind = Some(found);
            rule.value = arguments
                .require("a value after the kind of redirect")?
                .clone();
            continue;
        }
        match word.text() {
            "if" | "unless" => {
                rule.condition = Some(required_condition(arguments)?);
                break;
            }
            "drop-query" => rule.drop_query = true,
            "append-slash" => rule.append_slash = true,
            "set-cookie" => {
                arguments.next_word();
                let cookie = arguments.require("a cookie after 'set-cookie'")?;
                rule.set_cookie = Some(cookie.clone());
                rule.clear_cookie = None;
                continue;
            }
            "clear-cookie" => {
                arguments.next_word();
                let cookie = arguments.require("a cookie after 'clear-cookie'")?;
                rule.clear_cookie = Some(cookie.clone());
                rule.set_cookie = None;
                continue;
            }
            "code" => {
                arguments.next_word();
                let code = arguments.require("a status after 'code'")?;
                rule.code = match number::atol(&code.bytes).0 {
                    n @ (301 | 302 | 303 | 307 | 308) => u16::try_from(n).unwrap_or(302),
                    _ => {
                        return Err(arguments.bad(code, "the status 301, 302, 303, 307 or 308"));
                    }
                };
                continue;
            }
            _ => return Err(arguments.bad(word, OPTIONS)),
        }
        arguments.next_word();
    }
    let Some(kind) = kind else {
        return Err(Diagnostic::new(
            Code::MissingArgument,
            arguments.keyword_span(),
            "'redirect' needs 'location', 'prefix' or 'scheme' and a value",
        ));
    };
    rule.kind = kind;
    Ok(Statement::Redirect(Box::new(rule)))
}
