//! `balance`. Manual 1.4, section 4.2 "balance".

use serde::Serialize;

/// How a server is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// `roundrobin`: by weight, in turn. HAProxy's default when nothing is said.
    #[default]
    RoundRobin,
}
