//! `stick-table`. Manual 1.4, section 4.2.

use std::time::Duration;

use haproxy_cfg_grammar::value::stored::DataType;
use serde::Serialize;

/// `stick-table`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StickTable {
    /// The type of the keys.
    pub key: KeyType,
    /// How many entries.
    pub size: u32,
    /// How long an unused entry is kept; `None` is for ever.
    pub expire: Option<Duration>,
    /// A full table takes no new entries.
    pub nopurge: bool,
    /// `store`: what is stored beside the key, in the order of [`DataType`], each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub store: Vec<Stored>,
}

/// The type of a table's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// IPv4 addresses.
    Ip,
    /// IPv6 addresses.
    Ipv6,
    /// 32-bit integers.
    Integer,
    /// Strings; longer ones are cut to this many bytes.
    String(u32),
    /// Bytes, this many.
    Binary(u32),
}

/// Something that a table stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// What.
    pub data: DataType,
    /// The period of a rate; zero for other types.
    pub period: Duration,
}

impl StickTable {
    /// Stores one more type of data.
    pub fn add(&mut self, stored: Stored) {
        if let Err(place) = self.store.binary_search_by_key(&stored.data, |s| s.data) {
            self.store.insert(place, stored);
        }
    }
}
