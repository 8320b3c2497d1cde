//! What is measured.

use crate::contender::Kind;

/// One way of using a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) mode: Mode,
    /// Clients at once.
    pub(crate) clients: usize,
    /// Size of a response's body in bytes.
    pub(crate) body: usize,
}

/// What the proxy is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    KeepAlive,
    ServerClose,
    ForcedClose,
    Tcp,
    /// Keep-alive connections that have had one request and wait.
    Idle,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "keep-alive",
        about: "64 clients, small responses, both connections kept",
        mode: Mode::KeepAlive,
        clients: 64,
        body: 100,
    },
    Scenario {
        name: "server-close",
        about: "64 clients, small responses, a server connection per request",
        mode: Mode::ServerClose,
        clients: 64,
        body: 100,
    },
    Scenario {
        name: "forced-close",
        about: "64 clients, small responses, two connections per request",
        mode: Mode::ForcedClose,
        clients: 64,
        body: 100,
    },
    Scenario {
        name: "tcp-relay",
        about: "64 clients, small responses, bytes relayed unseen",
        mode: Mode::Tcp,
        clients: 64,
        body: 100,
    },
    Scenario {
        name: "bodies-1m",
        about: "16 clients, responses of 1 MiB, both connections kept",
        mode: Mode::KeepAlive,
        clients: 16,
        body: 1 << 20,
    },
    Scenario {
        name: "bodies-64m",
        about: "4 clients, responses of 64 MiB, both connections kept",
        mode: Mode::KeepAlive,
        clients: 4,
        body: 64 << 20,
    },
    Scenario {
        name: "idle",
        about: "5,000 kept connections that wait for their next request",
        mode: Mode::Idle,
        clients: 5_000,
        body: 100,
    },
];

impl Scenario {
    /// The configuration, in the words of a release.
    pub(crate) fn configuration(&self, kind: Kind, port: u16, origin: u16) -> String {
        let threads = match kind {
            Kind::Haproxy {
                major: 1,
                minor: 0..8,
            } => "",
            Kind::Haproxy { .. } | Kind::Hapax => "    nbthread 1\n",
        };
        let (mode, option) = match self.mode {
            Mode::Tcp => ("tcp", ""),
            Mode::ServerClose => ("http", "    option http-server-close\n"),
            Mode::ForcedClose => ("http", forced_close(kind)),
            // Earlier than 1.5 there is the tunnel, which keeps connections in its way.
            Mode::KeepAlive | Mode::Idle => match kind {
                Kind::Haproxy {
                    major: 1,
                    minor: 0..5,
                } => ("http", ""),
                Kind::Haproxy { .. } | Kind::Hapax => ("http", "    option http-keep-alive\n"),
            },
        };
        format!(
            "global\n    maxconn 9000\n{threads}\
             defaults\n    mode {mode}\n{option}    timeout connect 5s\n    timeout client 60s\n    \
             timeout server 60s\n\
             frontend www\n    bind 127.0.0.1:{port}\n    maxconn 9000\n    default_backend app\n\
             backend app\n    server s1 127.0.0.1:{origin}\n"
        )
    }
}

/// In 2.0 `forceclose` went away and `httpclose` took its meaning.
fn forced_close(kind: Kind) -> &'static str {
    match kind {
        Kind::Haproxy { major: 2.., .. } => "    option httpclose\n",
        Kind::Haproxy { .. } | Kind::Hapax => "    option forceclose\n",
    }
}
