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
    /// `use_backend` rules before the one that applies, that one included.
    pub(crate) rules: usize,
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
        rules: 0,
    },
    Scenario {
        name: "server-close",
        about: "64 clients, small responses, a server connection per request",
        mode: Mode::ServerClose,
        clients: 64,
        body: 100,
        rules: 0,
    },
    Scenario {
        name: "forced-close",
        about: "64 clients, small responses, two connections per request",
        mode: Mode::ForcedClose,
        clients: 64,
        body: 100,
        rules: 0,
    },
    Scenario {
        name: "rules-10",
        about: "64 clients, both connections kept, 10 use_backend rules of which the last applies",
        mode: Mode::KeepAlive,
        clients: 64,
        body: 100,
        rules: 10,
    },
    Scenario {
        name: "rules-1000",
        about: "64 clients, both connections kept, 1,000 use_backend rules of which the last applies",
        mode: Mode::KeepAlive,
        clients: 64,
        body: 100,
        rules: 1000,
    },
    Scenario {
        name: "rules-10000",
        about: "64 clients, both connections kept, 10,000 use_backend rules of which the last applies",
        mode: Mode::KeepAlive,
        clients: 64,
        body: 100,
        rules: 10_000,
    },
    Scenario {
        name: "sites-10000",
        about: "64 clients, both connections kept, 100 hosts with 100 paths each, a use_backend rule for each of both",
        mode: Mode::KeepAlive,
        clients: 64,
        body: 100,
        rules: 10_000,
    },
    Scenario {
        name: "tcp-relay",
        about: "64 clients, small responses, bytes relayed unseen",
        mode: Mode::Tcp,
        clients: 64,
        body: 100,
        rules: 0,
    },
    Scenario {
        name: "bodies-1m",
        about: "16 clients, responses of 1 MiB, both connections kept",
        mode: Mode::KeepAlive,
        clients: 16,
        body: 1 << 20,
        rules: 0,
    },
    Scenario {
        name: "bodies-64m",
        about: "4 clients, responses of 64 MiB, both connections kept",
        mode: Mode::KeepAlive,
        clients: 4,
        body: 64 << 20,
        rules: 0,
    },
    Scenario {
        name: "idle",
        about: "5,000 kept connections that wait for their next request",
        mode: Mode::Idle,
        clients: 5_000,
        body: 100,
        rules: 0,
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
        let rules = self.rules();
        format!(
            "global\n    maxconn 9000\n{threads}\
             defaults\n    mode {mode}\n{option}    timeout connect 5s\n    timeout client 60s\n    \
             timeout server 60s\n\
             frontend www\n    bind 127.0.0.1:{port}\n    maxconn 9000\n{rules}    default_backend app\n\
             backend app\n    server s1 127.0.0.1:{origin}\n"
        )
    }
}

impl Scenario {
    /// Rules on the host, on the path and on what the path begins with, in turns. Only the last one
    /// fits the request.
    fn rules(&self) -> String {
        let sites = self.name.starts_with("sites");
        let others = (1..self.rules).map(|n| match n % 3 {
            _ if sites => {
                let (host, path) = (n % 100, n / 100);
                let host = if host == 0 {
                    "www".to_owned()
                } else {
                    format!("site-{host}")
                };
                format!("hdr(host) -i {host}.example.test }} {{ path_beg /part-{path}/")
            }
            0 => format!("hdr(host) host-{n}.example.test"),
            1 => format!("path /page-{n}.html"),
            _ => format!("path_beg /part-{n}/"),
        });
        let last = (self.rules > 0).then(|| "path_beg /index".to_owned());
        others
            .chain(last)
            .map(|test| format!("    use_backend app if {{ {test} }}\n"))
            .collect()
    }
}

/// In 2.0 `forceclose` went away and `httpclose` took its meaning.
fn forced_close(kind: Kind) -> &'static str {
    match kind {
        Kind::Haproxy { major: 2.., .. } => "    option httpclose\n",
        Kind::Haproxy { .. } | Kind::Hapax => "    option forceclose\n",
    }
}
