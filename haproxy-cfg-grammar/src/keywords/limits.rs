//! Numbers that limit something. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::{BACKEND, DFL, DLB, FRONTEND};
use crate::value::number;
use crate::{Statement, version};

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `maxconn`: connections of a frontend.
    Maxconn,
    /// `backlog`: connections that the system may keep waiting.
    Backlog,
    /// `rate-limit sessions`: new sessions per second.
    RateLimitSessions,
    /// `retries`: connection attempts after the first.
    Retries,
    /// `fullconn`: backend connections at which servers get their whole `maxconn`.
    Fullconn,
}

/// The family.
pub const LIMITS: &[Keyword] = &[
    Keyword {
        ignored_in: BACKEND,
        arguments: "integer",
        accepts: &["maxconn 2000"],
        refuses: &["maxconn"],
        ..Keyword::new("maxconn", DFL, |a| read(a, Limit::Maxconn))
    },
    Keyword {
        ignored_in: BACKEND,
        arguments: "integer",
        accepts: &["backlog 1024"],
        refuses: &["backlog"],
        ..Keyword::new("backlog", DFL, |a| read(a, Limit::Backlog))
    },
    Keyword {
        ignored_in: BACKEND,
        arguments: "integer",
        accepts: &["rate-limit sessions 100"],
        refuses: &["rate-limit sessions", "rate-limit sessions x"],
        ..Keyword::new("rate-limit sessions", DFL, rate_limit)
    },
    Keyword {
        ignored_in: FRONTEND,
        arguments: "integer",
        accepts: &["retries 3"],
        refuses: &["retries"],
        ..Keyword::new("retries", DLB, |a| read(a, Limit::Retries))
    },
    Keyword {
        ignored_in: FRONTEND,
        arguments: "integer",
        accepts: &["fullconn 10000"],
        refuses: &["fullconn"],
        ..Keyword::new("fullconn", DLB, |a| read(a, Limit::Fullconn))
    },
];

fn read(arguments: &mut Arguments<'_>, limit: Limit) -> Result<Statement, Diagnostic> {
    let value = arguments.lax_integer("a number")?;
    arguments.end(version::V1_8)?;
    Ok(Statement::Limit(limit, count(value)))
}

fn rate_limit(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("a number of sessions per second")?;
    let Some(value) = number::strtol(&word.bytes) else {
        return Err(Diagnostic::new(
            Code::BadValue,
            word.span,
            format!("'{}' is not a number of sessions per second", word.shown()),
        ));
    };
    arguments.end(version::V1_8)?;
    Ok(Statement::Limit(
        Limit::RateLimitSessions,
        u32::try_from(value.max(0)).unwrap_or(u32::MAX),
    ))
}

/// A count as HAProxy keeps it: negative numbers count as none.
pub(crate) fn count(value: i64) -> u32 {
    u32::try_from(number::to_int(value)).unwrap_or(0)
}
