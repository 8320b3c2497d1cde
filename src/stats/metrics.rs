//! The statistics as metrics, in the text format that Prometheus reads.
//!
//! [`FAMILIES`] is the table of them: HAProxy's own names where hapax knows the value, and `hapax_`
//! for what HAProxy does not have. A [`Snapshot`] holds the numbers of one moment, taken from the
//! same rows as `show stat`; [`Text`] writes them piece by piece, since ten thousand servers are a
//! million lines. [`Query`] is what a scraper asks for.

mod families;
mod page;
mod query;
mod snapshot;
mod text;

pub use families::{FAMILIES, Family, Kind, Scope};
pub use page::page;
pub use query::{BadQuery, Query};
pub use snapshot::{Process, Reloads, Snapshot, Table};
pub use text::Text;

/// What the text is, for the head of an answer.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";
