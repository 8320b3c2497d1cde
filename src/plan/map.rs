//! Maps: files that say what values stand for. Manual 1.8, section 7.3.1 "map".

use std::fmt;
use std::sync::Arc;

pub use haproxy_cfg_grammar::value::converter::{MapOutput, MapValue};
use serde::{Serialize, Serializer};

use super::{AclId, ByteString, MatchMethod, Pattern, ProxyId};

/// Index of a map in [`super::Plan::maps`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub u32);

/// One way of looking into a file. However many converters look into it that way, it is one map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Map {
    /// The name of the file, as written.
    pub file: ByteString,
    /// How values are compared with its keys.
    pub matching: MatchMethod,
    /// What its values are read as.
    pub output: MapOutput,
    /// What it says, in its order.
    pub entries: Vec<MapEntry>,
    /// What stands in the file.
    #[serde(skip)]
    pub content: Arc<[u8]>,
}

/// One line of a map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapEntry {
    /// What a value is compared with.
    pub key: Pattern,
    /// What it stands for.
    pub value: MapValue,
}

/// A converter that asks a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapLookup {
    /// The converter, as `map_beg`.
    pub converter: &'static str,
    /// The name of the file, as written.
    pub file: ByteString,
    /// The map.
    pub map: MapId,
    /// What values give that no key fits; `None` is nothing.
    pub default: Option<MapValue>,
}

impl fmt::Display for MapLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}", self.converter, self.file)?;
        match &self.default {
            None => {}
            Some(MapValue::Text(text)) => write!(f, ",{}", String::from_utf8_lossy(text))?,
            Some(MapValue::Integer(number)) => write!(f, ",{number}")?,
            Some(MapValue::Address(address)) => write!(f, ",{address}")?,
        }
        f.write_str(")")
    }
}

impl Serialize for MapLookup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Someone who is compared with lists of patterns. A plan has them in the order in which they come
/// up in the configuration, by which lists are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternUser {
    /// An ACL.
    Acl(ProxyId, AclId),
    /// A converter.
    Map {
        /// The map that it asks.
        map: MapId,
        /// It stands in a rule that HAProxy reads once all lists have their numbers: this one has
        /// none.
        late: bool,
    },
}
