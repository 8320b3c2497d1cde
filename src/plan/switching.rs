//! `use_backend`. Manual 1.4, section 4.2 "use_backend".

use serde::Serialize;

use super::{Condition, FormatString, ProxyId};

/// Where a switching rule leads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchingTarget {
    /// A backend of the plan.
    Backend(ProxyId),
    /// The backend of the name that comes out; when there is none, the default one (since 1.5).
    Named(FormatString),
}

/// One `use_backend` line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SwitchingRule {
    /// Where it leads.
    pub target: SwitchingTarget,
    /// When; `None` means always.
    pub condition: Option<Condition>,
}

/// `use-server` (1.5 and later).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UseServer {
    /// The server.
    pub server: super::ServerId,
    /// When.
    pub condition: Condition,
}
