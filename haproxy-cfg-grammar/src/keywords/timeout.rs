//! Inactivity timeouts. Manual 1.4, section 4.2, "timeout client" and following.

use crate::Statement;
use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::{Keyword, Parser};
use crate::section::{BACKEND, DFL, DFLB, DLB, FRONTEND, Sections};
use crate::version;

/// Which timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// `timeout client`
    Client,
    /// `timeout server`
    Server,
    /// `timeout connect`
    Connect,
    /// `timeout queue`
    Queue,
    /// `timeout check`
    Check,
    /// `timeout tarpit`
    Tarpit,
    /// `timeout http-request`
    HttpRequest,
    /// `timeout http-keep-alive`
    HttpKeepAlive,
    /// `timeout tunnel` (1.5 and later)
    Tunnel,
    /// `timeout client-fin` (1.5 and later)
    ClientFin,
    /// `timeout server-fin` (1.5 and later)
    ServerFin,
}

const fn timer(
    name: &'static str,
    sections: Sections,
    ignored: Sections,
    parse: Parser,
) -> Keyword {
    Keyword {
        ignored_in: ignored,
        arguments: "time",
        ..Keyword::new(name, sections, parse)
    }
}

const fn old(base: Keyword, instead: &'static str) -> Keyword {
    Keyword {
        instead: Some(instead),
        warned_since: version::V1_5,
        ..base
    }
}

const NONE: Sections = crate::section::NOWHERE;

/// The family.
pub const TIMEOUT: &[Keyword] = &[
    Keyword {
        accepts: &["timeout client 5000", "timeout client 50s"],
        refuses: &["timeout client", "timeout client 5x"],
        ..timer("timeout client", DFL, BACKEND, |a| read(a, Timer::Client))
    },
    Keyword {
        accepts: &["timeout server 1m"],
        refuses: &["timeout server -1s"],
        ..timer("timeout server", DLB, FRONTEND, |a| read(a, Timer::Server))
    },
    Keyword {
        accepts: &["timeout connect 5s"],
        refuses: &["timeout connect"],
        ..timer("timeout connect", DLB, FRONTEND, |a| {
            read(a, Timer::Connect)
        })
    },
    Keyword {
        accepts: &["timeout queue 30s"],
        refuses: &["timeout queue x"],
        ..timer("timeout queue", DLB, FRONTEND, |a| read(a, Timer::Queue))
    },
    Keyword {
        accepts: &["timeout check 2s"],
        refuses: &["timeout check .5s"],
        ..timer("timeout check", DLB, FRONTEND, |a| read(a, Timer::Check))
    },
    Keyword {
        accepts: &["timeout tarpit 10s"],
        refuses: &["timeout tarpit"],
        ..timer("timeout tarpit", DFLB, NONE, |a| read(a, Timer::Tarpit))
    },
    Keyword {
        accepts: &["timeout http-request 10s"],
        refuses: &["timeout http-request"],
        ..timer("timeout http-request", DFLB, NONE, |a| {
            read(a, Timer::HttpRequest)
        })
    },
    Keyword {
        accepts: &["timeout http-keep-alive 15s"],
        refuses: &["timeout http-keep-alive x"],
        ..timer("timeout http-keep-alive", DFLB, NONE, |a| {
            read(a, Timer::HttpKeepAlive)
        })
    },
    Keyword {
        since: version::V1_5,
        accepts: &["timeout tunnel 1h"],
        refuses: &["timeout tunnel"],
        ..timer("timeout tunnel", DLB, FRONTEND, |a| read(a, Timer::Tunnel))
    },
    Keyword {
        since: version::V1_5,
        accepts: &["timeout client-fin 30s"],
        refuses: &["timeout client-fin"],
        ..timer("timeout client-fin", DFL, BACKEND, |a| {
            read(a, Timer::ClientFin)
        })
    },
    Keyword {
        since: version::V1_5,
        accepts: &["timeout server-fin 30s"],
        refuses: &["timeout server-fin"],
        ..timer("timeout server-fin", DLB, FRONTEND, |a| {
            read(a, Timer::ServerFin)
        })
    },
    // The spellings of 1.2 and 1.3. 1.4 takes them silently, 1.5 to 2.0 with a warning.
    Keyword {
        accepts: &["timeout clitimeout 5000"],
        refuses: &["timeout clitimeout"],
        ..old(
            timer("timeout clitimeout", DFL, BACKEND, |a| {
                read(a, Timer::Client)
            }),
            "timeout client",
        )
    },
    Keyword {
        accepts: &["timeout srvtimeout 5000"],
        refuses: &["timeout srvtimeout"],
        ..old(
            timer("timeout srvtimeout", DLB, FRONTEND, |a| {
                read(a, Timer::Server)
            }),
            "timeout server",
        )
    },
    Keyword {
        accepts: &["timeout contimeout 5000"],
        refuses: &["timeout contimeout"],
        ..old(
            timer("timeout contimeout", DLB, FRONTEND, |a| {
                read(a, Timer::Connect)
            }),
            "timeout connect",
        )
    },
    Keyword {
        accepts: &["clitimeout 5000"],
        refuses: &["clitimeout"],
        ..old(
            timer("clitimeout", DFL, BACKEND, |a| read(a, Timer::Client)),
            "timeout client",
        )
    },
    Keyword {
        accepts: &["srvtimeout 5000"],
        refuses: &["srvtimeout"],
        ..old(
            timer("srvtimeout", DLB, FRONTEND, |a| read(a, Timer::Server)),
            "timeout server",
        )
    },
    Keyword {
        accepts: &["contimeout 5000"],
        refuses: &["contimeout"],
        ..old(
            timer("contimeout", DLB, FRONTEND, |a| read(a, Timer::Connect)),
            "timeout connect",
        )
    },
];

fn read(arguments: &mut Arguments<'_>, timer: Timer) -> Result<Statement, Diagnostic> {
    let time = arguments.milliseconds("a time")?;
    arguments.end(version::V1_5)?;
    Ok(Statement::Timeout(timer, time))
}
