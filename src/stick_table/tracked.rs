//! What a session tracks.

use std::cell::RefCell;
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

type Slots = [Option<Tracked>; COUNTERS as usize];

#[derive(Debug, Default)]
struct Entries {
    connection: Slots,
    request: Slots,
}

/// What a session tracks under the numbers 0 to 2: for the connection, and for the request, which
/// hides what the connection has under the same number. A session that tracks nothing holds nothing.
#[derive(Debug, Default)]
pub struct Tracking(RefCell<Option<Box<Entries>>>);

impl Tracking {
    /// Whether an entry is tracked under a number, for that long.
    pub fn has(&self, counter: u8, span: Span) -> bool {
        let entries = self.0.borrow();
        let slots = entries.as_ref().map(|entries| entries.of(span));
        slots.is_some_and(|slots| slots.get(usize::from(counter)).is_some_and(Option::is_some))
    }

    /// Tracks an entry, unless the number has one.
    pub fn keep(&self, counter: u8, span: Span, tracked: Tracked) {
        let mut entries = self.0.borrow_mut();
        let slots = entries.get_or_insert_default().of_mut(span);
        if let Some(slot) = slots.get_mut(usize::from(counter)) {
            slot.get_or_insert(tracked);
        }
    }

    /// Looks at what is tracked under a number.
    pub fn look<R>(&self, counter: u8, look: impl FnOnce(&Tracked) -> R) -> Option<R> {
        let entries = self.0.borrow();
        let entries = entries.as_ref()?;
        let of = |slots: &'_ Slots| slots.get(usize::from(counter)).is_some_and(Option::is_some);
        let slots = if of(&entries.request) {
            &entries.request
        } else {
            &entries.connection
        };
        slots.get(usize::from(counter))?.as_ref().map(look)
    }

    /// Counts in everything that is tracked, but for what the request hides.
    pub fn count(&self, event: Event, now: Millis) {
        let entries = self.0.borrow();
        let Some(entries) = entries.as_ref() else {
            return;
        };
        for (request, connection) in entries.request.iter().zip(&entries.connection) {
            let shown = request.as_ref().or(connection.as_ref());
            if let Some(cells) = shown.and_then(Tracked::cells) {
                cells.count(event, now);
            }
        }
    }

    /// Whether anything is tracked.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// The request is over.
    pub fn end_request(&self) {
        if let Some(entries) = self.0.borrow_mut().as_mut() {
            entries.request = Slots::default();
        }
    }
}

impl Entries {
    fn of(&self, span: Span) -> &Slots {
        match span {
            Span::Connection => &self.connection,
            Span::Request => &self.request,
        }
    }

    fn of_mut(&mut self, span: Span) -> &mut Slots {
        match span {
            Span::Connection => &mut self.connection,
            Span::Request => &mut self.request,
        }
    }
}
