//! Requests that wait for a place on a server. Manual 1.4, section 5 "maxconn", "maxqueue".
//!
//! A request that any server may serve waits in the queue of the backend, one that belongs to a
//! server in the queue of that. A server that has room takes the oldest of both.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Backend, Server, Slot};

/// What somebody who waits is told.
#[derive(Debug)]
pub(crate) enum Turn {
    /// There is room, and it is taken.
    Served(Slot),
    /// That server is gone: another one is to be chosen.
    Elsewhere,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    number: u64,
    /// When the request was complete: the order in which they are served.
    since: Instant,
    /// It stays with its server whatever happens.
    pub(super) faithful: bool,
    wake: oneshot::Sender<Turn>,
}

impl Waiter {
    /// Says what has come of it. Whoever has given up meanwhile gives the slot on, by dropping it.
    pub(super) fn tell(self, turn: Turn) {
        let _ = self.wake.send(turn);
    }
}

/// Those who wait in one place, the first at the front.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiters: VecDeque<Waiter>,
}

impl Queue {
    /// Adds one, and answers how it will hear.
    pub(super) fn join(
        &mut self,
        number: u64,
        since: Instant,
        faithful: bool,
    ) -> oneshot::Receiver<Turn> {
        let (wake, turn) = oneshot::channel();
        self.waiters.push_back(Waiter {
            number,
            since,
            faithful,
            wake,
        });
        turn
    }

    /// How many wait.
    pub(super) fn len(&self) -> u32 {
        self.waiters.len() as u32
    }

    /// Since when the first waits.
    pub(super) fn first(&self) -> Option<Instant> {
        self.waiters.front().map(|waiter| waiter.since)
    }

    /// Takes the first.
    pub(super) fn take(&mut self) -> Option<Waiter> {
        self.waiters.pop_front()
    }

    /// Takes those who need not stay.
    pub(super) fn take_unfaithful(&mut self) -> Vec<Waiter> {
        let waiters = std::mem::take(&mut self.waiters);
        let (stay, leave): (VecDeque<_>, VecDeque<_>) =
            waiters.into_iter().partition(|waiter| waiter.faithful);
        self.waiters = stay;
        leave.into()
    }

    /// Takes everybody.
    pub(super) fn take_all(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.waiters).into()
    }

    /// Takes one that has given up. Answers whether it was here.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        let before = self.waiters.len();
        self.waiters.retain(|waiter| waiter.number != number);
        self.waiters.len() < before
    }
}

/// A place in a queue, given up when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) turn: oneshot::Receiver<Turn>,
    pub(super) number: u64,
    pub(super) backend: Arc<Backend>,
    /// The server that is waited for; `None` for any.
    pub(crate) server: Option<Arc<Server>>,
    /// How many waited there when it came, this one included.
    pub(crate) place: u32,
    pub(super) over: bool,
}

impl Ticket {
    /// Ready when the turn has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        Pin::new(&mut self.turn).poll(cx).map(|turn| {
            self.over = true;
            // A queue that is gone with its server leaves nobody behind without a word.
            turn.unwrap_or(Turn::Elsewhere)
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.over {
            self.backend.leave_queue(self.number, self.server.as_ref());
        }
    }
}
