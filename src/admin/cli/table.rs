//! `show table`, `clear table`, `set table`.
//!
//! What a table of hapax stores beside its key is the server that the key leads to: `server_id`.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::Ipv6Addr;
use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use crate::admin::command::{Answer, Command, Context};
use crate::engine::live::millis;
use crate::plan::{AccessLevel, KeyType, ProxyId};
use crate::sample::Value;
use crate::sample::value::loose_address;
use crate::stick_table::{Destination, Key, Millis, Shown, StickTable};

/// Removes entries.
pub(crate) const CLEAR_TABLE: Command = Command {
    words: "clear table",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "",
    help: "remove entries from a stick table: all, those of a key, or those that fit",
    run: clear,
};

/// Makes an entry.
pub(crate) const SET_TABLE: Command = Command {
    words: "set table",
    arguments: "[id]",
    help: "make an entry in a stick table",
    run: set,
    ..CLEAR_TABLE
};

/// Shows entries.
pub(crate) const SHOW_TABLE: Command = Command {
    words: "show table",
    arguments: "[id]",
    help: "the stick tables, or the entries of one",
    run: show,
    ..CLEAR_TABLE
};

/// A table of the plan in service.
struct Found {
    name: String,
    table: Arc<StickTable>,
    /// Rules store servers in it.
    stores_servers: bool,
    now: Millis,
}

/// Which entries are meant.
enum Wanted {
    All,
    Key(Key),
    Server(Relation, i64),
}

#[derive(Clone, Copy)]
enum Relation {
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

fn tables(context: &Context<'_>) -> Vec<Found> {
    let plan = &context.generation.plan;
    let rules = plan
        .proxies
        .iter()
        .flat_map(|proxy| &proxy.persistence.stick);
    let used: Vec<ProxyId> = rules.map(|rule| rule.table).collect();
    let now = millis(Instant::now());
    // What has expired counts no more.
    let swept = |table: &Arc<StickTable>| {
        table.sweep(now);
        Arc::clone(table)
    };
    let all = (0..).zip(plan.proxies.iter().zip(context.generation.all_handles()));
    all.filter_map(|(index, (proxy, handles))| {
        Some(Found {
            name: proxy.name.clone(),
            table: handles.table.as_ref().map(swept)?,
            stores_servers: used.contains(&ProxyId(index)),
            now,
        })
    })
    .collect()
}

/// Whether the client may see and change entries.
fn may_touch(context: &Context<'_>) -> bool {
    context.level >= AccessLevel::Operator
}

fn find(context: &Context<'_>, name: &str) -> Result<Found, Answer> {
    let found = tables(context).into_iter().find(|found| found.name == name);
    found.ok_or_else(|| Answer::line("No such table"))
}

fn show(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let Some((name, rest)) = arguments.split_first() else {
        let mut text = String::new();
        tables(context)
            .iter()
            .for_each(|found| found.heading(&mut text));
        return Answer::Text(text);
    };
    let found = match find(context, name) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    const USAGE: &str = "Optional argument only supports \"data.<store_data_type>\" <operator> \
                         <value> and key <key>";
    let wanted = match found.wanted(rest, USAGE, "Showing keys from") {
        Ok(wanted) => wanted,
        Err(answer) => return answer,
    };
    if matches!(wanted, Wanted::Key(_)) && !may_touch(context) {
        return Answer::line("Permission denied");
    }
    let entries = found.entries(&wanted);
    let mut text = String::new();
    if !may_touch(context) {
        found.heading(&mut text);
        text.push_str("# contents not dumped due to insufficient privileges\n");
        return Answer::Text(text);
    }
    // A key that is not there is answered with nothing.
    if !(matches!(wanted, Wanted::Key(_)) && entries.is_empty()) {
        found.heading(&mut text);
    }
    entries
        .iter()
        .for_each(|entry| found.line(entry, &mut text));
    Answer::Text(text)
}

fn clear(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    const USAGE: &str = "Required arguments: <table> \"data.<store_data_type>\" <operator> <value> \
                         or <table> key <key>";
    let Some((name, rest)) = arguments.split_first() else {
        return Answer::line(USAGE);
    };
    let found = match find(context, name) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    match found.wanted(rest, USAGE, "Removing keys from") {
        Err(answer) => answer,
        // 1.8 does nothing, and does not say so, unless it is about one entry.
        Ok(Wanted::All | Wanted::Server(..))
            if !may_touch(context) && context.dialect() == Dialect::V1_8 =>
        {
            Answer::done()
        }
        Ok(_) if !may_touch(context) => Answer::line("Permission denied"),
        Ok(wanted) => {
            for entry in found.entries(&wanted) {
                found.table.remove(&Key::new(&entry.key));
            }
            Answer::done()
        }
    }
}

fn set(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    const USAGE: &str = "Required arguments: <table> key <key> [data.<store_data_type> <value>]*";
    let Some((name, rest)) = arguments.split_first() else {
        return Answer::line(USAGE);
    };
    let found = match find(context, name) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let (key, mut data) = match rest {
        [] => return Answer::done(),
        ["key"] => return Answer::line("Key value expected"),
        ["key", key, data @ ..] => (*key, data),
        _ => return Answer::line(USAGE),
    };
    if !may_touch(context) {
        return Answer::line("Permission denied");
    }
    let key = match found.key(key, "Inserting keys into") {
        Ok(key) => key,
        Err(answer) => return answer,
    };
    // An entry that is there keeps what is not named. One that is not is made, and keeps what was
    // named before the mistake.
    let known = found.table.look(&key, found.now);
    let mut destination = known.map_or_else(|| Arc::new(nowhere(0)), |entry| entry.destination);
    let mistake = loop {
        let [what, rest @ ..] = data else {
            break None;
        };
        let Some(kind) = what.strip_prefix("data.") else {
            break Some(Answer::line("\"data.<type>\" followed by a value expected"));
        };
        if let Err(answer) = found.stores(kind) {
            break Some(answer);
        }
        let Some(id) = rest.first().and_then(|value| value.parse().ok()) else {
            break Some(Answer::line("Require a valid integer value to store"));
        };
        destination = Arc::new(nowhere(id));
        data = &rest[1..];
    };
    found.table.store(&key, &destination, found.now);
    mistake.unwrap_or_else(Answer::done)
}

/// What tables of HAProxy can store.
const DATA_TYPES: &[&str] = &[
    "server_id",
    "gpt0",
    "gpc0",
    "gpc0_rate",
    "conn_cnt",
    "conn_rate",
    "conn_cur",
    "sess_cnt",
    "sess_rate",
    "http_req_cnt",
    "http_req_rate",
    "http_err_cnt",
    "http_err_rate",
    "bytes_in_cnt",
    "bytes_in_rate",
    "bytes_out_cnt",
    "bytes_out_rate",
];

/// A server of which only the number is known.
fn nowhere(id: u32) -> Destination {
    Destination {
        backend: String::new(),
        server: String::new(),
        id,
    }
}

impl Found {
    fn stores(&self, kind: &str) -> Result<(), Answer> {
        if !DATA_TYPES.contains(&kind) {
            Err(Answer::line("Unknown data type"))
        } else if kind == "server_id" && self.stores_servers {
            Ok(())
        } else {
            Err(Answer::line("Data type not stored in this table"))
        }
    }

    /// The key that a text stands for, to do something to it.
    fn key(&self, text: &str, doing: &str) -> Result<Key, Answer> {
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

    fn wanted(&self, words: &[&str], usage: &str, doing: &str) -> Result<Wanted, Answer> {
        match words {
            [] => Ok(Wanted::All),
            ["key"] => Err(Answer::line("Key value expected")),
            ["key", text, ..] => self.key(text, doing).map(Wanted::Key),
            [what, rest @ ..] => {
                let Some(kind) = what.strip_prefix("data.") else {
                    return Err(Answer::line(usage));
                };
                self.stores(kind)?;
                let relation = rest.first().and_then(|word| Relation::parse(word));
                let relation = relation.ok_or_else(|| {
                    let text = "Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \
                                \"lt\", \"gt\"";
                    Answer::line(text)
                })?;
                let value = rest.get(1).and_then(|word| word.parse().ok());
                let value = value.ok_or_else(|| {
                    Answer::line("Require a valid integer value to compare against")
                })?;
                Ok(Wanted::Server(relation, value))
            }
        }
    }

    /// The entries that are meant, in the order of their keys.
    fn entries(&self, wanted: &Wanted) -> Vec<Shown> {
        let mut entries = Vec::new();
        match wanted {
            Wanted::Key(key) => entries.extend(self.table.look(key, self.now)),
            Wanted::All => self
                .table
                .each(self.now, |entry| entries.push(entry.clone())),
            Wanted::Server(relation, value) => self.table.each(self.now, |entry| {
                if relation.holds(entry.destination.id.into(), *value) {
                    entries.push(entry.clone());
                }
            }),
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    fn heading(&self, text: &mut String) {
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

    fn line(&self, entry: &Shown, text: &mut String) {
        let mut hasher = DefaultHasher::new();
        (&self.name, &entry.key).hash(&mut hasher);
        // In HAProxy it is where the entry lies in memory.
        let id = hasher.finish() & 0xffff_ffff_ffff;
        let expires = entry.expires_in.map_or(0, |time| time.as_millis());
        let key = Key::text(&entry.key, self.table.key_type());
        // Writing to a String cannot fail.
        let _ = write!(text, "0x{id:012x}: key={key} use=0 exp={expires}");
        if self.stores_servers {
            let _ = write!(text, " server_id={}", entry.destination.id);
        }
        text.push('\n');
    }
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
