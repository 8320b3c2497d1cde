//! What is found in stick tables: `sc0_...`, `src_...`, `table_...`, `in_table`, since 1.5.

use std::net::SocketAddr;

use super::{Facts, Value, fetch::v4};
use crate::plan::{DataType, EntryFact, EntryRef, ProxyRef};
use crate::stick_table::{Cells, Event, Found, Key, Millis, StickTable};

/// The value of a fetch about an entry. What is tracked and stores no such thing has none; what is not
/// there, but could be, is 0.
pub fn entry(of: &EntryRef, fact: EntryFact, facts: &Facts<'_>) -> Option<Value<'static>> {
    let now = facts.world.now();
    match of {
        EntryRef::Tracked { counter, table } => {
            let tracking = facts.world.tracking();
            if fact == EntryFact::Tracked {
                // Whatever table is named, and whether the key is in it or not.
                let found = tracking.and_then(|tracking| tracking.look(*counter, |_| ()));
                return Some(Value::Bool(found.is_some()));
            }
            let number = match table {
                None => tracking?.look(*counter, |tracked| match fact {
                    EntryFact::Trackers => Some(u64::from(tracked.trackers())),
                    fact => ask(tracked.cells(), fact, now),
                })?,
                Some(table) => {
                    let key = tracking?.look(*counter, |tracked| tracked.key())?;
                    match find(table, &key, facts) {
                        Some(found) => of_found(&found, fact, now),
                        None => Some(0),
                    }
                }
            };
            number.map(integer)
        }
        EntryRef::Source(table) => {
            let key = source_key(table, facts)?;
            let table = table_of(table, facts)?;
            let makes = matches!(
                fact,
                EntryFact::IncGpc0 | EntryFact::ClrGpc0 | EntryFact::UpdtConnCnt
            );
            let found = if makes {
                table.stored_or_new(&key, now)
            } else {
                table.stored(&key, now)
            };
            match found {
                Some(found) => of_found(&found, fact, now).map(integer),
                None => Some(integer(0)),
            }
        }
    }
}

/// The value of a converter that looks a key up; `None` asks whether there is an entry.
pub fn looked_up(
    value: Value<'_>,
    table: &ProxyRef,
    fact: Option<EntryFact>,
    facts: &Facts<'_>,
) -> Option<Value<'static>> {
    let key = Key::of(value, table_of(table, facts)?.key_type())?;
    let found = find(table, &key, facts);
    Some(match (fact, found) {
        (None, found) => Value::Bool(found.is_some()),
        (Some(_), None) => integer(0),
        (Some(fact), Some(found)) => integer(of_found(&found, fact, facts.world.now())?),
    })
}

/// How many entries a table has, and for how many it has room.
pub fn counts(table: &ProxyRef, facts: &Facts<'_>) -> Option<(u32, u32)> {
    let table = table_of(table, facts)?;
    let used = table.len();
    Some((used, table.size().saturating_sub(used)))
}

fn table_of<'a>(table: &ProxyRef, facts: &Facts<'a>) -> Option<&'a StickTable> {
    facts.world.stick_table(table.id?).map(|table| &**table)
}

fn find(table: &ProxyRef, key: &Key, facts: &Facts<'_>) -> Option<Found> {
    table_of(table, facts)?.stored(key, facts.world.now())
}

fn source_key(table: &ProxyRef, facts: &Facts<'_>) -> Option<Key> {
    let source = facts.source.as_ref().map(SocketAddr::ip)?;
    let value = match (v4(source), source) {
        (Some(address), _) => Value::Address(address),
        (None, std::net::IpAddr::V6(address)) => Value::AddressV6(address),
        (None, std::net::IpAddr::V4(address)) => Value::Address(address),
    };
    Key::of(value, table_of(table, facts)?.key_type())
}

fn of_found(found: &Found, fact: EntryFact, now: Millis) -> Option<u64> {
    match fact {
        EntryFact::Trackers => Some(found.trackers.into()),
        EntryFact::Data(DataType::ServerId) => Some(found.server.into()),
        fact => ask(found.cells.as_deref(), fact, now),
    }
}

fn ask(cells: Option<&Cells>, fact: EntryFact, now: Millis) -> Option<u64> {
    let cells = cells?;
    match fact {
        EntryFact::Data(data) => cells.get(data, now),
        EntryFact::Kilobytes(data) => cells.get(data, now).map(|bytes| bytes >> 10),
        EntryFact::IncGpc0 => cells.increment(Event::Gpc0, DataType::Gpc0, now),
        EntryFact::ClrGpc0 => cells.take(DataType::Gpc0, now),
        EntryFact::UpdtConnCnt => cells.increment(Event::Update, DataType::ConnCnt, now),
        EntryFact::Tracked | EntryFact::Trackers => None,
    }
}

fn integer(number: u64) -> Value<'static> {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
