//! What the log says of a transaction.

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::Transaction;
use crate::engine::session::{Line, Session, Written, millis};
use crate::log::line::HttpCaptures;
use crate::log::{Counts, HttpPart, Termination, Timers};
use crate::plan::LogFormat;

/// When the steps of a transaction were reached.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    /// The request was complete.
    pub(crate) received: Option<Instant>,
    /// The client was held by a tarpit.
    pub(crate) held: Option<Instant>,
    /// A server was chosen and had room.
    pub(crate) assigned: Option<Instant>,
    /// The server accepted.
    pub(crate) connected: Option<Instant>,
    /// The response head was complete.
    pub(crate) answered: Option<Instant>,
}

impl Timing {
    /// `Tw` in milliseconds.
    pub(crate) fn queue(&self, session: &Session) -> i64 {
        let from = self.received.unwrap_or(session.started);
        since(Some(from), self.assigned)
    }

    /// `Tc` in milliseconds.
    pub(crate) fn connect(&self) -> i64 {
        since(self.assigned, self.connected)
    }
}

/// How many headers of request and response the frontend captures.
fn captured_headers(session: &Session) -> (usize, usize) {
    let captures = &session.proxy().captures;
    (
        captures.request_headers.len(),
        captures.response_headers.len(),
    )
}

fn since(from: Option<Instant>, to: Option<Instant>) -> i64 {
    match (from, to) {
        (Some(from), Some(to)) => millis(to.saturating_duration_since(from)),
        _ => -1,
    }
}

impl Transaction {
    /// Attempts after the first. Since 1.5 a request for which no server was asked shows how many
    /// there could have been.
    pub(crate) fn logged_retries(&self, session: &Session) -> u32 {
        let backend = session.backend();
        if self.connecting || session.generation.plan.dialect == Dialect::V1_4 {
            self.retries
        } else if backend.role.is_backend() && !backend.disabled {
            backend.retries
        } else {
            0
        }
    }

    /// `option logasap`: the line is written when the response begins.
    pub(super) fn log_early(&mut self, session: &Session, head: u64) {
        if self.logged || self.status < 200 {
            return;
        }
        self.logged = self.log_bytes(session, Termination::default(), Written::Early, head);
    }

    /// The line of a transaction that has ended, unless it was written early.
    pub(super) fn log(&self, session: &Session, termination: Termination, moment: Written) {
        self.log_bytes(session, termination, moment, self.down.read);
    }

    /// `false` when the line was left out as ordinary.
    fn log_bytes(
        &self,
        session: &Session,
        termination: Termination,
        moment: Written,
        bytes: u64,
    ) -> bool {
        let wants = &session.proxy().log_format;
        if *wants == LogFormat::Default || self.logged {
            return true;
        }
        let termination = match session.marked {
            Some(marked) if termination.is_normal() => marked,
            _ => termination,
        };
        let timing = &self.timing;
        let line = Line {
            server: self.server_name(),
            timers: Timers {
                request: since(Some(session.started), timing.received),
                queue: since(timing.received.or(timing.held), timing.assigned),
                connect: timing.connect(),
                response: since(timing.connected, timing.answered),
                total: session.elapsed(session.worker.now()),
            },
            bytes,
            termination,
            counts: Counts {
                server_queue: self.queued.0,
                backend_queue: self.queued.1,
                ..session.counts(moment, self.server.as_deref())
            },
            retries: self.logged_retries(session),
            redispatched: self.redispatched,
            http: Some(HttpPart {
                status: self.status,
                cookie_letters: self.cookie_letters(session),
                captured: HttpCaptures {
                    request_cookie: &self.captured.request_cookie,
                    response_cookie: &self.captured.response_cookie,
                    request_headers: &self.captured.request_headers,
                    response_headers: &self.captured.response_headers,
                    wanted: captured_headers(session),
                },
                request: (!self.request_line.is_empty()).then_some(&self.request_line[..]),
            }),
        };
        session.log(&line)
    }
}
