//! What a stream socket asks of the poller that sends and receives for it in crowded rounds.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::io::Errno;

use super::departures::Departures;
use super::entry::{ENDED, READ, WRITE};
use super::{Arrival, Direction, Watch, add, with};

/// What [`Watch::arrived`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Taken {
    /// Bytes.
    pub(in crate::engine) len: usize,
    /// There may be more behind them, which a receive would find.
    pub(in crate::engine) more: bool,
}

impl Watch {
    /// Starts to watch a stream socket, for which the poller sends and receives in crowded rounds.
    ///
    /// # Errors
    /// What `epoll_ctl` says.
    #[cold]
    pub(in crate::engine) fn stream(fd: &Rc<OwnedFd>, direction: Direction) -> io::Result<Self> {
        add(&**fd, direction, Some(Rc::clone(fd)))
    }

    /// Ready when [`Watch::arrived`] or a receive is worth a try. Until then the poller may receive, if
    /// it may do so ahead of the task.
    pub(in crate::engine) fn poll_arrival(
        &self,
        cx: &mut Context<'_>,
        fd: impl AsFd,
        ahead: bool,
    ) -> Poll<io::Result<()>> {
        let arrival = if ahead { Arrival::Ahead } else { Arrival::Left };
        self.wait(cx, fd, Direction::Read, arrival)
    }

    /// Takes what the poller has received. `None` when that is nothing, and a receive is worth a try.
    ///
    /// # Errors
    /// That of a call that was made for the task.
    pub(in crate::engine) fn arrived(&self, room: &mut [u8]) -> io::Result<Option<Taken>> {
        let entry = &*self.0;
        if entry.has_arrived()
            && let Some(len) = with(|poller| Ok(poller.arrivals.borrow_mut().take(entry, room)))?
        {
            return Ok(Some(Taken {
                len,
                more: entry.is_ready(READ) && !entry.has_arrived(),
            }));
        }
        // What came before a connection broke can be had, as it can of the system.
        entry.failure.take().map_or(Ok(None), |e| Err(e.into()))
    }

    /// Keeps the error of a call for whoever makes the next.
    pub(in crate::engine) fn fail(&self, error: Errno) {
        self.0.failure.set(Some(error));
    }

    /// Why a call failed that was made for the task.
    pub(in crate::engine) fn take_failure(&self) -> Option<io::Error> {
        self.0.failure.take().map(Into::into)
    }

    /// Whether the poller has received something that was not taken.
    pub(in crate::engine) fn has_arrived(&self) -> bool {
        self.0.has_arrived()
    }

    /// Posts a small message in a crowded round: `Ready(true)`, and it is as good as sent.
    /// `Ready(false)` when it has to be sent, and can be. Pending when others are held that come
    /// before it.
    ///
    /// # Errors
    /// That of a call that was made for the task.
    pub(in crate::engine) fn poll_post(
        &self,
        cx: &Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<bool>> {
        self.settle();
        let entry = &*self.0;
        if let Some(error) = entry.failure.take() {
            return Poll::Ready(Err(error.into()));
        }
        if entry.holds() {
            entry.wake_for(cx, WRITE);
            return Poll::Pending;
        }
        if entry.is_ready(ENDED) || !Departures::fits(first.len() + second.len()) {
            return Poll::Ready(Ok(false));
        }
        Poll::Ready(with(|poller| {
            if !poller.crowded.get() {
                return Ok(false);
            }
            let mut departures = poller.departures.borrow_mut();
            departures.post(entry, first, second);
            if departures.is_full() {
                departures.send(&poller.epoll, &poller.entries.borrow());
            }
            Ok(true)
        }))
    }

    /// Sends what the socket has posted. `false` when some of it is held: then the task is woken when
    /// that has left.
    pub(in crate::engine) fn poll_posted(&self, cx: &Context<'_>) -> bool {
        self.settle();
        let holds = self.0.holds();
        if holds {
            self.0.wake_for(cx, WRITE);
        }
        !holds
    }

    /// Sends what the socket has posted. `true` when some of it is held, and will be followed by a FIN.
    pub(in crate::engine) fn end(&self) -> bool {
        self.settle();
        let mut held = self.0.held.borrow_mut();
        held.as_mut().map(|held| held.end()).is_some()
    }

    /// Sends what the socket has posted, and drops what the kernel does not take: a RST comes next.
    pub(in crate::engine) fn abandon(&self) {
        self.settle();
        *self.0.held.borrow_mut() = None;
    }

    /// Sends what the socket has posted.
    pub(super) fn settle(&self) {
        if self.0.posted.get() {
            let _ = with(|poller| {
                let mut departures = poller.departures.borrow_mut();
                departures.send(&poller.epoll, &poller.entries.borrow());
                Ok(())
            });
        }
    }
}
