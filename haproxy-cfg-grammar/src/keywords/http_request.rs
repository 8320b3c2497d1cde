//! `http-request`, `block`. Manual 1.4, section 4.2.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::keywords::later;
use crate::keywords::switching::{optional_condition, required_condition};
use crate::section::FLB;
use crate::value::condition::ConditionSyntax;
use crate::{Dialect, Statement, Word, version};

/// What an `http-request` rule does. The same actions serve `stats http-request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpAction {
    /// `allow`: no further rule of the kind.
    Allow,
    /// `deny`: 403.
    Deny,
    /// `auth`: 401.
    Auth,
}

/// One `http-request` line.
#[derive(Clone, Debug)]
pub struct HttpRequestRule {
    /// What is done.
    pub action: HttpAction,
    /// `realm` of `auth`.
    pub realm: Option<Word>,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

/// The family.
pub const HTTP_REQUEST: &[Keyword] = &[
    Keyword {
        arguments: "action [args] [if|unless condition]",
        stops: true,
        accepts: &[
            "http-request allow",
            "http-request deny if METH_TRACE",
            "http-request auth realm Private unless { http_auth(staff) }",
        ],
        refuses: &[
            "http-request",
            "http-request bogus",
            "http-request deny when TRUE",
        ],
        ..Keyword::new("http-request", FLB, |a| {
            Ok(Statement::HttpRequest(Box::new(rule(a)?)))
        })
    },
    Keyword {
        arguments: "if|unless condition",
        instead: Some("http-request deny"),
        warned_since: version::V1_5,
        accepts: &["block if METH_TRACE"],
        refuses: &["block METH_TRACE"],
        ..Keyword::new("block", FLB, |a| {
            // Since 1.5 a line without condition refuses everything.
            let condition = if a.is_empty() && a.dialect != Dialect::V1_4 {
                ConditionSyntax::always(a.here())
            } else {
                required_condition(a)?
            };
            Ok(Statement::Block(Box::new(condition)))
        })
    },
];

/// Reads an action, its arguments and a condition.
pub(crate) fn rule(arguments: &mut Arguments<'_>) -> Result<HttpRequestRule, Diagnostic> {
    let what = "an action: 'allow', 'deny' or 'auth'";
    let word = arguments.require(what)?;
    let action = match word.text() {
        "allow" => HttpAction::Allow,
        "deny" => HttpAction::Deny,
        "auth" => HttpAction::Auth,
        _ => return Err(later_action(arguments, word, what)),
    };
    let mut realm = None;
    if action == HttpAction::Auth && arguments.take("realm").is_some() {
        // 1.4 does not mind a realm that is missing at the end of the line.
        realm = arguments.next_word().cloned();
    }
    Ok(HttpRequestRule {
        action,
        realm,
        condition: optional_condition(arguments)?,
    })
}

fn later_action(arguments: &Arguments<'_>, word: &Word, what: &str) -> Diagnostic {
    let name = word.shown();
    let bare = name.split('(').next().unwrap_or(&name);
    match later::find(later::ACTIONS, &format!("http-request {bare}")) {
        Some(row) => row.refusal(word.span, "hapax has: allow, deny, auth"),
        None => arguments.bad(word, what),
    }
}
