//! Stick tables: which server a key was sent to, and since 1.5 what was counted for it. Manual 1.4,
//! section 4.2 "stick-table".
//!
//! One table serves all workers. Its entries are spread over shards, each under a lock that is held
//! for one look, so that workers rarely meet. The number of entries is limited for the whole table,
//! and the one that was used longest ago goes first.
//!
//! An entry that is tracked is held by who tracks it: it does not go, and is counted in without a look
//! at its table.

mod cells;
mod key;
mod place;
mod rate;
mod sampled;
mod shard;
pub mod track;
mod tracked;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use haproxy_cfg_grammar::Dialect;
use parking_lot::Mutex;

pub use cells::{Cells, Event, Layout};
pub use key::Key;
pub use place::Place;
use shard::Shard;
pub use tracked::{Span, Tracked, Tracking};

use crate::plan::{self, DataType, KeyType};

/// A moment, in milliseconds since any fixed one.
pub type Millis = u64;

/// What an entry leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Destination {
    /// The backend that has chosen the server.
    pub backend: String,
    /// The server's name.
    pub server: String,
    /// The server's `id`, by which a table that several backends share is read.
    pub id: u32,
}

/// A table.
#[derive(Debug)]
pub struct StickTable {
    key: KeyType,
    layout: ArcSwap<Layout>,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    entries: AtomicU32,
    size: AtomicU32,
    /// 0 for ever.
    expire: AtomicU64,
    nopurge: AtomicBool,
    /// 1.4 makes room in steps of the 256th part of the size: none in a small table.
    no_small_purge: bool,
}

/// Enough for a few dozen workers.
const SHARDS: usize = 64;

/// An entry, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key.
    pub key: Box<[u8]>,
    /// The `id` of the server that it leads to; 0 for none.
    pub server: u32,
    /// How many track it.
    pub trackers: u32,
    /// What is stored beside the server, with the periods of rates in milliseconds.
    pub stored: Vec<(DataType, u32, u64)>,
    /// For how long it will stay when nobody asks for it.
    pub expires_in: Option<Duration>,
}

/// An entry, as rules look at it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The `id` of the server that it leads to; 0 for none.
    pub server: u32,
    /// How many track it.
    pub trackers: u32,
    /// What is stored beside the server, when that is anything.
    pub cells: Option<Arc<Cells>>,
}

impl StickTable {
    /// An empty table.
    pub fn new(settings: &plan::StickTable, dialect: Dialect) -> Self {
        let table = Self {
            key: settings.key,
            layout: ArcSwap::from_pointee(Layout::new(&settings.store)),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            entries: AtomicU32::new(0),
            size: AtomicU32::new(0),
            expire: AtomicU64::new(0),
            nopurge: AtomicBool::new(false),
            no_small_purge: dialect == Dialect::V1_4,
        };
        table.settle(settings);
        table
    }

    /// Takes over new settings. A table that became smaller shrinks with the next entries; one that
    /// stores something else keeps of it what it stored before.
    pub fn configure(&self, settings: &plan::StickTable, now: Millis) {
        let layout = Layout::new(&settings.store);
        if layout != **self.layout.load() {
            let layout = Arc::new(layout);
            self.layout.store(Arc::clone(&layout));
            for shard in &self.shards {
                shard.lock().adopt(&layout, now);
            }
        }
        self.settle(settings);
    }

    fn settle(&self, settings: &plan::StickTable) {
        self.size.store(settings.size, Ordering::Relaxed);
        let expire = settings.expire.map_or(0, |e| e.as_millis() as u64);
        self.expire.store(expire, Ordering::Relaxed);
        self.nopurge.store(settings.nopurge, Ordering::Relaxed);
    }

    /// Type and length of the keys.
    pub fn key_type(&self) -> KeyType {
        self.key
    }

    /// How many entries there may be.
    pub fn size(&self) -> u32 {
        self.size.load(Ordering::Relaxed)
    }

    /// How many entries there are, with those that requests under way will make; some may have
    /// expired.
    pub fn len(&self) -> u32 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is stored beside the server.
    pub fn layout(&self) -> Arc<Layout> {
        self.layout.load_full()
    }

    /// Where a key leads. The look keeps the entry for another while.
    pub fn find(&self, key: &Key, now: Millis) -> Option<Arc<Destination>> {
        let expire = self.expire();
        self.within(key, |shard, gone| {
            shard.touch(key.bytes(), now, expire, gone)
        })
    }

    /// The entry of a key, which is left as it is.
    pub fn look(&self, key: &Key, now: Millis) -> Option<Shown> {
        let shard = self.shard(key).lock();
        shard.look(key.bytes(), now, self.expire())
    }

    /// What is stored in the entry of a key, which is left as it is.
    pub fn stored(&self, key: &Key, now: Millis) -> Option<Found> {
        self.within(key, |shard, gone| shard.cells(key.bytes(), now, gone))
    }

    /// The same of an entry that is made when there is none, and kept for another while. `None` when
    /// the table is full and may not forget.
    pub fn stored_or_new(&self, key: &Key, now: Millis) -> Option<Found> {
        let expire = self.expire();
        let known = self.within(key, |shard, gone| {
            shard.touch(key.bytes(), now, expire, gone);
            shard.cells(key.bytes(), now, gone)
        });
        if known.is_some() || !self.take_place(now) {
            return known;
        }
        let mut shard = self.shard(key).lock();
        let (place, new) = shard.insert(key.bytes(), &self.layout.load(), now, expire);
        if !new {
            self.entries.fetch_sub(1, Ordering::Relaxed);
        }
        Some(shard.found(place))
    }

    /// Holds the entry of a key, which is made when there is none. `None` when the table is full and
    /// may not forget.
    pub fn track(self: &Arc<Self>, key: &Key, now: Millis) -> Option<Tracked> {
        let expire = self.expire();
        let mut held = self.within(key, |shard, gone| {
            shard.hold(key.bytes(), now, expire, gone)
        });
        if held.is_none() && self.take_place(now) {
            let mut shard = self.shard(key).lock();
            let (_, new) = shard.insert(key.bytes(), &self.layout.load(), now, expire);
            if !new {
                self.entries.fetch_sub(1, Ordering::Relaxed);
            }
            let mut gone = 0;
            held = shard.hold(key.bytes(), now, expire, &mut gone);
        }
        let (place, cells) = held?;
        Some(Tracked {
            table: Arc::clone(self),
            shard: self.shard_number(key) as u32,
            place,
            cells,
        })
    }

    fn key_of(&self, tracked: &Tracked) -> Key {
        let shard = self.shards[tracked.shard as usize].lock();
        Key::new(shard.key_at(tracked.place))
    }

    fn trackers_of(&self, tracked: &Tracked) -> u32 {
        let shard = self.shards[tracked.shard as usize].lock();
        shard.found(tracked.place).trackers
    }

    fn release(&self, tracked: &Tracked) {
        let mut shard = self.shards[tracked.shard as usize].lock();
        shard.release(tracked.place, self.expire());
    }

    /// Looks into the shard of a key, and counts what has expired there.
    fn within<R>(&self, key: &Key, look: impl FnOnce(&mut Shard, &mut u32) -> R) -> R {
        let mut gone = 0;
        let found = look(&mut self.shard(key).lock(), &mut gone);
        self.entries.fetch_sub(gone, Ordering::Relaxed);
        found
    }

    /// Remembers where a key leads from now on. A full table forgets what was used longest ago, or,
    /// with `nopurge`, takes no new key.
    pub fn store(&self, key: &Key, destination: &Arc<Destination>, now: Millis) {
        let expire = self.expire();
        let known = {
            let mut shard = self.shard(key).lock();
            shard.replace(key.bytes(), destination, now, expire)
        };
        if !known && self.take_place(now) {
            self.fill_place(key, destination, now);
        }
    }

    /// Makes room for one more entry, and counts it as if it were there already.
    fn take_place(&self, now: Millis) -> bool {
        let room = self.len() < self.size() || self.make_room(now);
        if room {
            self.entries.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    /// Puts an entry where room was made. A key that is known has its place, and the new one is free
    /// again.
    fn fill_place(&self, key: &Key, destination: &Arc<Destination>, now: Millis) {
        let expire = self.expire();
        let mut shard = self.shard(key).lock();
        let (_, new) = shard.insert(key.bytes(), &self.layout.load(), now, expire);
        if !new {
            self.entries.fetch_sub(1, Ordering::Relaxed);
        }
        shard.replace(key.bytes(), destination, now, expire);
    }

    /// Forgets a key that nobody tracks. Answers whether that was done.
    pub fn remove(&self, key: &Key) -> bool {
        let known = self.shard(key).lock().remove(key.bytes());
        self.entries.fetch_sub(u32::from(known), Ordering::Relaxed);
        known
    }

    /// Every entry that has not expired, shard by shard: no lock is held while they are visited.
    pub fn each(&self, now: Millis, mut visit: impl FnMut(&Shown)) {
        for shard in &self.shards {
            let shown = shard.lock().shown(now, self.expire());
            shown.iter().for_each(&mut visit);
        }
    }

    /// Frees what has expired. Tables look at an entry only when its key is asked for or room is
    /// needed; this is for who wants the memory back sooner.
    pub fn sweep(&self, now: Millis) {
        for shard in &self.shards {
            let expired = shard.lock().expire(now);
            self.entries.fetch_sub(expired, Ordering::Relaxed);
        }
    }

    /// Frees expired entries, or else those that were used longest ago. `false` when none may go.
    fn make_room(&self, now: Millis) -> bool {
        self.sweep(now);
        let size = self.size();
        if self.len() < size {
            return true;
        }
        let batch = size >> 8;
        if self.nopurge.load(Ordering::Relaxed) || (self.no_small_purge && batch == 0) {
            return false;
        }
        // Other workers remove entries meanwhile: the table may have shrunk since the look above.
        let surplus = self.len().saturating_sub(size);
        let batch = batch + u32::from(!self.no_small_purge) + surplus;
        for _ in 0..batch {
            let oldest = self
                .shards
                .iter()
                .filter_map(|shard| Some((shard.lock().oldest()?, shard)))
                .min_by_key(|(used, _)| *used);
            let Some((_, shard)) = oldest else {
                break;
            };
            let gone = shard.lock().remove_oldest();
            self.entries.fetch_sub(u32::from(gone), Ordering::Relaxed);
        }
        self.len() < size
    }

    fn expire(&self) -> Millis {
        self.expire.load(Ordering::Relaxed)
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        &self.shards[self.shard_number(key)]
    }

    fn shard_number(&self, key: &Key) -> usize {
        self.hasher.hash_one(key.bytes()) as usize % SHARDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(
        key: KeyType,
        size: u32,
        expire: Option<u64>,
        nopurge: bool,
        d: Dialect,
    ) -> StickTable {
        let settings = plan::StickTable {
            key,
            size,
            expire: expire.map(Duration::from_millis),
            nopurge,
            store: Vec::new(),
        };
        StickTable::new(&settings, d)
    }

    fn to(id: u32) -> Arc<Destination> {
        Arc::new(Destination {
            backend: "b".into(),
            server: format!("s{id}"),
            id,
        })
    }

    fn key(n: u32) -> Key {
        Key::of(crate::sample::Value::Integer(n.into()), KeyType::Integer).unwrap()
    }

    fn known(table: &StickTable, now: Millis, keys: std::ops::Range<u32>) -> Vec<u32> {
        let mut found = Vec::new();
        table.each(now, |shown| {
            let bytes: [u8; 4] = shown.key[..].try_into().unwrap();
            found.push(u32::from_be_bytes(bytes));
        });
        found.retain(|n| keys.contains(n));
        found.sort_unstable();
        found
    }

    #[test]
    fn an_entry_stays_while_it_is_used() {
        let table = table(KeyType::Integer, 10, Some(100), false, Dialect::V1_4);
        table.store(&key(1), &to(7), 0);
        assert_eq!(table.find(&key(1), 99).unwrap().id, 7);
        assert_eq!(table.find(&key(1), 198).unwrap().id, 7);
        assert_eq!(table.find(&key(1), 298), None);
        assert_eq!(table.len(), 0);
        table.store(&key(1), &to(8), 300);
        table.store(&key(1), &to(9), 301);
        assert_eq!(table.find(&key(1), 302).unwrap().id, 9);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_full_table_forgets_what_was_used_longest_ago() {
        // A 256th of the size goes at once, one more since 1.5.
        for (dialect, gone) in [(Dialect::V1_4, 2), (Dialect::V1_8, 3)] {
            let table = table(KeyType::Integer, 600, None, false, dialect);
            for n in 0..600 {
                table.store(&key(n), &to(1), u64::from(n));
            }
            table.find(&key(0), 600);
            table.store(&key(1000), &to(1), 601);
            let left = known(&table, 601, 0..600);
            assert_eq!(left.len(), 600 - gone, "{dialect:?}");
            assert_eq!(left[..2], [0, gone as u32 + 1]);
            assert_eq!(table.len() as usize, 601 - gone);
        }
    }

    #[test]
    fn a_full_table_that_may_not_forget_takes_no_new_key() {
        for (size, nopurge, dialect) in [
            (300, true, Dialect::V1_4),
            (300, true, Dialect::Hapax),
            // In 1.4 a table of less than 256 entries never makes room.
            (20, false, Dialect::V1_4),
        ] {
            let table = table(KeyType::Integer, size, Some(50), nopurge, dialect);
            for n in 0..size + 5 {
                table.store(&key(n), &to(1), 0);
            }
            assert_eq!(table.len(), size);
            assert!(known(&table, 0, size..size + 5).is_empty());
            // What has expired makes room all the same.
            table.store(&key(1000), &to(1), 50);
            assert_eq!(known(&table, 50, 0..2000), [1000]);
        }
    }

    #[test]
    fn a_table_that_became_smaller_shrinks() {
        let table = table(KeyType::Integer, 100, None, false, Dialect::Hapax);
        for n in 0..100 {
            table.store(&key(n), &to(1), u64::from(n));
        }
        let settings = plan::StickTable {
            key: KeyType::Integer,
            size: 10,
            expire: None,
            nopurge: false,
            store: Vec::new(),
        };
        table.configure(&settings, 100);
        table.store(&key(100), &to(1), 100);
        assert_eq!(
            known(&table, 100, 0..200),
            [91, 92, 93, 94, 95, 96, 97, 98, 99, 100]
        );
        assert!(table.remove(&key(95)));
        assert!(!table.remove(&key(95)));
        assert_eq!(table.len(), 9);
    }

    #[test]
    fn many_threads_keep_the_count() {
        let table = table(KeyType::Integer, 500, None, false, Dialect::Hapax);
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                let table = &table;
                scope.spawn(move || {
                    for n in 0..2000 {
                        table.store(&key(n * 4 + thread % 2), &to(thread), u64::from(n));
                    }
                });
            }
        });
        let entries = known(&table, 5000, 0..u32::MAX).len();
        assert_eq!(entries, table.len() as usize);
        // Workers that insert at the same moment may each find the last place free.
        assert!(entries <= 504, "{entries}");
    }
}
