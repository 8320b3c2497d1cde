//! What a poller knows of a watched descriptor.

use std::os::fd::OwnedFd;
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

/// What is known of a watched descriptor.
#[derive(Debug)]
pub(super) struct Entry {
    /// What the kernel has reported and no call has denied since.
    pub(super) ready: u8,
    /// What the task waits for.
    pub(super) wanted: u8,
    /// What the kernel reports.
    pub(super) watched: u8,
    /// The task waits to receive, and for nothing else there is to read.
    pub(super) receives: bool,
    /// A message of it waits for the next round.
    pub(super) posted: bool,
    pub(super) arrived: Arrived,
    /// Why a call failed that was made for the task.
    pub(super) failure: Option<Errno>,
    pub(super) waker: Option<Waker>,
    /// The socket, when the poller may send and receive for it.
    pub(super) fd: Option<Rc<OwnedFd>>,
    pub(super) held: Option<Box<Held>>,
}

impl Entry {
    pub(super) fn new(watched: u8, fd: Option<Rc<OwnedFd>>) -> Self {
        Self {
            ready: 0,
            wanted: 0,
            watched,
            receives: false,
            posted: false,
            arrived: Arrived::Nothing,
            failure: None,
            waker: None,
            fd,
            held: None,
        }
    }

    /// Whether something can be taken from [`Arrivals`].
    pub(super) fn has_arrived(&self) -> bool {
        self.arrived != Arrived::Nothing
    }

    /// Has the kernel report these as well.
    pub(super) fn watch_more(
        &mut self,
        epoll: &OwnedFd,
        number: u32,
        bits: u8,
    ) -> Result<(), Errno> {
        if self.watched & bits != bits
            && let Some(fd) = &self.fd
        {
            self.watched |= bits;
            let data = EventData::new_u64(u64::from(number));
            epoll::modify(epoll, fd, data, flags(self.watched))?;
        }
        Ok(())
    }

    /// Has the task woken when one of these is reported.
    pub(super) fn wake(&mut self, cx: &Context<'_>, bits: u8) {
        self.wanted |= bits;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
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
