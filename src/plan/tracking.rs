//! Rules that count clients and requests in stick tables: `track-sc0` and its like, since 1.5.

pub use haproxy_cfg_grammar::keywords::tracking::Change;
pub use haproxy_cfg_grammar::value::stored::{COUNTERS, DataType, EntryFact};
use serde::Serialize;

use super::{ProxyRef, Sample};

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackingAction {
    /// From now on, the entry of a key is counted in.
    Track(Track),
    /// What is stored in an entry that is tracked is changed.
    Change {
        /// Under which number it is tracked; nothing is under those from [`COUNTERS`] on.
        counter: u8,
        /// How.
        change: Change,
    },
}

/// `track-sc0 src table clients`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Track {
    /// Under which number, from 0 to 2.
    pub counter: u8,
    /// The key.
    pub key: Sample,
    /// The proxy that has the table; an empty name means the one that has the rule.
    pub table: ProxyRef,
}

/// The entry that a fetch asks about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryRef {
    /// `sc...`: one that is tracked.
    Tracked {
        /// Under which number; nothing is under those from [`COUNTERS`] on.
        counter: u8,
        /// Where another entry of its key is looked for.
        table: Option<ProxyRef>,
    },
    /// `src_...`: that of the client's address, in this table.
    Source(ProxyRef),
}

impl EntryRef {
    /// The table that it names.
    pub fn table_mut(&mut self) -> Option<&mut ProxyRef> {
        match self {
            Self::Tracked { table, .. } => table.as_mut(),
            Self::Source(table) => Some(table),
        }
    }
}
