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

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, Waker};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Something can be received, or a connection accepted.
    Read,
    /// Something can be sent.
    Write,
}

/// Events taken in one round. Those left over come with the next.
const ROUND: usize = 256;

/// From so many events in a round on the thread is busy: there is other work to be done while an
/// answer is on its way.
const BUSY: usize = 4;

const READ: u8 = 1;
const WRITE: u8 = 2;
/// The peer has sent its last byte, or the connection is broken: a receive does not block.
const ENDED: u8 = 4;

/// What is known of a watched descriptor.
#[derive(Debug)]
struct Entry {
    /// What the kernel has reported and no call has denied since.
    ready: u8,
    /// What the task waits for.
    wanted: u8,
    /// What the kernel reports.
    watched: u8,
    waker: Option<Waker>,
}

impl Entry {
    /// Has the task woken when one of these is reported.
    fn wake(&mut self, cx: &Context<'_>, bits: u8) {
        self.wanted |= bits;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
    }
}

#[derive(Debug)]
struct Poller {
    epoll: OwnedFd,
    entries: RefCell<Slab<Entry>>,
    /// Who is to be woken after the next look at events.
    later: RefCell<Vec<Waker>>,
    busy: Cell<bool>,
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
            later: RefCell::default(),
            busy: Cell::new(false),
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
    with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let place = entries.vacant_entry();
        let watched = bit(direction) | READ;
        let data = EventData::new_u64(place.key() as u64);
        epoll::add(&poller.epoll, fd, data, flags(watched))?;
        let watch = Watch(place.key() as u32);
        place.insert(Entry {
            ready: 0,
            wanted: 0,
            watched,
            waker: None,
        });
        Ok(watch)
    })
}

/// Forgets a descriptor that is about to be closed, which takes it from the kernel's list.
pub(super) fn forget(watch: Watch) {
    let _ = with(|poller| Ok(poller.entries.borrow_mut().try_remove(watch.0 as usize)));
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
    let found = with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let Some(entry) = entries.get_mut(watch.0 as usize) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let bit = bit(direction);
        if entry.ready & bit != 0 {
            return Ok(true);
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
            entry.ready = 0;
            entry.wanted = 0;
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
            entry.waker.take()
        }))
    });
    drop(old);
}

/// Whether something was reported that no call has denied yet.
pub(super) fn is_ready(watch: Watch, direction: Direction) -> bool {
    with(|poller| {
        let entries = poller.entries.borrow();
        let entry = entries.get(watch.0 as usize);
        Ok(entry.is_none_or(|entry| entry.ready & bit(direction) != 0))
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
    /// Takes what the kernel reports now, and wakes who waits for it. Answers how many events
    /// there were.
    fn round(&self, events: &mut Vec<Event>) -> io::Result<usize> {
        events.clear();
        let now = Timespec::default();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(events),
            Some(&now),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut entries = self.entries.borrow_mut();
        for event in &*events {
            let (flags, data) = (event.flags, event.data.u64());
            let Some(entry) = entries.get_mut(data as usize) else {
                continue;
            };
            let reported = bits(flags);
            entry.ready |= reported;
            if reported & entry.wanted != 0 {
                entry.wanted = 0;
                if let Some(waker) = &entry.waker {
                    waker.wake_by_ref();
                }
            }
        }
        drop(entries);
        for waker in self.later.borrow_mut().drain(..) {
            waker.wake();
        }
        Ok(events.len())
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

fn bit(direction: Direction) -> u8 {
    match direction {
        Direction::Read => READ,
        Direction::Write => WRITE,
    }
}

fn flags(watched: u8) -> EventFlags {
    let mut flags = EventFlags::ET | EventFlags::RDHUP;
    if watched & READ != 0 {
        flags |= EventFlags::IN;
    }
    if watched & WRITE != 0 {
        flags |= EventFlags::OUT;
    }
    flags
}

fn bits(flags: EventFlags) -> u8 {
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
