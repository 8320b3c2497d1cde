//! What a stream socket asks of the poller that sends and receives for it in crowded rounds.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::io::Errno;

use super::departures::Departures;
use super::entry::{ENDED, Entry, READ, WRITE};
use super::{Arrival, Direction, Watch, add, wait, with};

/// Starts to watch a stream socket, for which the poller sends and receives in crowded rounds.
///
/// # Errors
/// What `epoll_ctl` says.
pub(in crate::engine) fn watch_stream(fd: &Rc<OwnedFd>, direction: Direction) -> io::Result<Watch> {
    add(fd, direction, Some(Rc::clone(fd)))
}

/// Ready when [`arrived`] or a receive is worth a try. Until then the poller may receive, if it may do
/// so ahead of the task.
pub(in crate::engine) fn poll_arrival(
    cx: &mut Context<'_>,
    fd: impl AsFd,
    watch: Watch,
    ahead: bool,
) -> Poll<io::Result<()>> {
    let arrival = if ahead { Arrival::Ahead } else { Arrival::Left };
    wait(cx, fd, watch, Direction::Read, arrival)
}

/// What [`arrived`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Taken {
    /// Bytes.
    pub(in crate::engine) len: usize,
    /// There may be more behind them, which a receive would find.
    pub(in crate::engine) more: bool,
}

/// Takes what the poller has received. `None` when that is nothing, and a receive is worth a try.
///
/// # Errors
/// That of a call that was made for the task.
pub(in crate::engine) fn arrived(watch: Watch, room: &mut [u8]) -> io::Result<Option<Taken>> {
    with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let Some(entry) = entries.get_mut(watch.0 as usize) else {
            return Ok(None);
        };
        match poller.arrivals.borrow_mut().take(watch.0, entry, room) {
            Some(len) => Ok(Some(Taken {
                len,
                more: entry.ready & READ != 0 && !entry.has_arrived(),
            })),
            // What came before a connection broke can be had, as it can of the system.
            None => entry.failure.take().map_or(Ok(None), |e| Err(e.into())),
        }
    })
}

/// Keeps the error of a call for whoever makes the next.
pub(in crate::engine) fn fail(watch: Watch, error: Errno) {
    let _ = with(|poller| {
        if let Some(entry) = poller.entries.borrow_mut().get_mut(watch.0 as usize) {
            entry.failure = Some(error);
        }
        Ok(())
    });
}

/// Why a call failed that was made for the task.
pub(in crate::engine) fn take_failure(watch: Watch) -> Option<io::Error> {
    with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let entry = entries.get_mut(watch.0 as usize);
        Ok(entry.and_then(|entry| entry.failure.take()))
    })
    .ok()?
    .map(Into::into)
}

/// Whether the poller has received something that was not taken.
pub(in crate::engine) fn has_arrived(watch: Watch) -> bool {
    with(|poller| {
        let entries = poller.entries.borrow();
        let entry = entries.get(watch.0 as usize);
        Ok(entry.is_some_and(Entry::has_arrived))
    })
    .unwrap_or(false)
}

/// Posts a small message in a crowded round: `Ready(true)`, and it is as good as sent. `Ready(false)`
/// when it has to be sent, and can be. Pending when others are held that come before it.
///
/// # Errors
/// That of a call that was made for the task.
pub(in crate::engine) fn poll_post(
    cx: &Context<'_>,
    watch: Watch,
    first: &[u8],
    second: &[u8],
) -> Poll<io::Result<bool>> {
    let posted = with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let Some(entry) = poller.settled(&mut entries, watch) else {
            return Ok(Some(false));
        };
        if let Some(error) = entry.failure.take() {
            return Err(error.into());
        }
        if entry.held.is_some() {
            entry.wake(cx, WRITE);
            return Ok(None);
        }
        let len = first.len() + second.len();
        if !poller.crowded.get() || entry.ready & ENDED != 0 || !Departures::fits(len) {
            return Ok(Some(false));
        }
        let mut departures = poller.departures.borrow_mut();
        departures.post(watch.0, entry, first, second);
        if departures.is_full() {
            departures.send(&poller.epoll, &mut entries);
        }
        Ok(Some(true))
    });
    match posted {
        Ok(Some(posted)) => Poll::Ready(Ok(posted)),
        Ok(None) => Poll::Pending,
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// Sends what the socket has posted. `false` when some of it is held: then the task is woken when
/// that has left.
pub(in crate::engine) fn poll_posted(cx: &Context<'_>, watch: Watch) -> bool {
    with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let entry = poller.settled(&mut entries, watch);
        let held = entry.filter(|entry| entry.held.is_some());
        Ok(held.map(|entry| entry.wake(cx, WRITE)).is_none())
    })
    .unwrap_or(true)
}

/// Sends what the socket has posted. `true` when some of it is held, and will be followed by a FIN.
pub(in crate::engine) fn end(watch: Watch) -> bool {
    with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let entry = poller.settled(&mut entries, watch);
        let held = entry.and_then(|entry| entry.held.as_mut());
        Ok(held.map(|held| held.end()).is_some())
    })
    .unwrap_or(false)
}

/// Sends what the socket has posted, and drops what the kernel does not take: a RST comes next.
pub(in crate::engine) fn abandon(watch: Watch) {
    let _ = with(|poller| {
        if let Some(entry) = poller.settled(&mut poller.entries.borrow_mut(), watch) {
            entry.held = None;
        }
        Ok(())
    });
}
