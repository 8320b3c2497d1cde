//! A part of a table: entries by key, and in the order in which they were used.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::cells::{Cells, Layout};
use super::{Destination, Found, Millis, Shown};

/// No entry.
const NONE: u32 = u32::MAX;

/// A part of a table. Entries are linked from the one used longest ago to the one used last, but for
/// those that are tracked: they stay in any case.
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
    destination: Option<Arc<Destination>>,
    /// What is stored; `None` when the table stores nothing.
    cells: Option<Arc<Cells>>,
    /// How many track it.
    trackers: u32,
    used: Millis,
    /// 0 for never.
    expires: Millis,
    older: u32,
    newer: u32,
}

/// How far an entry that is not tracked any more is sorted in: it may have been used long ago. Beyond
/// that it goes later than it would otherwise.
const SORTED: usize = 64;

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
    /// Where an entry is that has not expired. One that has is forgotten, and counted in `gone`.
    fn find(&mut self, key: &[u8], now: Millis, gone: &mut u32) -> Option<u32> {
        let place = *self.places.get(key)?;
        if self.entries[place as usize].has_expired(now) {
            self.remove(key);
            *gone += 1;
            return None;
        }
        Some(place)
    }

    /// Finds an entry and counts it as used; answers where it leads. `gone` counts what has expired.
    pub(super) fn touch(
        &mut self,
        key: &[u8],
        now: Millis,
        expire: Millis,
        gone: &mut u32,
    ) -> Option<Arc<Destination>> {
        let place = self.find(key, now, gone)?;
        self.renew(place, now, expire);
        self.entries[place as usize].destination.clone()
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
        self.entries[place as usize].destination = Some(Arc::clone(destination));
        self.renew(place, now, expire);
        true
    }

    /// Adds a key, unless it is known. Answers its place, and whether it was not known.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        layout: &Arc<Layout>,
        now: Millis,
        expire: Millis,
    ) -> (u32, bool) {
        if let Some(&place) = self.places.get(key) {
            return (place, false);
        }
        let key: Arc<[u8]> = key.into();
        let entry = Entry {
            key: Arc::clone(&key),
            destination: None,
            cells: (!layout.is_empty()).then(|| Arc::new(Cells::new(layout, now))),
            trackers: 0,
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
        (place, true)
    }

    /// What a known key stores, when that is anything. `None` when it is not known.
    pub(super) fn cells(&mut self, key: &[u8], now: Millis, gone: &mut u32) -> Option<Found> {
        let place = self.find(key, now, gone)?;
        Some(self.found(place))
    }

    /// What is stored at a place.
    pub(super) fn found(&self, place: u32) -> Found {
        let entry = &self.entries[place as usize];
        Found {
            server: entry.server(),
            trackers: entry.trackers,
            cells: entry.cells.clone(),
        }
    }

    /// The key at a place.
    pub(super) fn key_at(&self, place: u32) -> &[u8] {
        &self.entries[place as usize].key
    }

    /// Keeps an entry until it is released. Answers its place and what it stores; `None` when the key
    /// is not known.
    pub(super) fn hold(
        &mut self,
        key: &[u8],
        now: Millis,
        expire: Millis,
        gone: &mut u32,
    ) -> Option<(u32, Option<Arc<Cells>>)> {
        let place = self.find(key, now, gone)?;
        self.renew(place, now, expire);
        if self.entries[place as usize].trackers == 0 {
            self.unlink(place);
        }
        let entry = &mut self.entries[place as usize];
        entry.trackers += 1;
        Some((place, entry.cells.clone()))
    }

    /// Lets an entry go that was held.
    pub(super) fn release(&mut self, place: u32, expire: Millis) {
        let entry = &mut self.entries[place as usize];
        entry.trackers = entry.trackers.saturating_sub(1);
        entry.settle(expire);
        if entry.trackers == 0 {
            self.link_sorted(place);
        }
    }

    /// Moves what is stored to where another layout has it.
    pub(super) fn adopt(&mut self, layout: &Arc<Layout>, now: Millis) {
        for place in self.places.values() {
            let entry = &mut self.entries[*place as usize];
            match &entry.cells {
                Some(cells) => cells.adopt(layout, now),
                None if layout.is_empty() => {}
                None => entry.cells = Some(Arc::new(Cells::new(layout, now))),
            }
        }
    }

    /// Forgets a key that is not tracked. Answers whether it was known.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let tracked = |place: &u32| self.entries[*place as usize].trackers > 0;
        if self.places.get(key).is_none_or(tracked) {
            return false;
        }
        let Some(place) = self.places.remove(key) else {
            return false;
        };
        self.unlink(place);
        let entry = &mut self.entries[place as usize];
        // The place stays; what it has need not.
        entry.key = Arc::from([]);
        entry.destination = None;
        entry.cells = None;
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
    pub(super) fn shown(&self, now: Millis, expire: Millis) -> Vec<Shown> {
        let entries = self.places.values().map(|&at| &self.entries[at as usize]);
        entries
            .filter_map(|entry| entry.show(now, expire))
            .collect()
    }

    /// A copy of one entry.
    pub(super) fn look(&self, key: &[u8], now: Millis, expire: Millis) -> Option<Shown> {
        let place = self.places.get(key)?;
        self.entries[*place as usize].show(now, expire)
    }

    fn renew(&mut self, place: u32, now: Millis, expire: Millis) {
        let entry = &mut self.entries[place as usize];
        entry.used = now;
        entry.expires = after(now, expire);
        if entry.trackers == 0 {
            self.unlink(place);
            self.link(place);
        }
    }

    /// Links an entry behind those that were used before it.
    fn link_sorted(&mut self, place: u32) {
        let used = self.entries[place as usize].used;
        let mut newer = NONE;
        let mut older = self.newest;
        for _ in 0..SORTED {
            match self.entries.get(older as usize) {
                Some(entry) if entry.used > used => (newer, older) = (older, entry.older),
                _ => break,
            }
        }
        let entry = &mut self.entries[place as usize];
        (entry.older, entry.newer) = (older, newer);
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = place,
            None => self.oldest = place,
        }
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = place,
            None => self.newest = place,
        }
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
    fn show(&self, now: Millis, expire: Millis) -> Option<Shown> {
        if self.has_expired(now) {
            return None;
        }
        let expires = match &self.cells {
            Some(cells) if self.trackers > 0 => after(cells.changed().max(self.used), expire),
            _ => self.expires,
        };
        Some(Shown {
            key: self.key[..].into(),
            server: self.server(),
            trackers: self.trackers,
            stored: self
                .cells
                .as_ref()
                .map_or_else(Vec::new, |cells| cells.all(now)),
            expires_in: (expires != 0).then(|| Duration::from_millis(expires.saturating_sub(now))),
        })
    }

    fn server(&self) -> u32 {
        self.destination
            .as_ref()
            .map_or(0, |destination| destination.id)
    }

    /// Counts changes of what is stored as use.
    fn settle(&mut self, expire: Millis) {
        if let Some(cells) = &self.cells {
            self.used = self.used.max(cells.changed());
            self.expires = after(self.used, expire);
        }
    }

    fn has_expired(&self, now: Millis) -> bool {
        self.trackers == 0 && self.expires != 0 && now >= self.expires
    }
}

/// When an entry that is used now expires; 0 for never.
fn after(now: Millis, expire: Millis) -> Millis {
    if expire == 0 { 0 } else { now + expire }
}
