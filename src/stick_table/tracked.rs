//! What a session tracks.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::cells::{Cells, Event};
use super::{Key, Millis, StickTable};
use crate::plan::COUNTERS;

/// An entry that is counted in: it stays for as long as that goes on.
#[derive(Debug)]
pub struct Tracked {
    pub(super) table: Arc<StickTable>,
    pub(super) shard: u32,
    pub(super) place: u32,
    /// `None` when the table stores nothing.
    pub(super) cells: Option<Arc<Cells>>,
}

impl Tracked {
    /// What is stored.
    pub fn cells(&self) -> Option<&Cells> {
        self.cells.as_deref()
    }

    /// The key.
    pub fn key(&self) -> Key {
        self.table.key_of(self)
    }

    /// How many track the entry.
    pub fn trackers(&self) -> u32 {
        self.table.trackers_of(self)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(cells) = &self.cells {
            cells.count(Event::End, 0);
        }
        self.table.release(self);
    }
}

/// For how long something is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// For as long as the client is connected.
    Connection,
    /// To the end of the request.
    Request,
}

type Slots = [Option<(Span, Tracked)>; COUNTERS as usize];

/// What a session tracks under the numbers 0 to 2, each for the connection or for a request. A session
/// that tracks nothing holds nothing.
#[derive(Debug, Default)]
pub struct Tracking {
    slots: RefCell<Option<Box<Slots>>>,
    /// How many rules over the content of the next request have been run ahead of it.
    run_ahead: Cell<usize>,
}

impl Tracking {
    /// Whether an entry is tracked under a number.
    pub fn has(&self, counter: u8) -> bool {
        self.look(counter, |_| ()).is_some()
    }

    /// Tracks an entry, unless the number has one.
    pub fn keep(&self, counter: u8, span: Span, tracked: Tracked) {
        let mut slots = self.slots.borrow_mut();
        let slots = slots.get_or_insert_default();
        if let Some(slot) = slots.get_mut(usize::from(counter)) {
            slot.get_or_insert((span, tracked));
        }
    }

    /// Looks at what is tracked under a number.
    pub fn look<R>(&self, counter: u8, look: impl FnOnce(&Tracked) -> R) -> Option<R> {
        let slots = self.slots.borrow();
        let (_, tracked) = slots.as_ref()?.get(usize::from(counter))?.as_ref()?;
        Some(look(tracked))
    }

    /// Counts in everything that is tracked.
    pub fn count(&self, event: Event, now: Millis) {
        let slots = self.slots.borrow();
        let all = slots.iter().flat_map(|slots| slots.iter()).flatten();
        for (_, tracked) in all {
            if let Some(cells) = tracked.cells() {
                cells.count(event, now);
            }
        }
    }

    /// Whether nothing is tracked, nor was.
    pub fn is_empty(&self) -> bool {
        self.slots.borrow().is_none()
    }

    /// Remembers how many rules over the content of the next request have been run ahead of it.
    pub fn note_run_ahead(&self, rules: usize) {
        self.run_ahead.set(rules);
    }

    /// How many rules over the content of this request have been run ahead of it.
    pub fn run_ahead(&self) -> usize {
        self.run_ahead.get()
    }

    /// The request is over.
    pub fn end_request(&self) {
        self.run_ahead.set(0);
        if let Some(slots) = self.slots.borrow_mut().as_mut() {
            for slot in slots.iter_mut() {
                if matches!(slot, Some((Span::Request, _))) {
                    *slot = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haproxy_cfg_grammar::Dialect;

    use super::*;
    use crate::plan::{self, DataType, KeyType, Stored};

    fn table(size: u32, expire: u64, store: &[DataType]) -> Arc<StickTable> {
        let settings = settings(size, expire, store);
        Arc::new(StickTable::new(&settings, Dialect::V1_8))
    }

    fn settings(size: u32, expire: u64, store: &[DataType]) -> plan::StickTable {
        let stored = |data: &DataType| Stored {
            data: *data,
            period: Duration::from_secs(u64::from(data.is_rate())),
        };
        plan::StickTable {
            key: KeyType::String(8),
            size,
            expire: Some(Duration::from_millis(expire)),
            nopurge: false,
            store: store.iter().map(stored).collect(),
        }
    }

    fn key(text: &str) -> Key {
        Key::new(text.as_bytes())
    }

    #[test]
    fn what_is_tracked_does_not_go() {
        let table = table(2, 100, &[DataType::ConnCur]);
        let held = table.track(&key("a"), 0).unwrap();
        let other = table.track(&key("a"), 1).unwrap();
        assert_eq!((held.trackers(), held.key()), (2, key("a")));
        assert!(!table.remove(&key("a")));
        // It neither expires nor makes room for others.
        assert!(table.track(&key("b"), 500).is_some());
        assert!(table.track(&key("c"), 501).is_some());
        assert_eq!(table.len(), 2);
        let shown = table.look(&key("a"), 502).unwrap();
        assert_eq!(
            (shown.trackers, shown.expires_in),
            (2, Some(Duration::ZERO))
        );
        drop((held, other));
        table.sweep(502);
        assert!(table.look(&key("a"), 502).is_none());
        assert!(table.look(&key("c"), 502).is_some());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_table_full_of_what_is_tracked_takes_no_more() {
        let table = table(2, 100, &[]);
        let held = [table.track(&key("a"), 0), table.track(&key("b"), 0)];
        assert!(table.track(&key("c"), 200).is_none());
        assert!(table.stored_or_new(&key("c"), 200).is_none());
        drop(held);
        assert!(table.track(&key("c"), 200).is_some());
    }

    #[test]
    fn counting_keeps_an_entry_and_the_end_does_not() {
        let table = table(9, 100, &[DataType::ConnCur, DataType::HttpReqCnt]);
        let tracking = Tracking::default();
        assert!(tracking.is_empty());
        tracking.keep(0, Span::Connection, table.track(&key("a"), 0).unwrap());
        tracking.count(Event::Connection, 0);
        tracking.count(Event::Request, 70);
        drop(tracking);
        let found = table.stored(&key("a"), 150).unwrap();
        let of = |data| found.cells.as_ref().unwrap().get(data, 150);
        assert_eq!(
            (of(DataType::ConnCur), of(DataType::HttpReqCnt)),
            (Some(0), Some(1))
        );
        assert!(table.stored(&key("a"), 170).is_none());
    }

    #[test]
    fn a_request_ends_before_its_connection() {
        let table = table(9, 100, &[DataType::ConnCnt]);
        let tracking = Tracking::default();
        tracking.keep(0, Span::Connection, table.track(&key("a"), 0).unwrap());
        tracking.keep(2, Span::Request, table.track(&key("b"), 0).unwrap());
        // A number that has an entry keeps it, and there is none beyond the last.
        tracking.keep(0, Span::Request, table.track(&key("c"), 0).unwrap());
        tracking.keep(3, Span::Request, table.track(&key("c"), 0).unwrap());
        tracking.note_run_ahead(2);
        let seen = |counter| tracking.look(counter, Tracked::key);
        assert_eq!(
            (seen(0), seen(1), seen(2)),
            (Some(key("a")), None, Some(key("b")))
        );
        assert_eq!(tracking.run_ahead(), 2);
        tracking.end_request();
        assert_eq!(
            (seen(0), seen(2), tracking.run_ahead()),
            (Some(key("a")), None, 0)
        );
        assert_eq!(table.look(&key("c"), 0).unwrap().trackers, 0);
    }

    #[test]
    fn entries_keep_what_a_changed_table_stores_too() {
        let table = table(9, 100, &[DataType::Gpc0]);
        let held = table.track(&key("a"), 0).unwrap();
        held.cells().unwrap().count(Event::Gpc0, 0);
        table.configure(&settings(9, 100, &[DataType::Gpt0, DataType::Gpc0]), 1);
        held.cells().unwrap().set(DataType::Gpt0, 7, 2);
        let shown = table.look(&key("a"), 3).unwrap();
        assert_eq!(
            shown.stored,
            [(DataType::Gpt0, 0, 7), (DataType::Gpc0, 0, 1)]
        );
        assert_eq!(shown.trackers, 1);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_after_it_was_tracked() {
        let table = table(3, 1000, &[DataType::Gpc0]);
        let held = table.track(&key("a"), 1).unwrap();
        for (n, name) in ["b", "c"].into_iter().enumerate() {
            assert!(table.track(&key(name), 10 + n as u64).is_some());
        }
        drop(held);
        assert!(table.track(&key("d"), 20).is_some());
        assert!(table.look(&key("a"), 20).is_none());
        assert!(table.look(&key("b"), 20).is_some());
    }

    #[test]
    fn many_threads_count_exactly() {
        let table = table(100, 60_000, &[DataType::ConnCnt, DataType::ConnCur]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    for n in 0..1000 {
                        let held = table.track(&key("a"), n).unwrap();
                        held.cells().unwrap().count(Event::Connection, n);
                    }
                });
            }
        });
        let shown = table.look(&key("a"), 1000).unwrap();
        let expected = [(DataType::ConnCnt, 0, 4000), (DataType::ConnCur, 0, 0)];
        assert_eq!((shown.trackers, &shown.stored[..]), (0, &expected[..]));
        assert_eq!(table.len(), 1);
    }
}
