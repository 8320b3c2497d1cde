//! The poller of a worker: an epoll instance of its own, inside the runtime's.
//!
//! The runtime's registrations are made for sockets that live long. A proxy's often do not: they
//! are registered when they must wait, forgotten by the kernel when they are closed, and their
//! readiness is looked at by one task of the same thread. So sockets are watched here, with a
//! few bytes each and no call at their end, and the runtime watches this one descriptor.
//!
//! [`drive`] is the task that turns events into wake-ups. It also has *rounds*: a task that
//! expects an answer soon asks with [`later`] to be woken after all others have run and the
//! events were looked at once more. On a busy thread the answer is there by then, and neither a
//! failed receive nor a registration was needed.
//!
//! A *crowded* round does the work of its many tasks in one go: it sends what they have posted
//! ([`departures`]), asks for events, and receives for those that wait to ([`arrivals`]). What a
//! socket asks of that is in [`stream`].

mod arrivals;
mod departures;
mod entry;
mod stream;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData};
use rustix::io::Errno;
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use arrivals::Arrivals;
use departures::Departures;
use entry::{ENDED, Entry, READ, WRITE, bit, bits, flags};

pub(super) use arrivals::AHEAD;
pub(super) use entry::Direction;
pub(super) use stream::{
    abandon, arrived, end, fail, has_arrived, poll_arrival, poll_post, poll_posted, take_failure,
    watch_stream,
};

/// Events taken in one round. Those left over come with the next.
const ROUND: usize = 256;

/// Bytes that a round may have received and not passed on, and that wait to be sent.
pub(super) const ROUND_BYTES: usize = arrivals::BLOCK + departures::BATCH * departures::MOST;

/// From so many events in a round on it is crowded: the kernel is called for many tasks in a row. With
/// fewer the calls are made when they are due, which lets peers go on sooner.
const CROWD: usize = 16;

/// From so many events in a round on the thread is busy: there is other work to be done while an
/// answer is on its way.
const BUSY: usize = 4;

#[derive(Debug)]
struct Poller {
    epoll: OwnedFd,
    entries: RefCell<Slab<Entry>>,
    arrivals: RefCell<Arrivals>,
    departures: RefCell<Departures>,
    /// Who is to be woken after the next look at events.
    later: RefCell<Vec<Waker>>,
    busy: Cell<bool>,
    crowded: Cell<bool>,
    /// The number of this round.
    number: Cell<u64>,
}

thread_local! {
    /// Each worker is one thread and has one poller.
    static POLLER: OnceCell<Poller> = const { OnceCell::new() };
}

/// A place in the poller of this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch(u32);

/// Makes the poller of this thread.
///
/// # Errors
/// When there are no descriptors left.
pub(super) fn install() -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    POLLER.with(|cell| {
        cell.get_or_init(|| Poller {
            epoll,
            entries: RefCell::default(),
            arrivals: RefCell::new(Arrivals::new()),
            departures: RefCell::default(),
            later: RefCell::default(),
            busy: Cell::new(false),
            crowded: Cell::new(false),
            number: Cell::new(0),
        });
    });
    Ok(())
}

fn with<T>(f: impl FnOnce(&Poller) -> io::Result<T>) -> io::Result<T> {
    POLLER
        .try_with(|cell| match cell.get() {
            Some(poller) => f(poller),
            None => Err(io::ErrorKind::Unsupported.into()),
        })
        .unwrap_or_else(|_| Err(io::ErrorKind::Unsupported.into()))
}

/// Starts to watch a descriptor. What is ready already is reported like what comes.
///
/// # Errors
/// What `epoll_ctl` says.
pub(super) fn watch(fd: impl AsFd, direction: Direction) -> io::Result<Watch> {
    add(fd, direction, None)
}

fn add(fd: impl AsFd, direction: Direction, stream: Option<Rc<OwnedFd>>) -> io::Result<Watch> {
    with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let place = entries.vacant_entry();
        let watched = bit(direction) | READ;
        let data = EventData::new_u64(place.key() as u64);
        epoll::add(&poller.epoll, fd, data, flags(watched))?;
        let watch = Watch(place.key() as u32);
        place.insert(Entry::new(watched, stream));
        Ok(watch)
    })
}

/// Forgets a descriptor that is about to be closed, which takes it from the kernel's list. Answers
/// whether something has arrived that nobody has taken.
pub(super) fn forget(watch: Watch) -> bool {
    let gone = with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let Some(entry) = poller.settled(&mut entries, watch) else {
            return Ok((false, None, None));
        };
        let unread = poller.arrivals.borrow_mut().drop_of(watch.0, entry);
        if !unread && let (Some(held), Some(fd)) = (&mut entry.held, &entry.fd) {
            held.leave(fd);
            return Ok((false, entry.waker.take(), None));
        }
        Ok((unread, None, entries.try_remove(watch.0 as usize)))
    });
    // What is dropped here may be a task, with sockets of its own.
    gone.is_ok_and(|(unread, _, _)| unread)
}

/// Takes a descriptor that others may hold too from the kernel's list.
pub(super) fn unwatch(fd: impl AsFd, watch: Watch) {
    let _ = with(|poller| Ok(epoll::delete(&poller.epoll, fd)?));
    forget(watch);
}

/// Ready when a call in that direction is worth a try. The task is woken when that changes.
pub(super) fn poll_ready(
    cx: &mut Context<'_>,
    fd: impl AsFd,
    watch: Watch,
    direction: Direction,
) -> Poll<io::Result<()>> {
    wait(cx, fd, watch, direction, Arrival::Untouched)
}

/// What becomes of bytes that arrive while a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// They stay where they are.
    Untouched,
    /// The task will receive them.
    Left,
    /// The poller may receive them for the task.
    Ahead,
}

fn wait(
    cx: &mut Context<'_>,
    fd: impl AsFd,
    watch: Watch,
    direction: Direction,
    arrival: Arrival,
) -> Poll<io::Result<()>> {
    let found = with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let Some(entry) = entries.get_mut(watch.0 as usize) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let bit = bit(direction);
        if entry.ready & bit != 0 || arrival != Arrival::Untouched && entry.has_arrived() {
            return Ok(true);
        }
        if bit == READ {
            entry.receives = arrival == Arrival::Ahead;
        }
        entry.wake(cx, bit);
        if entry.watched & bit == 0 {
            entry.watched |= bit;
            let data = EventData::new_u64(u64::from(watch.0));
            epoll::modify(&poller.epoll, fd, data, flags(entry.watched))?;
        }
        Ok(false)
    });
    match found {
        Ok(true) => Poll::Ready(Ok(())),
        Ok(false) => Poll::Pending,
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// Has the task woken by the next thing that is reported of receiving, whatever is known already.
pub(super) fn await_news(cx: &Context<'_>, watch: Watch) {
    let _ = with(|poller| {
        if let Some(entry) = poller.entries.borrow_mut().get_mut(watch.0 as usize) {
            entry.wake(cx, READ);
        }
        Ok(())
    });
}

/// Whether the peer is known to have sent its last byte.
pub(super) fn has_ended(watch: Watch) -> bool {
    with(|poller| {
        let entries = poller.entries.borrow();
        let entry = entries.get(watch.0 as usize);
        Ok(entry.is_some_and(|entry| entry.ready & ENDED != 0))
    })
    .unwrap_or(false)
}

/// Says that a call would have blocked.
pub(super) fn blocked(watch: Watch, direction: Direction) {
    clear(watch, |_| bit(direction));
}

/// Says that a receive took all there was: unless the stream has ended, the next would block.
pub(super) fn drained(watch: Watch) {
    clear(watch, |ready| if ready & ENDED == 0 { READ } else { 0 });
}

fn clear(watch: Watch, bits: impl FnOnce(u8) -> u8) {
    let _ = with(|poller| {
        if let Some(entry) = poller.entries.borrow_mut().get_mut(watch.0 as usize) {
            entry.ready &= !bits(entry.ready);
        }
        Ok(())
    });
}

/// Forgets what was reported: the descriptor is about to get another connection.
pub(super) fn renew(watch: Watch) {
    let old = with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        Ok(entries.get_mut(watch.0 as usize).and_then(|entry| {
            poller.arrivals.borrow_mut().drop_of(watch.0, entry);
            entry.ready = 0;
            entry.wanted = 0;
            entry.receives = false;
            entry.failure = None;
            entry.waker.take()
        }))
    });
    drop(old);
}

/// Wakes nobody any more when something happens, but goes on noting it.
pub(super) fn release(watch: Watch) {
    let old = with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        Ok(entries.get_mut(watch.0 as usize).and_then(|entry| {
            entry.wanted = 0;
            entry.receives = false;
            entry.waker.take()
        }))
    });
    drop(old);
}

/// Whether something was reported that no call has denied yet.
pub(super) fn is_ready(watch: Watch, direction: Direction) -> bool {
    with(|poller| {
        let entries = poller.entries.borrow();
        let Some(entry) = entries.get(watch.0 as usize) else {
            return Ok(true);
        };
        let arrived = direction == Direction::Read && entry.has_arrived();
        Ok(arrived || entry.ready & bit(direction) != 0)
    })
    .unwrap_or(true)
}

/// Wakes the task after all others have run and events were looked at once more. `false`, and
/// nothing happens, when there are no others that would make it worthwhile.
pub(super) fn later(cx: &Context<'_>) -> bool {
    with(|poller| {
        if !poller.busy.get() {
            return Ok(false);
        }
        // The driver comes by again: that is what busy means.
        poller.later.borrow_mut().push(cx.waker().clone());
        Ok(true)
    })
    .unwrap_or(false)
}

/// The number of the crowded round whose tasks run now; `None` when it is none, and tasks may run at
/// any time.
pub(super) fn round() -> Option<u64> {
    with(|poller| Ok(poller.crowded.get().then(|| poller.number.get()))).unwrap_or(None)
}

/// Turns events into wake-ups, for as long as the thread lives.
///
/// # Errors
/// When the poller cannot be watched or asked.
pub(super) async fn drive() -> io::Result<()> {
    let outer = outer()?;
    let mut events: Vec<Event> = Vec::with_capacity(ROUND);
    poll_fn(|cx| {
        with(|poller| {
            loop {
                // After a round with much in it the next is begun once all tasks have run: a look
                // whether there is anything would cost as much.
                if !poller.busy.get() {
                    // Cleared before the events are taken, so that none is missed.
                    match outer.poll_read_ready(cx) {
                        Poll::Ready(guard) => guard?.clear_ready(),
                        Poll::Pending => return Ok(Poll::Pending),
                    }
                }
                let found = poller.round(&mut events)?;
                poller.busy.set(found >= BUSY);
                if found >= BUSY {
                    cx.waker().wake_by_ref();
                    return Ok(Poll::Pending);
                }
            }
        })
        .unwrap_or_else(|error| Poll::Ready(Err(error)))
    })
    .await
}

impl Poller {
    /// Sends what was posted, takes what the kernel reports now, receives for those who wait to,
    /// and wakes them. Answers how many events there were.
    fn round(&self, events: &mut Vec<Event>) -> io::Result<usize> {
        let mut departures = self.departures.borrow_mut();
        departures.send(&self.epoll, &mut self.entries.borrow_mut());
        drop(departures);
        self.number.set(self.number.get() + 1);
        events.clear();
        let now = Timespec::default();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(events),
            Some(&now),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let crowded = events.len() >= CROWD;
        self.crowded.set(crowded);
        let mut entries = self.entries.borrow_mut();
        let mut arrivals = self.arrivals.borrow_mut();
        arrivals.begin(&mut entries);
        for event in &*events {
            let (flags, data) = (event.flags, event.data.u64());
            let Some(entry) = entries.get_mut(data as usize) else {
                continue;
            };
            let reported = bits(flags);
            let mut ready = reported;
            if crowded && entry.receives && reported == READ {
                ready = arrivals.receive(data as u32, entry);
            }
            entry.ready |= ready;
            if reported & WRITE != 0 && entry.send_held() {
                entries.remove(data as usize);
                continue;
            }
            if reported & READ != 0 {
                entry.receives = false;
            }
            if reported & entry.wanted != 0 {
                entry.wanted = 0;
                if let Some(waker) = &entry.waker {
                    waker.wake_by_ref();
                }
            }
        }
        drop(arrivals);
        drop(entries);
        for waker in self.later.borrow_mut().drain(..) {
            waker.wake();
        }
        Ok(events.len())
    }

    /// The entry of a socket, all that it has posted sent.
    fn settled<'a>(&self, entries: &'a mut Slab<Entry>, watch: Watch) -> Option<&'a mut Entry> {
        let number = watch.0 as usize;
        if entries.get(number)?.posted {
            self.departures.borrow_mut().send(&self.epoll, entries);
        }
        entries.get_mut(number)
    }
}

#[allow(
    unsafe_code,
    reason = "the runtime wants to be promised that the descriptor stays open"
)]
fn outer() -> io::Result<AsyncFd<OwnedFd>> {
    // A duplicate: the poller is used through the thread and outlives the runtime.
    let fd = with(|poller| poller.epoll.try_clone())?;
    // SAFETY: an `OwnedFd` is an open descriptor that nobody else closes and that stays the same
    // for as long as the `AsyncFd` owns it.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}
