//! `stats ...` of proxies: the statistics page. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Parser};
use crate::keywords::http_request::{self, HttpRequestRule};
use crate::keywords::switching::required_condition;
use crate::section::{DFLB, DLB, FLB, FRONTEND, LB};
use crate::value::condition::ConditionSyntax;
use crate::value::time;
use crate::{Statement, Word};

/// One `stats` line.
#[derive(Clone, Debug)]
pub enum StatsStatement {
    /// `stats enable`
    Enable,
    /// `stats uri`
    Uri(Word),
    /// `stats realm`
    Realm(Word),
    /// `stats auth user:password`
    Auth(Word),
    /// `stats scope`
    Scope(Word),
    /// `stats refresh`, in seconds; 0 is never.
    Refresh(u32),
    /// `stats hide-version`
    HideVersion,
    /// `stats show-legends`
    ShowLegends,
    /// `stats show-node [name]`
    ShowNode(Option<Word>),
    /// `stats show-desc [text]`
    ShowDesc(Option<Vec<u8>>),
    /// `stats admin if|unless condition`
    Admin(Box<ConditionSyntax>),
    /// `stats http-request`
    HttpRequest(Box<HttpRequestRule>),
}

const fn row(
    name: &'static str,
    arguments: &'static str,
    parse: Parser,
    accepts: &'static [&'static str],
    refuses: &'static [&'static str],
) -> Keyword {
    Keyword {
        sections_since_1_5: Some(DFLB),
        ignored_in: FRONTEND,
        acts_when_ignored: true,
        arguments,
        accepts,
        refuses,
        ..Keyword::new(name, DLB, parse)
    }
}

/// The family.
pub const STATS: &[Keyword] = &[
    row(
        "stats enable",
        "none",
        |a| switch(a, StatsStatement::Enable),
        &["stats enable"],
        &[],
    ),
    row(
        "stats uri",
        "uri",
        |a| word(a, "a URI", StatsStatement::Uri),
        &["stats uri /admin?stats"],
        &["stats uri"],
    ),
    row(
        "stats realm",
        "string",
        |a| word(a, "a realm", StatsStatement::Realm),
        &["stats realm Statistics"],
        &["stats realm"],
    ),
    row(
        "stats auth",
        "user:password",
        |a| word(a, "'user:password'", StatsStatement::Auth),
        &["stats auth admin:secret"],
        &["stats auth"],
    ),
    row(
        "stats scope",
        ". | proxy name",
        |a| word(a, "the name of a proxy, or '.'", StatsStatement::Scope),
        &["stats scope ."],
        &["stats scope"],
    ),
    row(
        "stats refresh",
        "time",
        refresh,
        &["stats refresh 10s"],
        &["stats refresh 10x"],
    ),
    row(
        "stats hide-version",
        "none",
        |a| switch(a, StatsStatement::HideVersion),
        &["stats hide-version"],
        &[],
    ),
    row(
        "stats show-legends",
        "none",
        |a| switch(a, StatsStatement::ShowLegends),
        &["stats show-legends"],
        &[],
    ),
    row(
        "stats show-node",
        "[name]",
        show_node,
        &["stats show-node", "stats show-node europe-1"],
        &["stats show-node bad!node"],
    ),
    row(
        "stats show-desc",
        "[text]",
        show_desc,
        &["stats show-desc main node"],
        &[],
    ),
    Keyword {
        sections: LB,
        sections_since_1_5: Some(FLB),
        ..row(
            "stats admin",
            "if|unless condition",
            |a| {
                let condition = required_condition(a)?;
                Ok(Statement::Stats(StatsStatement::Admin(Box::new(condition))))
            },
            &["stats admin if TRUE"],
            &["stats admin"],
        )
    },
    Keyword {
        sections: LB,
        sections_since_1_5: Some(FLB),
        stops: true,
        ..row(
            "stats http-request",
            "allow|deny|auth [condition]",
            |a| {
                let rule = http_request::rule(a)?;
                Ok(Statement::Stats(StatsStatement::HttpRequest(Box::new(
                    rule,
                ))))
            },
            &["stats http-request auth unless TRUE"],
            &["stats http-request bogus"],
        )
    },
];

fn switch(arguments: &mut Arguments<'_>, what: StatsStatement) -> Result<Statement, Diagnostic> {
    arguments.ignore_rest();
    Ok(Statement::Stats(what))
}

fn word(
    arguments: &mut Arguments<'_>,
    what: &str,
    make: fn(Word) -> StatsStatement,
) -> Result<Statement, Diagnostic> {
    let value = arguments.require(what)?.clone();
    arguments.ignore_rest();
    Ok(Statement::Stats(make(value)))
}

fn refresh(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let seconds = match arguments.next_word() {
        None => 0,
        Some(word) => time::parse_seconds(&word.bytes).map_err(|e| {
            Diagnostic::new(
                Code::BadTime,
                word.span,
                format!("'{}' is not a time: {e}", word.shown()),
            )
            .help("write a number with s, m, h or d, as 10s")
        })?,
    };
    arguments.ignore_rest();
    Ok(Statement::Stats(StatsStatement::Refresh(seconds)))
}

fn show_node(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let node = arguments.next_word().cloned();
    if let Some(word) = &node {
        let fine = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !word.bytes.iter().all(fine) {
            return Err(arguments.bad(word, "letters, digits, '-', '_' and '.'"));
        }
    }
    arguments.ignore_rest();
    Ok(Statement::Stats(StatsStatement::ShowNode(node)))
}

fn show_desc(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let text = if arguments.is_empty() {
        None
    } else {
        Some(super::mode::text(arguments)?)
    };
    Ok(Statement::Stats(StatsStatement::ShowDesc(text)))
}
