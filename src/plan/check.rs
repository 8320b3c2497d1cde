//! Health checks. Manual 1.4, section 4.2 "option httpchk" and following, section 5.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use haproxy_cfg_grammar::keywords::check::Expect;
pub use haproxy_cfg_grammar::keywords::server::{Observe, OnError};
use serde::Serialize;

use super::{ByteString, ProxyHeader, ProxyId, ServerId, UnixAddress};

/// How the servers of a proxy are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckSettings {
    /// With what.
    pub method: CheckMethod,
    /// `http-check disable-on-404`.
    pub disable_on_404: bool,
    /// `http-check send-state`.
    pub send_state: bool,
    /// `http-check expect`.
    pub expect: Option<CheckExpect>,
    /// `tcp-check` rules, in file order.
    pub script: Vec<CheckStep>,
}

/// What is sent, and what is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckMethod {
    /// A connection is enough.
    #[default]
    Connect,
    /// `option httpchk`: this request, without its end.
    Http {
        /// `OPTIONS / HTTP/1.0` by default, line end included.
        request: ByteString,
    },
    /// `option ssl-hello-chk`.
    SslHello,
    /// `option smtpchk`: this greeting, line end included.
    Smtp {
        /// `HELO localhost` by default.
        hello: ByteString,
    },
    /// `option mysql-check`.
    Mysql {
        /// The user to log in as.
        user: Option<ByteString>,
        /// As a client of MySQL 4.1 or later does.
        post_41: bool,
    },
    /// `option pgsql-check`.
    Pgsql {
        /// The user to log in as.
        user: ByteString,
    },
    /// `option redis-check`.
    Redis,
    /// `option ldap-check`.
    Ldap,
    /// `option tcp-check`: by the rules of [`CheckSettings::script`]; without any, a connection is
    /// enough.
    Tcp,
}

/// A `tcp-check` rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStep {
    /// `connect`
    Connect {
        /// `port`, instead of the usual one.
        port: Option<u16>,
    },
    /// `send`, `send-binary`
    Send(ByteString),
    /// `expect`
    Expect {
        /// `!`
        negated: bool,
        /// For what.
        pattern: StepPattern,
    },
    /// `comment`: shown when the next rule fails.
    Comment(ByteString),
}

/// What `tcp-check expect` looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepPattern {
    /// `string`
    Text(ByteString),
    /// `rstring`
    Regex(ByteString),
    /// `binary`
    Binary(ByteString),
}

/// `http-check expect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckExpect {
    /// `!`
    pub negated: bool,
    /// Where to look, and how.
    pub kind: Expect,
    /// For what.
    pub pattern: ByteString,
}

/// `check` of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerCheck {
    /// `inter`: between checks. Default 2 s.
    pub inter: Duration,
    /// `fastinter`: while the state is changing; falls back to `inter`.
    pub fastinter: Option<Duration>,
    /// `downinter`: while it is down; falls back to `inter`.
    pub downinter: Option<Duration>,
    /// `rise`: successes until it is up. Default 2.
    pub rise: u32,
    /// `fall`: failures until it is down. Default 3.
    pub fall: u32,
    /// `addr`: another address to check.
    pub addr: Option<IpAddr>,
    /// `addr` when it is a Unix socket (1.5 and later).
    pub socket: Option<Arc<UnixAddress>>,
    /// `port`, or the server's, or the one of the first listener.
    pub port: u16,
    /// The header that comes first (1.5 and later).
    pub send_proxy: Option<ProxyHeader>,
}

impl Default for ServerCheck {
    fn default() -> Self {
        Self {
            inter: Duration::from_secs(2),
            fastinter: None,
            downinter: None,
            rise: 2,
            fall: 3,
            addr: None,
            socket: None,
            port: 0,
            send_proxy: None,
        }
    }
}

/// `agent-check`: a program on the server that says how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// `agent-port`
    pub port: u16,
    /// `agent-addr`, or the server's.
    pub addr: Option<IpAddr>,
    /// `agent-inter`. Default 2 s.
    pub inter: Duration,
    /// `agent-send`: said to it first.
    pub send: ByteString,
}

/// `observe`, `error-limit`, `on-error` of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrafficCheck {
    /// `observe`.
    pub observe: Observe,
    /// `error-limit`: errors in a row. Default 10.
    pub error_limit: u32,
    /// `on-error`. Default `fail-check`.
    pub on_error: OnError,
}

/// `track`: the server whose state this one takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tracked {
    /// Its proxy.
    pub proxy: ProxyId,
    /// The server.
    pub server: ServerId,
}
