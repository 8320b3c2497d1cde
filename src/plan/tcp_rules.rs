//! `tcp-request`. Manual 1.4, section 4.2.

use std::time::Duration;

use serde::Serialize;

use super::{Rule, TrackingAction};

/// What is decided on a connection and on its first bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TcpRules {
    /// `tcp-request connection` (since 1.5): before anything is done for a client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connection: Vec<Rule<TcpAction>>,
    /// `tcp-request session` (since 1.6): once it is known who the client is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub session: Vec<Rule<TcpAction>>,
    /// `tcp-request inspect-delay`: how long to wait for the first bytes.
    pub inspect_delay: Option<Duration>,
    /// `tcp-request content`, on the first bytes.
    pub content: Vec<Rule<TcpAction>>,
}

/// What a rule does. In each list the first that accepts or rejects decides; none accepts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TcpAction {
    /// Go on.
    Accept,
    /// Close.
    Reject,
    /// The client is counted, and the next rule is looked at.
    Tracking(TrackingAction),
}
