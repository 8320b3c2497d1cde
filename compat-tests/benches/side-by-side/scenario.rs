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
    /// `option splice-response`.
    pub(crate) splice: bool,
}

/// What the proxy is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    KeepAlive,
    /// Server connections are shared, where the release can.
    Reuse,
    ServerClose,
    ForcedClose,
    /// Everything that a busy configuration does to a request.
    Headers,
    Tcp,
    /// Keep-alive connections that have had one request and wait.
    Idle,
}

/// What most scenarios have in common.
const SMALL: Scenario = Scenario {
    name: "",
    about: "",
    mode: Mode::KeepAlive,
    clients: 64,
    body: 100,
    rules: 0,
    splice: false,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "keep-alive",
        about: "64 clients, small responses, both connections kept, each server connection for one client",
        ..SMALL
    },
    Scenario {
        name: "keep-alive-reuse",
        about: "64 clients, small responses, both connections kept, server connections shared",
        mode: Mode::Reuse,
        ..SMALL
    },
    Scenario {
        name: "server-close",
        about: "64 clients, small responses, a server connection per request",
        mode: Mode::ServerClose,
        ..SMALL
    },
    Scenario {
        name: "forced-close",
        about: "64 clients, small responses, two connections per request",
        mode: Mode::ForcedClose,
        ..SMALL
    },
    Scenario {
        name: "headers",
        about: "64 clients, 40 headers, 10 ACLs, rewriting, a cookie, a log line, a server connection per request",
        mode: Mode::Headers,
        ..SMALL
    },
    Scenario {
        name: "rules-10",
        about: "64 clients, both connections kept, 10 use_backend rules of which the last applies",
        rules: 10,
        ..SMALL
    },
    Scenario {
        name: "rules-1000",
        about: "64 clients, both connections kept, 1,000 use_backend rules of which the last applies",
        rules: 1000,
        ..SMALL
    },
    Scenario {
        name: "rules-10000",
        about: "64 clients, both connections kept, 10,000 use_backend rules of which the last applies",
        rules: 10_000,
        ..SMALL
    },
    Scenario {
        name: "sites-10000",
        about: "64 clients, both connections kept, 100 hosts with 100 paths each, a use_backend rule for each of both",
        rules: 10_000,
        ..SMALL
    },
    Scenario {
        name: "tcp-relay",
        about: "64 clients, small responses, bytes relayed unseen",
        mode: Mode::Tcp,
        ..SMALL
    },
    Scenario {
        name: "bodies-1m",
        about: "8 clients, responses of 1 MiB, both connections kept",
        clients: 8,
        body: 1 << 20,
        ..SMALL
    },
    Scenario {
        name: "bodies-1m-splice",
        about: "8 clients, responses of 1 MiB, both connections kept, option splice-response",
        clients: 8,
        body: 1 << 20,
        splice: true,
        ..SMALL
    },
    Scenario {
        name: "bodies-64m",
        about: "4 clients, responses of 64 MiB, both connections kept",
        clients: 4,
        body: 64 << 20,
        ..SMALL
    },
    Scenario {
        name: "bodies-64m-splice",
        about: "4 clients, responses of 64 MiB, both connections kept, option splice-response",
        clients: 4,
        body: 64 << 20,
        splice: true,
        ..SMALL
    },
    Scenario {
        name: "idle",
        about: "5,000 kept connections that wait for their next request, server connections shared",
        mode: Mode::Idle,
        clients: 5_000,
        ..SMALL
    },
];

impl Scenario {
    /// Whether a relay that moves small messages, and leaves connections as they are, does all that is
    /// asked.
    pub(crate) fn suits_relay(&self) -> bool {
        matches!(self.mode, Mode::KeepAlive | Mode::Tcp)
            && self.rules == 0
            && self.body <= SMALL.body
    }

    /// Whether connections are kept and messages small, so that whoever asks and answers could cost more
    /// than the proxy.
    pub(crate) fn suits_crowd(&self) -> bool {
        matches!(self.mode, Mode::KeepAlive | Mode::Reuse | Mode::Tcp) && self.body <= SMALL.body
    }

    /// The bytes of a request.
    pub(crate) fn request(&self) -> Vec<u8> {
        let mut text = String::from("GET /index.html HTTP/1.1\r\nHost: www.example.test\r\n");
        text.push_str("User-Agent: side-by-side\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n");
        if self.mode == Mode::Headers {
            for n in 0..35 {
                text.push_str(&format!("X-Test-{n}: some value {n} of a usual length\r\n"));
            }
            text.push_str("Cookie: lang=en; SESSIONID=abcdef0123456789; theme=dark\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// The configuration, in the words of a release.
    pub(crate) fn configuration(&self, kind: Kind, ports: Ports) -> String {
        let threads = match kind {
            Kind::Haproxy {
                major: 1,
                minor: 0..8,
            } => "",
            Kind::Haproxy { .. } | Kind::Hapax => "    nbthread 1\n",
        };
        let (mode, option) = match self.mode {
            Mode::Tcp => ("tcp", ""),
            Mode::ServerClose | Mode::Headers => ("http", "    option http-server-close\n"),
            Mode::ForcedClose => ("http", forced_close(kind)),
            Mode::KeepAlive => ("http", keep_alive(kind, false)),
            Mode::Reuse | Mode::Idle => ("http", keep_alive(kind, true)),
        };
        let splice = if self.splice {
            "    option splice-response\n"
        } else {
            ""
        };
        // No more than is needed: pipes and sockets are reserved for as many.
        let maxconn = if self.mode == Mode::Idle { 9000 } else { 2000 };
        let Ports {
            proxy,
            origin,
            syslog,
        } = ports;
        let (log, front, back) = match self.mode {
            Mode::Headers => (
                format!("    log 127.0.0.1:{syslog} local0\n"),
                heavy_rules(kind),
                "    cookie SRV insert indirect nocache\n",
            ),
            _ => (String::new(), self.rules(), ""),
        };
        format!(
            "global\n    maxconn {maxconn}\n{threads}{log}\
             defaults\n    mode {mode}\n{option}{splice}    timeout connect 5s\n    timeout client 60s\n    \
             timeout server 60s\n\
             frontend www\n    bind 127.0.0.1:{proxy}\n    maxconn {maxconn}\n{front}    default_backend app\n\
             backend app\n{back}    server s1 127.0.0.1:{origin} cookie s1\n\
             backend other\n    server s1 127.0.0.1:{origin}\n"
        )
    }
}

/// Where everybody listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) proxy: u16,
    pub(crate) origin: u16,
    /// Where log lines go; nobody reads them.
    pub(crate) syslog: u16,
}

/// Both connections are kept. Earlier than 1.5 there is the tunnel, which keeps them in its way.
fn keep_alive(kind: Kind, shared: bool) -> &'static str {
    match (kind, shared) {
        (
            Kind::Haproxy {
                major: 1,
                minor: 0..5,
            },
            _,
        ) => "",
        (Kind::Haproxy { major: 1, minor: 5 }, _) => "    option http-keep-alive\n",
        (_, true) => "    option http-keep-alive\n    http-reuse always\n",
        (_, false) => "    option http-keep-alive\n    http-reuse never\n",
    }
}

/// Ten ACLs of different kinds, none of which applies, and edits of both heads.
fn heavy_rules(kind: Kind) -> String {
    let edits = match kind {
        // The words of 1.4 mean the same to hapax; where they went away, later ones took over.
        Kind::Hapax
        | Kind::Haproxy {
            major: 1,
            minor: 0..5,
        } => {
            "    block if a5\n    reqirep ^X-Test-7:.* X-Test-7:\\ rewritten\n    \
             reqidel ^X-Test-9:\n    reqadd X-Proto:\\ http\n    rspirep ^Server:.* Server:\\ edge\n"
        }
        Kind::Haproxy { .. } => {
            "    http-request deny if a5\n    http-request replace-header X-Test-7 ^.*$ rewritten\n    \
             http-request del-header X-Test-9\n    http-request set-header X-Proto http\n    \
             http-response replace-header Server ^.*$ edge\n"
        }
    };
    format!(
        "    log global\n    option httplog\n    option forwardfor\n    \
         acl a1 path_beg /static /images /js /css\n    acl a2 path_end .php .cgi .asp\n    \
         acl a3 hdr(host) -i www.one.test www.two.test\n    \
         acl a4 hdr_beg(user-agent) -i badbot scraper\n    \
         acl a5 src 192.0.2.0/24 198.51.100.0/24\n    acl a6 hdr_sub(cookie) SESSIONID=expired\n    \
         acl a7 path_reg ^/old/[a-z]+/[0-9]+$\n    acl a8 hdr_dom(host) -i internal.test\n    \
         acl a9 hdr_cnt(x-test-1) gt 3\n    acl a10 method PUT DELETE\n{edits}    \
         use_backend other if a1 or a2\n    use_backend other if a3 a4\n    \
         use_backend other if a6 or a7 or a8\n    use_backend other if a9 or a10\n"
    )
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
