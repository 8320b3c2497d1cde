//! Debug mode: what happens to sessions, on standard output.
//!
//! Outside of debug mode there is no [`Trace`], and a step costs the look that finds none. In it
//! whoever reads the trace holds traffic up when it is slow, as with HAProxy: nothing is left out.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU32, Ordering};

use haproxy_cfg_grammar::Dialect;

use super::session::Session;
use crate::http1::Head;
use crate::log::trace::{End, Prefix};

/// The trace of a process.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// The number of the next session.
    next: AtomicU32,
}

impl Trace {
    /// A number for a session: they are counted as they begin.
    pub(crate) fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Prints lines together.
    pub(crate) fn print(&self, lines: &[u8]) {
        let mut rest = lines;
        while let Ok(written) = rustix::io::write(rustix::stdio::stdout(), rest)
            && written < rest.len()
        {
            rest = &rest[written..];
        }
    }
}

/// A client of a statistics socket. The trace shows its end when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketClient<'a> {
    trace: &'a Trace,
    prefix: Prefix<'static>,
}

impl Trace {
    /// Shows a client of a statistics socket. 1.4 does not show where it has come from.
    pub(crate) fn greet(
        &self,
        dialect: Dialect,
        (listening, client): (i32, i32),
        from: &From,
    ) -> SocketClient<'_> {
        let later = dialect != Dialect::V1_4;
        let prefix = Prefix {
            dialect,
            number: self.number(),
            section: "GLOBAL",
            client: End::Closed(client),
            server: End::None,
        };
        if later {
            self.print(&prefix.accepted(listening, from));
        }
        SocketClient {
            trace: self,
            prefix,
        }
    }
}

impl Drop for SocketClient<'_> {
    fn drop(&mut self) {
        let steps = ["srvcls", "clicls", "closed"];
        let lines = steps.map(|step| self.prefix.step(step));
        self.trace.print(&lines.concat());
    }
}

/// Who has connected: an address, or since 1.5 the number of a Unix socket.
#[derive(Debug)]
pub(crate) enum From {
    /// An address.
    Address(SocketAddr),
    /// A Unix socket, the how manieth of its section.
    Unix(u32),
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{}:{}", address.ip(), address.port()),
            Self::Unix(number) => write!(f, "unix:{number}"),
        }
    }
}

/// A step of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// It begins.
    Accepted,
    /// It goes on after a response. Since 1.5 that is another session.
    Again,
    /// The head of a request or of a response has come, or what could be understood of it.
    Head(&'a Head, &'a [u8]),
    /// The proxy answers itself, in the place of a server.
    OwnAnswer(&'a [u8]),
    /// The connection to the server ends.
    ServerClosed,
    /// The session ends.
    Closed {
        /// A server was connected to, or at least tried, for what was served last.
        tried: bool,
    },
}

impl Session {
    /// Shows a step in debug mode.
    #[inline]
    pub(crate) fn trace(&self, step: Step<'_>) {
        if let Some(trace) = &self.worker.shared.trace {
            self.show(trace, step);
        }
    }

    #[cold]
    fn show(&self, trace: &Trace, step: Step<'_>) {
        let dialect = self.generation.plan.dialect;
        let later = dialect != Dialect::V1_4;
        let known = &self.card.traced;
        if matches!(step, Step::Accepted) || later && matches!(step, Step::Again) {
            known.number.set(trace.number());
        }
        let client = self.card.descriptor();
        if matches!(step, Step::Again) {
            known.tried.set(None);
        }
        let server = self
            .server
            .as_ref()
            .map(|link| link.side.socket.fd().as_raw_fd());
        let prefix = Prefix {
            dialect,
            number: known.number.get(),
            section: &self.backend().name,
            client: End::Open(client),
            server: server.map_or(End::None, End::Open),
        };
        let lines = match step {
            Step::Again => return,
            Step::Accepted => {
                let listener = self.proxy().listeners.get(self.listener);
                let unix = From::Unix(listener.map_or(0, |listener| listener.numeric_id));
                let from = self.peer.map_or(unix, From::Address);
                prefix.accepted(known.listening, &from)
            }
            Step::Head(head, bytes) => prefix.head(head, bytes),
            Step::OwnAnswer(message) => prefix.own_answer(message),
            Step::ServerClosed => Prefix {
                server: server.map_or(End::None, End::Closed),
                ..prefix
            }
            .step("srvcls"),
            Step::Closed { tried } => {
                let gone = known.tried.get().filter(|_| tried);
                let server = server.or(gone);
                let prefix = Prefix {
                    client: End::Closed(client),
                    server: server.map_or(End::None, End::Closed),
                    ..prefix
                };
                [prefix.step("clicls"), prefix.step("closed")].concat()
            }
        };
        trace.print(&lines);
    }
}
