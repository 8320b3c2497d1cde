//! The statistics page and socket. Manual 1.4, sections 3.1 and 4.2.

use std::time::Duration;

use serde::Serialize;

use super::{ByteString, Condition, HttpRequestAction, ListenAddress, Rule, SocketFile};

/// `stats ...` of a proxy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatsPage {
    /// `stats uri`: what the path begins with. Default `/haproxy?stats`.
    pub uri: ByteString,
    /// `stats realm`.
    pub realm: Option<ByteString>,
    /// `stats auth`: `user:password`, in order.
    pub auth: Vec<ByteString>,
    /// `stats scope`: only these proxies; `.` is this one.
    pub scope: Vec<ByteString>,
    /// `stats refresh`.
    pub refresh: Option<Duration>,
    /// `stats hide-version`.
    pub hide_version: bool,
    /// `stats show-legends`.
    pub show_legends: bool,
    /// `stats show-node`: this name, or the one of the global section.
    pub show_node: Option<Option<String>>,
    /// `stats show-desc`: this text, or the one of the global section.
    pub show_desc: Option<Option<String>>,
    /// `stats admin`: servers can be switched from the page when one of these holds.
    pub admin: Vec<Condition>,
    /// `stats http-request`.
    pub http_request: Vec<Rule<HttpRequestAction>>,
}

impl Default for StatsPage {
    fn default() -> Self {
        Self {
            uri: "/haproxy?stats".into(),
            realm: None,
            auth: Vec::new(),
            scope: Vec::new(),
            refresh: None,
            hide_version: false,
            show_legends: false,
            show_node: None,
            show_desc: None,
            admin: Vec::new(),
            http_request: Vec::new(),
        }
    }
}

/// `stats socket`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatsSocket {
    /// Where.
    pub address: ListenAddress,
    /// Of a Unix socket: owner and permissions.
    pub file: SocketFile,
    /// What clients may do.
    pub level: AccessLevel,
    /// `severity-output`, until a client says something else.
    pub severity: SeverityOutput,
}

/// Whether messages of the statistics socket say how grave they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeverityOutput {
    /// Messages alone.
    #[default]
    None,
    /// With a number.
    Number,
    /// With a word.
    Words,
}

/// What a client of the statistics socket may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLevel {
    /// Look.
    User,
    /// Look, and clear counters.
    #[default]
    Operator,
    /// Everything.
    Admin,
}
