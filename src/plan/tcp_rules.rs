//! `tcp-request`. Manual 1.4, section 4.2.

use std::time::Duration;

pub use haproxy_cfg_grammar::keywords::tcp_request::TcpAction;
use serde::Serialize;

use super::Rule;

/// What is decided on the first bytes of a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TcpRules {
    /// `tcp-request inspect-delay`: how long to wait for them.
    pub inspect_delay: Option<Duration>,
    /// `tcp-request content`; the first that applies decides, none accepts.
    pub content: Vec<Rule<TcpAction>>,
}
