//! A part of a table: entries by key, and in the order in which they were used.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Destination, Millis, Shown};

/// No entry.
const NONE: u32 = u32::MAX;

/// A part of a table. Entries are linked from the one used longest ago to the one used last.
#[derive(Debug)]
pub(super) struct Shard {
    places: HashMap<Arc<[u8]>, u32>,
    entries: Vec<Entry>,
    /// Free places in `entries`.
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
}

#[derive(Debug)]
struct Entry {
    key: Arc<[u8]>,
    destination: Arc<Destination>,
    used: Millis,
    /// 0 for never.
    expires: Millis,
    older: u32,
    newer: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }
}

impl Shard {
    /// Finds an entry and counts it as used. Answers also how many entries have expired by that.
    pub(super) fn touch(
        &mut self,
        key: &[u8],
        now: Millis,
        expire: Millis,
    ) -> (Option<Arc<Destination>>, u32) {
        let Some(&place) = self.places.get(key) else {
            return (None, 0);
        };
        if self.entries[place as usize].has_expired(now) {
            self.remove(key);
            return (None, 1);
        }
        self.renew(place, now, expire);
        let destination = &self.entries[place as usize].destination;
        (Some(Arc::clone(destination)), 0)
    }

    /// Gives a known key another destination. `false` when it is not known.
    pub(super) fn replace(
        &mut self,
        key: &[u8],
        destination: &Arc<Destination>,
        now: Millis,
        expire: Millis,
    ) -> bool {
        let Some(&place) = self.places.get(key) else {
            return false;
        };
        self.entries[place as usize].destination = Arc::clone(destination);
        self.renew(place, now, expire);
        true
    }

    /// Adds a key, or replaces its destination. `true` when it was not known.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        destination: &Arc<Destination>,
        now: Millis,
        expire: Millis,
    ) -> bool {
        if self.replace(key, destination, now, expire) {
            return false;
        }
        let key: Arc<[u8]> = key.into();
        let entry = Entry {
            key: Arc::clone(&key),
            destination: Arc::clone(destination),
            used: now,
            expires: after(now, expire),
            older: NONE,
            newer: NONE,
        };
        let place = if let Some(place) = self.free.pop() {
            self.entries[place as usize] = entry;
            place
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        };
        self.places.insert(key, place);
        self.link(place);
        true
    }

    /// Forgets a key. Answers whether it was known.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(place) = self.places.remove(key) else {
            return false;
        };
        self.unlink(place);
        let entry = &mut self.entries[place as usize];
        // The place stays; its key need not.
        entry.key = Arc::from([]);
        self.free.push(place);
        if self.places.is_empty() {
            *self = Self::default();
        }
        true
    }

    /// When the entry that was used longest ago was used.
    pub(super) fn oldest(&self) -> Option<Millis> {
        let entry = self.entries.get(self.oldest as usize)?;
        Some(entry.used)
    }

    /// Forgets the entry that was used longest ago.
    pub(super) fn remove_oldest(&mut self) -> bool {
        let Some(entry) = self.entries.get(self.oldest as usize) else {
            return false;
        };
        let key = Arc::clone(&entry.key);
        self.remove(&key)
    }

    /// Forgets what has expired, and answers how many entries that were. All entries expire equally
    /// long after their use, so that the oldest are the first.
    pub(super) fn expire(&mut self, now: Millis) -> u32 {
        let mut gone = 0;
        while self
            .entries
            .get(self.oldest as usize)
            .is_some_and(|oldest| oldest.has_expired(now))
        {
            self.remove_oldest();
            gone += 1;
        }
        gone
    }

    /// A copy of what is there.
    pub(super) fn shown(&self, now: Millis) -> Vec<Shown> {
        let entries = self.places.values().map(|&at| &self.entries[at as usize]);
        entries.filter_map(|entry| entry.show(now)).collect()
    }

    /// A copy of one entry.
    pub(super) fn look(&self, key: &[u8], now: Millis) -> Option<Shown> {
        let place = self.places.get(key)?;
        self.entries[*place as usize].show(now)
    }

    fn renew(&mut self, place: u32, now: Millis, expire: Millis) {
        self.unlink(place);
        let entry = &mut self.entries[place as usize];
        entry.used = now;
        entry.expires = after(now, expire);
        self.link(place);
    }

    /// Makes an entry the newest.
    fn link(&mut self, place: u32) {
        let newest = std::mem::replace(&mut self.newest, place);
        let entry = &mut self.entries[place as usize];
        entry.older = newest;
        entry.newer = NONE;
        match self.entries.get_mut(newest as usize) {
            Some(before) => before.newer = place,
            None => self.oldest = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let Entry { older, newer, .. } = self.entries[place as usize];
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }
}

impl Entry {
    /// A copy, unless it has expired.
    fn show(&self, now: Millis) -> Option<Shown> {
        (!self.has_expired(now)).then(|| Shown {
            key: self.key[..].into(),
            destination: Arc::clone(&self.destination),
            expires_in: (self.expires != 0)
                .then(|| Duration::from_millis(self.expires.saturating_sub(now))),
        })
    }

    fn has_expired(&self, now: Millis) -> bool {
        self.expires != 0 && now >= self.expires
    }
}

/// When an entry that is used now expires; 0 for never.
fn after(now: Millis, expire: Millis) -> Millis {
    if expire == 0 { 0 } else { now + expire }
}
