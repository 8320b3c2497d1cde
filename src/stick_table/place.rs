//! Room for an entry that a request will make when its server answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Destination, Key, Millis, StickTable};

/// A place in a table, for one key. HAProxy makes the entry before it knows whether it will be used,
/// and even when the key is known: a full table forgets another one for it, and where none may go, a
/// known key keeps the server that it has.
#[derive(Debug)]
pub struct Place {
    table: Arc<StickTable>,
    /// `None` once it is used.
    key: Option<Key>,
}

impl Place {
    /// Takes a place; `None` when the table is full and may not forget.
    pub fn take(table: &Arc<StickTable>, key: Key, now: Millis) -> Option<Self> {
        table.take_place(now).then(|| Self {
            table: Arc::clone(table),
            key: Some(key),
        })
    }

    /// Whether it is a place of this table.
    pub fn is_in(&self, table: &Arc<StickTable>) -> bool {
        Arc::ptr_eq(&self.table, table)
    }

    /// Remembers where the key leads.
    pub fn fill(mut self, destination: &Arc<Destination>, now: Millis) {
        if let Some(key) = self.key.take() {
            self.table.fill_place(&key, destination, now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.key.is_some() {
            self.table.entries.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haproxy_cfg_grammar::Dialect;

    use super::*;
    use crate::plan::{self, KeyType};

    fn table(size: u32, nopurge: bool) -> Arc<StickTable> {
        let settings = plan::StickTable {
            key: KeyType::String(8),
            size,
            expire: Some(Duration::from_secs(60)),
            nopurge,
            store: Vec::new(),
        };
        Arc::new(StickTable::new(&settings, Dialect::V1_8))
    }

    fn to(id: u32) -> Arc<Destination> {
        Arc::new(Destination {
            backend: "b".into(),
            server: format!("s{id}"),
            id,
        })
    }

    fn id(table: &StickTable, key: &str) -> Option<u32> {
        let found = table.look(&Key::new(key.as_bytes()), 9)?;
        Some(found.server)
    }

    #[test]
    fn an_entry_counts_before_it_is_there() {
        let table = table(2, false);
        let key = |text: &str| Key::new(text.as_bytes());
        let first = Place::take(&table, key("a"), 1).unwrap();
        assert_eq!((table.len(), id(&table, "a")), (1, None));
        first.fill(&to(1), 2);
        assert_eq!((table.len(), id(&table, "a")), (1, Some(1)));
        drop(Place::take(&table, key("b"), 3));
        assert_eq!(table.len(), 1);
        Place::take(&table, key("b"), 4).unwrap().fill(&to(2), 4);
        // The table is full: "a" goes, although "b" is known.
        Place::take(&table, key("b"), 5).unwrap().fill(&to(3), 5);
        assert_eq!((id(&table, "a"), id(&table, "b")), (None, Some(3)));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_full_table_that_may_not_forget_keeps_what_it_knows() {
        let table = table(1, true);
        let key = || Key::new(b"a");
        Place::take(&table, key(), 1).unwrap().fill(&to(1), 1);
        assert!(Place::take(&table, key(), 2).is_none());
        assert_eq!(id(&table, "a"), Some(1));
    }
}
