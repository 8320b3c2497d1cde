//! `track-sc0`, `sc-inc-gpc0`, `sc-set-gpt0` of all families of rules: what is counted in stick
//! tables, since 1.5.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::{Keyword, Parser};
use crate::keywords::stick;
use crate::keywords::switching::optional_condition;
use crate::section::{FL, FLB, Sections};
use crate::value::condition::ConditionSyntax;
use crate::value::expression::{self, Expression};
use crate::value::{number, stored};
use crate::version::{self, Version};
use crate::{Code, Dialect, Span, Statement, Word};

/// The rules that a line belongs to, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `tcp-request connection`: a client has connected.
    Connection,
    /// `tcp-request session`: and it is known who it is (since 1.6).
    Session,
    /// `tcp-request content`: something has come.
    Content,
    /// `http-request`.
    Request,
    /// `http-response`.
    Response,
}

/// A change of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// `gpc0` is counted up.
    IncGpc0,
    /// `gpt0` becomes this.
    SetGpt0(u32),
}

/// What a rule does.
#[derive(Clone, Debug)]
pub enum TrackingAction {
    /// `track-scN`: from now on, the entry of a key is counted in.
    Track {
        /// Under which number, from 0 to 2.
        counter: u8,
        /// The key.
        key: Expression,
        /// Where the key is written.
        span: Span,
        /// `table`: of another proxy.
        table: Option<Word>,
    },
    /// What is stored in an entry that is tracked is changed.
    Change {
        /// Under which number it is tracked. HAProxy takes any, and does nothing under those that it
        /// does not have.
        counter: u8,
        /// How.
        change: Change,
    },
}

/// One line.
#[derive(Clone, Debug)]
pub struct TrackingRule {
    /// The rules that it belongs to.
    pub stage: Stage,
    /// What is done.
    pub action: TrackingAction,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

macro_rules! rows {
    ($($family:literal $stage:ident $sections:ident $stops:literal $since:ident;)*) => {
        /// The family.
        pub const TRACKING: &[Keyword] = &[
            $(
                Keyword {
                    accepts: &[concat!($family, " track-sc0 src")],
                    refuses: &[concat!($family, " track-sc0"), concat!($family, " track-sc0 src table st x")],
                    ..row(concat!($family, " track-sc0"), KEY, $sections, $stops, version::$since, |a| {
                        track(a, Stage::$stage, 0)
                    })
                },
                row(concat!($family, " track-sc1"), KEY, $sections, $stops, version::$since, |a| {
                    track(a, Stage::$stage, 1)
                }),
                row(concat!($family, " track-sc2"), KEY, $sections, $stops, version::$since, |a| {
                    track(a, Stage::$stage, 2)
                }),
                Keyword {
                    accepts: &[
                        concat!($family, " sc-inc-gpc0(1)"),
                        concat!($family, " sc-inc-gpc0 if TRUE"),
                    ],
                    refuses: &[
                        concat!($family, " sc-inc-gpc0(x)"),
                        concat!($family, " sc-inc-gpc0(0) 1"),
                    ],
                    ..row(
                        concat!($family, " sc-inc-gpc0()"), "[condition]", $sections, $stops, version::V1_8,
                        |a| change(a, Stage::$stage, |_| Ok(Change::IncGpc0)),
                    )
                },
                Keyword {
                    accepts: &[concat!($family, " sc-set-gpt0(1) 7 if TRUE")],
                    refuses: &[concat!($family, " sc-set-gpt0(0) x")],
                    ..row(
                        concat!($family, " sc-set-gpt0()"), "number [condition]", $sections, $stops, version::V1_8,
                        |a| change(a, Stage::$stage, new_value),
                    )
                },
            )*
        ];
    };
}

rows! {
    "tcp-request connection" Connection FL false V1_5;
    "tcp-request session" Session FL false V1_8;
    "tcp-request content" Content FLB false V1_5;
    "http-request" Request FLB true V1_5;
    "http-response" Response FLB false V1_8;
}

const KEY: &str = "key [table name] [condition]";

const fn row(
    name: &'static str,
    arguments: &'static str,
    sections: Sections,
    stops: bool,
    since: Version,
    parse: Parser,
) -> Keyword {
    Keyword {
        since,
        stops,
        arguments,
        ..Keyword::new(name, sections, parse)
    }
}

fn track(
    arguments: &mut Arguments<'_>,
    stage: Stage,
    counter: u8,
) -> Result<Statement, Diagnostic> {
    let word = arguments.require("what to track, as 'src'")?;
    let Some(mut key) = expression::parse(&word.bytes) else {
        return Err(arguments.bad(word, "a sample expression, as 'src' or 'hdr(host),lower'"));
    };
    while let Some(more) = arguments.peek().and_then(stick::converter_word) {
        key.converters.extend(more);
        arguments.next_word();
    }
    let table = match arguments.take("table") {
        Some(_) => Some(
            arguments
                .require("the name of a table after 'table'")?
                .clone(),
        ),
        None => None,
    };
    rule(
        arguments,
        stage,
        TrackingAction::Track {
            counter,
            key,
            span: word.span,
            table,
        },
    )
}

fn change(
    arguments: &mut Arguments<'_>,
    stage: Stage,
    read: fn(&mut Arguments<'_>) -> Result<Change, Diagnostic>,
) -> Result<Statement, Diagnostic> {
    let counter = counter(arguments)?;
    let change = read(arguments)?;
    rule(arguments, stage, TrackingAction::Change { counter, change })
}

/// The number in the parentheses of the action; 0 when there is none.
fn counter(arguments: &Arguments<'_>) -> Result<u8, Diagnostic> {
    let Some(word) = arguments.last_keyword_word() else {
        return Ok(0);
    };
    let bytes: &[u8] = &word.bytes;
    let inner = bytes
        .iter()
        .position(|b| *b == b'(')
        .map(|at| &bytes[at + 1..]);
    let Some(inner) = inner else {
        return Ok(0);
    };
    let mistake = || {
        Diagnostic::new(
            Code::BadValue,
            word.span,
            format!(
                "'{}' needs the number of what is tracked: 0, 1 or 2",
                word.shown()
            ),
        )
    };
    let inner = inner.strip_suffix(b")").ok_or_else(mistake)?;
    let number = match number::atol(inner) {
        _ if inner.is_empty() => 0,
        (number, true) => number,
        (_, false) => return Err(mistake()),
    };
    match u8::try_from(number) {
        Ok(counter) if counter < stored::COUNTERS => Ok(counter),
        _ if arguments.dialect == Dialect::Hapax => Err(mistake()),
        _ => Ok(u8::MAX),
    }
}

/// The value of `sc-set-gpt0`, as HAProxy reads it: nothing is 0, and what does not fit wraps.
fn new_value(arguments: &mut Arguments<'_>) -> Result<Change, Diagnostic> {
    let Some(word) = arguments.next_word() else {
        return match arguments.dialect {
            Dialect::V1_8 => Ok(Change::SetGpt0(0)),
            Dialect::V1_4 | Dialect::Hapax => Err(arguments.missing("a number")),
        };
    };
    match number::atol(&word.bytes) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the wrap is what HAProxy does"
        )]
        (value, true) => Ok(Change::SetGpt0(value as u32)),
        (_, false) => Err(arguments.bad(word, "a number")),
    }
}

fn rule(
    arguments: &mut Arguments<'_>,
    stage: Stage,
    action: TrackingAction,
) -> Result<Statement, Diagnostic> {
    Ok(Statement::Tracking(Box::new(TrackingRule {
        stage,
        action,
        condition: optional_condition(arguments)?,
    })))
}
