//! `tcp-request`. Manual 1.4, section 4.2.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::keywords::later;
use crate::keywords::switching::optional_condition;
use crate::keywords::tracking::Stage;
use crate::section::{BACKEND, DEFAULTS, FL, FLB};
use crate::value::condition::ConditionSyntax;
use crate::{Statement, version};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TcpAction {
    /// Go on.
    Accept,
    /// Close.
    Reject,
}

/// One line that accepts or rejects.
#[derive(Clone, Debug)]
pub struct TcpRule {
    /// [`Stage::Connection`], [`Stage::Session`] or [`Stage::Content`].
    pub stage: Stage,
    /// What is done.
    pub action: TcpAction,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

/// The family.
pub const TCP_REQUEST: &[Keyword] = &[
    Keyword {
        since: version::V1_5,
        arguments: "accept|reject [condition]",
        accepts: &[
            "tcp-request connection accept",
            "tcp-request connection reject if { src 10.0.0.0/8 }",
        ],
        refuses: &["tcp-request connection", "tcp-request connection bogus"],
        ..Keyword::new("tcp-request connection", FL, |a| rule(a, Stage::Connection))
    },
    Keyword {
        since: version::V1_8,
        arguments: "accept|reject [condition]",
        accepts: &["tcp-request session reject if { src 10.0.0.0/8 }"],
        refuses: &["tcp-request session", "tcp-request session bogus"],
        ..Keyword::new("tcp-request session", FL, |a| rule(a, Stage::Session))
    },
    Keyword {
        arguments: "accept|reject [condition]",
        accepts: &[
            "tcp-request content accept",
            "tcp-request content reject if { req_len gt 0 }",
        ],
        refuses: &["tcp-request content", "tcp-request content bogus"],
        ..Keyword::new("tcp-request content", FLB, |a| rule(a, Stage::Content))
    },
    Keyword {
        sections_since_1_5: Some(FLB),
        ignored_in: BACKEND,
        unread_when_ignored: true,
        arguments: "time",
        accepts: &["tcp-request inspect-delay 5s"],
        refuses: &["tcp-request inspect-delay", "tcp-request inspect-delay -1s"],
        ..Keyword::new("tcp-request inspect-delay", FL, |a| {
            let time = a.milliseconds("a time")?;
            a.end(version::V1_8)?;
            Ok(Statement::InspectDelay(time))
        })
    },
    // In `defaults` 1.4 takes the word `tcp-request` and looks no further: nothing is left to do.
    Keyword {
        until: Some(version::V1_5),
        arguments: "(ignored)",
        ..Keyword::new("tcp-request", DEFAULTS, |a| {
            a.ignore_rest();
            Ok(Statement::Nothing)
        })
    },
];

fn rule(arguments: &mut Arguments<'_>, stage: Stage) -> Result<Statement, Diagnostic> {
    let what = "'accept' or 'reject'";
    let word = arguments.require(what)?;
    let action = match word.text() {
        "accept" => TcpAction::Accept,
        "reject" => TcpAction::Reject,
        text => {
            return Err(
                match later::find(later::ACTIONS, &format!("{} {text}", arguments.keyword())) {
                    Some(row) => row.refusal(word.span, "hapax has: accept, reject, track-sc0"),
                    None => arguments.bad(word, what),
                },
            );
        }
    };
    Ok(Statement::TcpRequest(Box::new(TcpRule {
        stage,
        action,
        condition: optional_condition(arguments)?,
    })))
}
