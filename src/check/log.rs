//! What is said about the state of servers: the lines that monitoring scripts read.

use std::fmt::Write as _;

use haproxy_cfg_grammar::Dialect;

use super::report::Report;
use super::{Health, Status};
use crate::plan::{Role, Severity};

/// The proxy has no server left.
pub const EMERGENCY: Severity = Severity(0);
/// A server is lost.
pub const ALERT: Severity = Severity(1);
/// Something of this machine is missing.
pub const ERR: Severity = Severity(3);
/// All other news.
pub const NOTICE: Severity = Severity(5);

/// What has happened to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is up.
    Up,
    /// It is down.
    Down {
        /// It got no new clients any more.
        was_stopping: bool,
    },
    /// It is up and gets no new clients, as it has asked for.
    Stopping,
    /// It gets new clients again.
    Resumed,
    /// An administrator takes it out; it was in use, or not.
    Maintenance {
        /// It was up.
        was_up: bool,
    },
    /// An administrator takes it out while it is down (since 1.5).
    MaintenanceWhileDown,
    /// An administrator brings it back.
    Ready {
        /// It gets no new clients all the same.
        drained: bool,
        /// It is up.
        up: bool,
    },
    /// An administrator lets it get no new clients.
    Drain {
        /// It is up.
        up: bool,
    },
    /// It comes back from maintenance, and still gets no new clients.
    StillDrained,
    /// An administrator lets it get new clients again.
    Undrained {
        /// It is up.
        up: bool,
    },
}

/// Why.
#[derive(Clone, Copy, Debug)]
pub enum Reason<'a> {
    /// A check, or what `observe` has seen.
    Check(&'a Report),
    /// The same, and a line of its own has said so already.
    Said,
    /// The server that it tracks: backend and name.
    Tracked(&'a str, &'a str),
    /// Somebody on the statistics socket.
    Administrator,
    /// Somebody on the statistics page.
    Page,
    /// The same, with an action of 1.4 (since 1.5).
    OldPage,
}

/// What the line says about the backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Active servers that can be used.
    pub active: u32,
    /// Backup servers that can be used.
    pub backup: u32,
    /// Sessions on the server.
    pub sessions: u32,
    /// Requests that have left its queue, or come to it.
    pub requeued: u32,
    /// Requests that wait.
    pub waiting: u32,
}

/// A server by its names.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Of its backend.
    pub backend: &'a str,
    /// Its own.
    pub server: &'a str,
    /// It is a backup server.
    pub is_backup: bool,
}

/// The line about a change, and how urgent it is.
pub fn change(
    of: Named<'_>,
    news: News,
    reason: Reason<'_>,
    left: Left,
    dialect: Dialect,
) -> (Severity, String) {
    let v1_4 = dialect == Dialect::V1_4;
    let prefix = if of.is_backup { "Backup " } else { "" };
    let subject = match news {
        News::Stopping | News::Resumed if v1_4 => "Load-balancing on ",
        _ => "",
    };
    let mut line = format!("{subject}{prefix}Server {}/{}", of.backend, of.server);
    // Writing to a String cannot fail.
    let _ = match news {
        News::Stopping if v1_4 => write!(line, " is disabled"),
        News::Resumed if v1_4 => write!(line, " is enabled again"),
        News::Up | News::Resumed => write!(line, " is UP"),
        News::Down { .. } => write!(line, " is DOWN"),
        News::Stopping => write!(line, " is stopping"),
        News::Drain { .. } => write!(line, " enters drain state"),
        News::StillDrained => write!(line, " remains in forced drain mode"),
        News::Undrained { up: true } => write!(line, " is UP (leaving forced drain)"),
        News::Undrained { up: false } => write!(line, " is DOWN (leaving forced drain)"),
        News::MaintenanceWhileDown => write!(line, " was DOWN and now enters maintenance"),
        News::Maintenance { .. } if v1_4 => write!(line, " is DOWN for maintenance"),
        News::Maintenance { .. } => write!(line, " is going DOWN for maintenance"),
        News::Ready { .. } if v1_4 => write!(line, " is UP (leaving maintenance)"),
        News::Ready { drained, up } => write!(
            line,
            " is {}/{} (leaving forced maintenance)",
            if up { "UP" } else { "DOWN" },
            if drained { "DRAIN" } else { "READY" },
        ),
    };
    match reason {
        Reason::Check(report) => line += &words(report),
        Reason::Tracked(backend, server) => {
            let _ = write!(line, " via {backend}/{server}");
        }
        Reason::OldPage if v1_4 => {}
        Reason::OldPage => match news {
            News::Maintenance { .. } | News::MaintenanceWhileDown => {
                line += " ('disable' on stats page)";
            }
            News::Drain { .. } => line += " ('stop' on stats page)",
            _ => {}
        },
        Reason::Administrator | Reason::Page
            if !matches!(
                news,
                News::Up | News::Down { .. } | News::Stopping | News::Resumed
            ) => {}
        Reason::Administrator => line += ", changed from CLI",
        Reason::Page => line += ", changed from Web interface",
        Reason::Said => {}
    }
    line += ".";
    let running = if left.active == 0 && left.backup > 0 {
        " Running on backup."
    } else {
        ""
    };
    let (active, backup) = (left.active, left.backup);
    match news {
        News::Maintenance { .. } if v1_4 => {}
        News::Ready { .. }
        | News::MaintenanceWhileDown
        | News::StillDrained
        | News::Undrained { .. } => {}
        News::Down { .. } | News::Maintenance { .. } | News::Drain { up: false } => {
            let _ = write!(
                line,
                " {active} active and {backup} backup servers left.{running} {} sessions active, \
                 {} requeued, {} remaining in queue.",
                left.sessions, left.requeued, left.waiting
            );
        }
        News::Up | News::Stopping | News::Resumed | News::Drain { .. } => {
            let _ = write!(
                line,
                " {active} active and {backup} backup servers online.{running} {} sessions \
                 requeued, {} total in queue.",
                left.requeued, left.waiting
            );
        }
    }
    let severity = match news {
        News::Down {
            was_stopping: false,
        }
        | News::Maintenance { was_up: true } => ALERT,
        _ => NOTICE,
    };
    (severity, line)
}

/// The line of a connection that found no port to come from.
pub fn no_port(backend: &str) -> String {
    format!("Connect() failed for backend {backend}: no free ports.")
}

/// The line of a connection that cannot come from the address of `source`.
pub fn no_source(backend: &str, dialect: Dialect) -> String {
    let kind = if dialect == Dialect::V1_4 {
        "proxy"
    } else {
        "backend"
    };
    format!("Cannot bind to source address before connect() for {kind} {backend}.")
}

/// The line of a backend that has lost its last server.
pub fn none_left(backend: &str, role: Role) -> String {
    let word = if role == Role::Listen {
        "proxy"
    } else {
        "backend"
    };
    format!("{word} {backend} has no server available!")
}

/// Who was asked how a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The server itself.
    Server,
    /// Its agent.
    Agent,
}

/// `option log-health-checks`: the line about a check that has moved something. `after` is the
/// health that follows from it; a server that is `drained` by its weight is called so.
pub fn checked(
    of: Named<'_>,
    asked: Asked,
    report: &Report,
    after: &Health,
    drained: bool,
) -> String {
    let check = match asked {
        Asked::Server => "Health",
        Asked::Agent => "Agent",
    };
    let kind = if of.is_backup { "backup " } else { "" };
    let result = match report.status {
        Status::L7Conditional => "conditionally succeeded",
        status if status.passes() => "succeeded",
        _ => "failed",
    };
    let (step, of_steps, state) = if after.is_up() {
        let state = if drained { "DRAIN" } else { "UP" };
        (after.level - after.rise + 1, after.fall, state)
    } else {
        (after.level, after.rise, "DOWN")
    };
    format!(
        "{check} check for {kind}server {}/{} {result}{}, status: {step}/{of_steps} {state}.",
        of.backend,
        of.server,
        words(report)
    )
}

/// What a report says, as part of a line.
fn words(report: &Report) -> String {
    let mut text = format!(", reason: {}", report.status.words());
    if report.status.has_code() {
        let _ = write!(text, ", code: {}", report.code);
    }
    if !report.said.is_empty() {
        text += ", info: \"";
        encode(&report.said, &mut text);
        text += "\"";
    }
    if report.status != Status::Observed {
        let _ = write!(text, ", check duration: {}ms", report.duration_ms);
    }
    text
}

/// Bytes that would break the line, or mean something in it, are written as numbers.
fn encode(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        if (32..127).contains(byte) && !matches!(byte, b'<' | b'>' | b'"') {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "<{byte:02X}>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Named<'_> = Named {
        backend: "be",
        server: "a",
        is_backup: false,
    };

    fn left(active: u32, backup: u32) -> Left {
        Left {
            active,
            backup,
            ..Left::default()
        }
    }

    #[test]
    fn changes() {
        let report = Report {
            duration_ms: 1,
            ..Report::new(Status::L7Wrong).code(500).saying(b"Oops <1>")
        };
        let check = Reason::Check(&report);
        for (news, reason, left, dialect, wanted) in [
            (
                News::Down {
                    was_stopping: false,
                },
                check,
                left(0, 1),
                Dialect::V1_4,
                "<1>Server be/a is DOWN, reason: Layer7 wrong status, code: 500, info: \
                 \"Oops <3C>1<3E>\", check duration: 1ms. 0 active and 1 backup servers left. \
                 Running on backup. 0 sessions active, 0 requeued, 0 remaining in queue.",
            ),
            (
                News::Up,
                Reason::Tracked("x", "y"),
                left(1, 0),
                Dialect::V1_4,
                "<5>Server be/a is UP via x/y. 1 active and 0 backup servers online. 0 sessions \
                 requeued, 0 total in queue.",
            ),
            (
                News::Maintenance { was_up: true },
                Reason::Administrator,
                left(0, 0),
                Dialect::V1_4,
                "<1>Server be/a is DOWN for maintenance.",
            ),
            (
                News::Ready {
                    drained: false,
                    up: true,
                },
                Reason::Administrator,
                left(1, 0),
                Dialect::V1_8,
                "<5>Server be/a is UP/READY (leaving forced maintenance).",
            ),
        ] {
            let (severity, line) = change(A, news, reason, left, dialect);
            assert_eq!(format!("<{}>{line}", severity.0), wanted);
        }
    }

    #[test]
    fn single_checks() {
        let mut health = Health::new(2, 2);
        health.pass(false);
        let report = Report::new(Status::L4Ok);
        let line = checked(A, Asked::Server, &report, &health, false);
        assert_eq!(
            line,
            "Health check for server be/a succeeded, reason: Layer4 check passed, check duration: \
             0ms, status: 2/2 UP."
        );
    }
}
