//! Health checks. Manual 1.4, section 4.2 "option httpchk" and following, section 5.

use std::net::IpAddr;
use std::time::Duration;

pub use haproxy_cfg_grammar::keywords::check::Expect;
pub use haproxy_cfg_grammar::keywords::server::{Observe, OnError};
use serde::Serialize;

use super::{ByteString, ProxyId, ServerId};

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
    /// `option tcp-check` without rules.
    Tcp,
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
    /// `port`, or the server's, or the one of the first listener.
    pub port: u16,
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
