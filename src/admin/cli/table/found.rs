//! A table that a command names, and the entries that it means.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::admin::command::Answer;
use crate::plan::{DataType, KeyType};
use crate::sample::Value;
use crate::sample::value::loose_address;
use crate::stick_table::{Key, Millis, Shown, StickTable};

/// A table of the plan in service.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) table: Arc<StickTable>,
    /// Servers are stored in it.
    pub(super) stores_servers: bool,
    pub(super) now: Millis,
}

/// Which entries are meant.
pub(super) enum Wanted {
    All,
    Key(Key),
    Data(DataType, Relation, i64),
}

#[derive(Clone, Copy)]
pub(super) enum Relation {
    Eq,
    Ne,
    Le,
    Ge,
    Lt,
    Gt,
}

impl Relation {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "le" => Self::Le,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "gt" => Self::Gt,
            _ => return None,
        })
    }

    fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Eq => left == right,
            Self::Ne => left != right,
            Self::Le => left <= right,
            Self::Ge => left >= right,
            Self::Lt => left < right,
            Self::Gt => left > right,
        }
    }
}

impl Found {
    /// The type of data of that name, when the table stores it.
    pub(super) fn stores(&self, kind: &str) -> Result<DataType, Answer> {
        let kind = DataType::find(kind).ok_or_else(|| Answer::line("Unknown data type"))?;
        let stored = match kind {
            DataType::ServerId => self.stores_servers,
            kind => self.table.layout().stores(kind),
        };
        stored
            .then_some(kind)
            .ok_or_else(|| Answer::line("Data type not stored in this table"))
    }

    /// The key that a text stands for, to do something to it.
    pub(super) fn key(&self, text: &str, doing: &str) -> Result<Key, Answer> {
        let of = self.table.key_type();
        let value = match of {
            KeyType::Binary(_) => {
                return Err(Answer::line(format!(
                    "{doing} tables of type other than ip, ipv6, string and integer is not supported"
                )));
            }
            KeyType::Ip => Value::Address(loose_address(text.as_bytes())),
            // What is no address counts as none.
            KeyType::Ipv6 => Value::AddressV6(text.parse().unwrap_or(Ipv6Addr::UNSPECIFIED)),
            KeyType::Integer => number(text).map_or(Value::Text(b""), Value::Integer),
            KeyType::String(_) => Value::Text(text.as_bytes()),
        };
        Key::of(value, of).ok_or_else(|| Answer::line("Invalid key"))
    }

    pub(super) fn wanted(
        &self,
        words: &[&str],
        usage: &str,
        doing: &str,
    ) -> Result<Wanted, Answer> {
        match words {
            [] => Ok(Wanted::All),
            ["key"] => Err(Answer::line("Key value expected")),
            ["key", text, ..] => self.key(text, doing).map(Wanted::Key),
            [what, rest @ ..] => {
                let Some(kind) = what.strip_prefix("data.") else {
                    return Err(Answer::line(usage));
                };
                let kind = self.stores(kind)?;
                let relation = rest.first().and_then(|word| Relation::parse(word));
                let relation = relation.ok_or_else(|| {
                    let text = "Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \
                                \"lt\", \"gt\"";
                    Answer::line(text)
                })?;
                let value = rest.get(1).and_then(|word| whole(word));
                let value = value.ok_or_else(|| {
                    Answer::line("Require a valid integer value to compare against")
                })?;
                Ok(Wanted::Data(kind, relation, value))
            }
        }
    }

    /// The entries that are meant, in the order of their keys.
    pub(super) fn entries(&self, wanted: &Wanted) -> Vec<Shown> {
        let mut entries = Vec::new();
        match wanted {
            Wanted::Key(key) => entries.extend(self.table.look(key, self.now)),
            Wanted::All => self
                .table
                .each(self.now, |entry| entries.push(entry.clone())),
            Wanted::Data(kind, relation, value) => self.table.each(self.now, |entry| {
                if relation.holds(data(entry, *kind), *value) {
                    entries.push(entry.clone());
                }
            }),
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    /// Forgets entries. Answers how many stay, because they are tracked.
    pub(super) fn remove(&self, entries: &[Shown]) -> usize {
        let tracked = entries.iter().filter(|entry| {
            let removed = self.table.remove(&Key::new(&entry.key));
            !removed && entry.trackers > 0
        });
        tracked.count()
    }

    pub(super) fn heading(&self, text: &mut String) {
        let kind = match self.table.key_type() {
            KeyType::Ip => "ip",
            KeyType::Ipv6 => "ipv6",
            KeyType::Integer => "integer",
            KeyType::String(_) => "string",
            KeyType::Binary(_) => "binary",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# table: {}, type: {kind}, size:{}, used:{}",
            self.name,
            self.table.size(),
            self.table.len()
        );
    }

    pub(super) fn line(&self, entry: &Shown, text: &mut String) {
        let mut hasher = DefaultHasher::new();
        (&self.name, &entry.key).hash(&mut hasher);
        // In HAProxy it is where the entry lies in memory.
        let id = hasher.finish() & 0xffff_ffff_ffff;
        let expires = entry.expires_in.map_or(0, |time| time.as_millis());
        let key = Key::text(&entry.key, self.table.key_type());
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "0x{id:012x}: key={key} use={} exp={expires}",
            entry.trackers
        );
        if self.stores_servers {
            let _ = write!(text, " server_id={}", entry.server);
        }
        for (kind, period, value) in &entry.stored {
            // Of 64 bits the first is a sign.
            let (name, value) = (kind.name(), *value as i64);
            let _ = match kind.is_rate() {
                true => write!(text, " {name}({period})={value}"),
                false => write!(text, " {name}={value}"),
            };
        }
        text.push('\n');
    }
}

/// What an entry stores.
fn data(entry: &Shown, kind: DataType) -> i64 {
    if kind == DataType::ServerId {
        return entry.server.into();
    }
    let found = entry.stored.iter().find(|(stored, ..)| *stored == kind);
    found.map_or(0, |(_, _, value)| *value as i64)
}

/// A whole number, with a minus or without a sign.
pub(super) fn whole(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

/// The number of 32 bits that a text begins with.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit());
    let number: u32 = digits[..end.unwrap_or(digits.len())].parse().ok()?;
    Some(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_keys() {
        for (text, expected) in [
            ("7", Some(7)),
            ("+7", Some(7)),
            ("12abc", Some(12)),
            ("0x10", Some(0)),
            ("4294967295", Some(4_294_967_295)),
            ("4294967296", None),
            ("-1", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
