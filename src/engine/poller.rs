//! The poller of a thread: an epoll instance of its own.
//!
//! The runtime's registrations are made for sockets that live long. A proxy's often do not: they
//! are registered when they must wait, forgotten by the kernel when they are closed, and their
//! readiness is looked at by their own thread alone. So sockets are watched here, with a few bytes each
//! and no call at their end.
//!
//! A worker waits here: [`run`] runs its tasks, and has them woken. On other threads tasks are those of
//! the runtime, which watches this one descriptor, and [`drive`] turns events into wake-ups. There are
//! *rounds*: a task that expects an answer soon asks with [`later`] to be woken after all others have
//! run and the events were looked at once more. On a busy thread the answer is there by then, and
//! neither a failed receive nor a registration was needed.
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
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::{runner, timers};
use arrivals::Arrivals;
use departures::Departures;
use entry::{ENDED, Entry, READ, WRITE, bit, bits, flags};

pub(super) use arrivals::AHEAD;
pub(super) use entry::Direction;

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

/// What events are called that are no entry's: time has come for a timer, and another thread has rung.
const ALARM: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

/// The longest time that a wait is told: longer than a process runs.
const FAR: Duration = Duration::from_secs(1 << 31);

#[derive(Debug)]
struct Poller {
    epoll: OwnedFd,
    entries: RefCell<Slab<Rc<Entry>>>,
    arrivals: RefCell<Arrivals>,
    departures: RefCell<Departures>,
    /// Who is to be woken after the next look at events.
    later: RefCell<Vec<Waker>>,
    busy: Cell<bool>,
    crowded: Cell<bool>,
    /// The number of this round.
    number: Cell<u64>,
    /// Time has come for a timer.
    rang: Cell<bool>,
}

thread_local! {
    /// Each worker is one thread and has one poller.
    static POLLER: OnceCell<Poller> = const { OnceCell::new() };
}

/// A watched descriptor.
#[derive(Debug)]
pub(super) struct Watch(Rc<Entry>);

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
            rang: Cell::new(false),
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

fn add(fd: impl AsFd, direction: Direction, stream: Option<Rc<OwnedFd>>) -> io::Result<Watch> {
    with(|poller| {
        let mut entries = poller.entries.borrow_mut();
        let place = entries.vacant_entry();
        let watched = bit(direction) | READ;
        let data = EventData::new_u64(place.key() as u64);
        epoll::add(&poller.epoll, fd, data, flags(watched))?;
        let entry = Rc::new(Entry::new(place.key() as u32, watched, stream));
        place.insert(Rc::clone(&entry));
        Ok(Watch(entry))
    })
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

impl Watch {
    /// Starts to watch a descriptor. What is ready already is reported like what comes.
    ///
    /// # Errors
    /// What `epoll_ctl` says.
    pub(super) fn new(fd: impl AsFd, direction: Direction) -> io::Result<Self> {
        add(fd, direction, None)
    }

    /// Forgets a descriptor that is about to be closed, which takes it from the kernel's list. Answers
    /// whether something has arrived that nobody has taken.
    pub(super) fn forget(&self) -> bool {
        self.settle();
        let entry = &*self.0;
        let gone = with(|poller| {
            let unread = entry.has_arrived() && poller.arrivals.borrow_mut().drop_of(entry);
            if !unread && let (Some(held), Some(fd)) = (&mut *entry.held.borrow_mut(), &entry.fd) {
                held.leave(fd);
                return Ok((false, None));
            }
            let gone = poller
                .entries
                .borrow_mut()
                .try_remove(entry.number as usize);
            Ok((unread, gone))
        });
        entry.release();
        gone.is_ok_and(|(unread, _)| unread)
    }

    /// Takes a descriptor that others may hold too from the kernel's list.
    pub(super) fn unwatch(&self, fd: impl AsFd) {
        let _ = with(|poller| Ok(epoll::delete(&poller.epoll, fd)?));
        self.forget();
    }

    /// Ready when a call in that direction is worth a try. The task is woken when that changes.
    pub(super) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        fd: impl AsFd,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        self.wait(cx, fd, direction, Arrival::Untouched)
    }

    fn wait(
        &self,
        cx: &mut Context<'_>,
        fd: impl AsFd,
        direction: Direction,
        arrival: Arrival,
    ) -> Poll<io::Result<()>> {
        let entry = &*self.0;
        let bit = bit(direction);
        if entry.is_ready(bit) || arrival != Arrival::Untouched && entry.has_arrived() {
            return Poll::Ready(Ok(()));
        }
        if bit == READ {
            entry.receives.set(arrival == Arrival::Ahead);
        }
        entry.wake_for(cx, bit);
        match entry.watched.get() & bit {
            0 => self.watch_more(fd.as_fd(), bit),
            _ => Poll::Pending,
        }
    }

    #[cold]
    fn watch_more(&self, fd: BorrowedFd<'_>, bit: u8) -> Poll<io::Result<()>> {
        match with(|poller| Ok(self.0.watch_more(&poller.epoll, fd, bit)?)) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Has the task woken by the next thing that is reported of receiving, whatever is known already.
    pub(super) fn await_news(&self, cx: &Context<'_>) {
        self.0.wake_for(cx, READ);
    }

    /// Whether the peer is known to have sent its last byte.
    pub(super) fn has_ended(&self) -> bool {
        self.0.is_ready(ENDED)
    }

    /// Says that a call would have blocked.
    pub(super) fn blocked(&self, direction: Direction) {
        self.0.deny(bit(direction));
    }

    /// Says that a receive took all there was: unless the stream has ended, the next would block.
    pub(super) fn drained(&self) {
        if !self.0.is_ready(ENDED) {
            self.0.deny(READ);
        }
    }

    /// Forgets what was reported: the descriptor is about to get another connection.
    pub(super) fn renew(&self) {
        let entry = &*self.0;
        if entry.has_arrived() {
            let _ = with(|poller| Ok(poller.arrivals.borrow_mut().drop_of(entry)));
        }
        entry.ready.set(0);
        entry.failure.set(None);
        entry.release();
    }

    /// Wakes nobody any more when something happens, but goes on noting it.
    pub(super) fn release(&self) {
        self.0.release();
    }

    /// Whether something was reported that no call has denied yet.
    pub(super) fn is_ready(&self, direction: Direction) -> bool {
        let arrived = direction == Direction::Read && self.0.has_arrived();
        arrived || self.0.is_ready(bit(direction))
    }
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

/// Runs the tasks of this thread, and waits for what wakes them, until it is over.
///
/// # Errors
/// When the poller cannot be watched or asked.
pub(super) fn run(over: &Cell<bool>) -> io::Result<()> {
    let mut events: Vec<Event> = Vec::with_capacity(ROUND);
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let alarm = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
    with(|poller| {
        poller.watch_for_good(&alarm, ALARM)?;
        runner::watch_bell(|bell| poller.watch_for_good(bell, BELL))?;
        loop {
            runner::run();
            if over.get() {
                return Ok(());
            }
            if let Some(at) = timers::sooner() {
                set_alarm(&alarm, at)?;
            }
            let found = poller.round(&mut events, poller.patience())?;
            poller.busy.set(found >= BUSY);
            if poller.rang.take() {
                timers::pass(Instant::now());
            }
        }
    })
}

/// Has a wait end at that time. That spares waits a time of their own, which the system would have to note
/// and to forget each time.
fn set_alarm(alarm: &OwnedFd, at: Instant) -> io::Result<()> {
    let soon = Duration::from_nanos(1);
    let wait = at.saturating_duration_since(Instant::now()).max(soon);
    let wait = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec::try_from(wait.min(FAR)).unwrap_or_default(),
    };
    rustix::time::timerfd_settime(alarm, TimerfdTimerFlags::empty(), &wait)?;
    Ok(())
}

/// Turns events into wake-ups of the runtime's tasks, for as long as the thread lives.
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
                let found = poller.round(&mut events, Some(Timespec::default()))?;
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
    /// Watches what is only told from others by its number, as long as the thread lives.
    fn watch_for_good(&self, fd: impl AsFd, number: u64) -> io::Result<()> {
        // That something has happened is all there is to know, so that nobody reads from it.
        let flags = EventFlags::IN | EventFlags::ET;
        Ok(epoll::add(
            &self.epoll,
            fd,
            EventData::new_u64(number),
            flags,
        )?)
    }

    /// How long the next round may wait for events; `None` is as long as it takes.
    fn patience(&self) -> Option<Timespec> {
        let waits = self.later.borrow().is_empty() && runner::rest();
        (!waits).then(Timespec::default)
    }

    /// Sends what was posted, takes what the kernel reports, after a wait if need be, receives for those
    /// who wait to, and wakes them. Answers how many events there were.
    fn round(&self, events: &mut Vec<Event>, patience: Option<Timespec>) -> io::Result<usize> {
        let mut departures = self.departures.borrow_mut();
        if !departures.is_empty() {
            departures.send(&self.epoll, &self.entries.borrow());
        }
        drop(departures);
        self.number.set(self.number.get() + 1);
        events.clear();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(events),
            patience.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let crowded = events.len() >= CROWD;
        self.crowded.set(crowded);
        let entries = self.entries.borrow();
        let mut arrivals = self.arrivals.borrow_mut();
        let mut done = Vec::new();
        arrivals.begin(&entries);
        for event in &*events {
            let (flags, data) = (event.flags, event.data.u64());
            let Some(entry) = entries.get(data as usize) else {
                if data == ALARM {
                    self.rang.set(true);
                }
                continue;
            };
            let reported = bits(flags);
            let mut ready = reported;
            if crowded && entry.receives.get() && reported == READ {
                ready = arrivals.receive(entry);
            }
            entry.note(ready);
            if reported & WRITE != 0 && entry.send_held() {
                done.push(data as usize);
                continue;
            }
            if reported & READ != 0 {
                entry.receives.set(false);
            }
            if reported & entry.wanted.get() != 0 {
                entry.wake();
            }
        }
        drop((arrivals, entries));
        for number in done {
            let gone = self.entries.borrow_mut().try_remove(number);
            drop(gone);
        }
        let mut later = self.later.borrow_mut();
        if !later.is_empty() {
            later.drain(..).for_each(Waker::wake);
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
