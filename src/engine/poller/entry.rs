//! What a poller knows of a watched descriptor.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Waker};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use super::arrivals::Arrived;
use super::departures::Held;

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Direction {
    /// Something can be received, or a connection accepted.
    Read,
    /// Something can be sent.
    Write,
}

pub(super) const READ: u8 = 1;
pub(super) const WRITE: u8 = 2;
/// The peer has sent its last byte, or the connection is broken: a receive does not block.
pub(super) const ENDED: u8 = 4;

/// What is known of a watched descriptor. The poller and the one who watches share it, so that neither
/// has to look for it.
#[derive(Debug)]
pub(super) struct Entry {
    /// What the kernel's events call it.
    pub(super) number: u32,
    /// What the kernel has reported and no call has denied since.
    pub(super) ready: Cell<u8>,
    /// What the task waits for.
    pub(super) wanted: Cell<u8>,
    /// What the kernel reports.
    pub(super) watched: Cell<u8>,
    /// The task waits to receive, and for nothing else there is to read.
    pub(super) receives: Cell<bool>,
    /// A message of it waits for the next round.
    pub(super) posted: Cell<bool>,
    pub(super) arrived: Cell<Arrived>,
    /// Why a call failed that was made for the task.
    pub(super) failure: Cell<Option<Errno>>,
    waker: RefCell<Option<Waker>>,
    /// What tells that waker from all others, as long as it is kept; null when there is none.
    sleeper: Cell<*const ()>,
    /// The socket, when the poller may send and receive for it.
    pub(super) fd: Option<Rc<OwnedFd>>,
    pub(super) held: RefCell<Option<Box<Held>>>,
}

impl Entry {
    pub(super) fn new(number: u32, watched: u8, fd: Option<Rc<OwnedFd>>) -> Self {
        Self {
            number,
            ready: Cell::new(0),
            wanted: Cell::new(0),
            watched: Cell::new(watched),
            receives: Cell::new(false),
            posted: Cell::new(false),
            arrived: Cell::new(Arrived::Nothing),
            failure: Cell::new(None),
            waker: RefCell::new(None),
            sleeper: Cell::new(ptr::null()),
            fd,
            held: RefCell::new(None),
        }
    }

    /// Whether something can be taken from [`Arrivals`](super::arrivals::Arrivals).
    pub(super) fn has_arrived(&self) -> bool {
        self.arrived.get() != Arrived::Nothing
    }

    /// Whether the kernel has not taken all that was posted.
    pub(super) fn holds(&self) -> bool {
        self.held.borrow().is_some()
    }

    /// Whether a call in that direction is worth a try.
    pub(super) fn is_ready(&self, bit: u8) -> bool {
        self.ready.get() & bit != 0
    }

    /// Notes what was reported.
    pub(super) fn note(&self, bits: u8) {
        self.ready.set(self.ready.get() | bits);
    }

    /// Notes that what was reported holds no more.
    pub(super) fn deny(&self, bits: u8) {
        self.ready.set(self.ready.get() & !bits);
    }

    /// Has the kernel report these as well.
    pub(super) fn watch_more(&self, epoll: &OwnedFd, fd: impl AsFd, bits: u8) -> Result<(), Errno> {
        let watched = self.watched.get();
        if watched & bits != bits {
            self.watched.set(watched | bits);
            let data = EventData::new_u64(u64::from(self.number));
            epoll::modify(epoll, fd, data, flags(watched | bits))?;
        }
        Ok(())
    }

    /// Has the task woken when one of these is reported.
    pub(super) fn wake_for(&self, cx: &Context<'_>, bits: u8) {
        self.wanted.set(self.wanted.get() | bits);
        if self.sleeper.get() != cx.waker().data() {
            self.change_sleeper(cx.waker());
        }
    }

    #[cold]
    fn change_sleeper(&self, waker: &Waker) {
        self.sleeper.set(waker.data());
        let before = self.waker.replace(Some(waker.clone()));
        drop(before);
    }

    /// Wakes the task.
    pub(super) fn wake(&self) {
        self.wanted.set(0);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Wakes nobody any more.
    pub(super) fn release(&self) {
        self.wanted.set(0);
        self.receives.set(false);
        self.sleeper.set(ptr::null());
        let waker = self.waker.take();
        // The last of a task may go with it, and its sockets.
        drop(waker);
    }
}

pub(super) fn bit(direction: Direction) -> u8 {
    match direction {
        Direction::Read => READ,
        Direction::Write => WRITE,
    }
}

pub(super) fn flags(watched: u8) -> EventFlags {
    let mut flags = EventFlags::ET | EventFlags::RDHUP;
    if watched & READ != 0 {
        flags |= EventFlags::IN;
    }
    if watched & WRITE != 0 {
        flags |= EventFlags::OUT;
    }
    flags
}

pub(super) fn bits(flags: EventFlags) -> u8 {
    let mut bits = 0;
    if flags.intersects(EventFlags::IN) {
        bits |= READ;
    }
    if flags.intersects(EventFlags::OUT) {
        bits |= WRITE;
    }
    if flags.intersects(EventFlags::RDHUP) {
        bits |= READ | ENDED;
    }
    if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
        bits |= READ | WRITE | ENDED;
    }
    bits
}
