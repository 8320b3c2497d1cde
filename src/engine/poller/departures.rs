//! What tasks have to send, until all of them have run.
//!
//! In a crowded round a small message is not sent at once but *posted*: the next round of the poller
//! sends everything that was posted, in order, before it asks for events. The kernel's code for
//! sending is in the caches then, and a peer that serves many of our connections wakes up once.
//!
//! Whoever has posted counts the bytes as sent, as they would be if the kernel had them. Should the
//! kernel not take them all, they are *held* here: the next send waits for them, a FIN follows them,
//! and a socket that is closed meanwhile stays open until they have left.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{self, SendFlags, Shutdown};
use slab::Slab;

use super::entry::{ENDED, Entry, READ, WRITE};

/// Most bytes of one message: with more the copy would cost what is saved.
pub(super) const MOST: usize = 4 << 10;

/// Messages posted before all are sent, although tasks are still to run: the first must not wait
/// for too many of those.
pub(super) const BATCH: usize = 64;

/// How long the system tries to get rid of what is held for a socket that was closed, in
/// milliseconds.
const LAST_TRIES: u32 = 30_000;

/// Bytes that were posted and that the kernel did not take at once.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Vec<u8>,
    sent: usize,
    /// A FIN comes behind them.
    ends: bool,
    /// The socket was closed: there is nobody but the poller who has it.
    alone: bool,
}

/// Messages in the order in which they were posted.
#[derive(Debug, Default)]
pub(super) struct Departures {
    bytes: Vec<u8>,
    /// Entries and lengths.
    posts: Vec<(u32, u32)>,
}

impl Departures {
    /// Whether nothing was posted.
    pub(super) fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    /// Whether no more messages should be added before all are sent.
    pub(super) fn is_full(&self) -> bool {
        self.posts.len() >= BATCH
    }

    /// Whether a message of this length can be posted.
    pub(super) fn fits(len: usize) -> bool {
        len <= MOST
    }

    /// Posts a message in two pieces.
    pub(super) fn post(&mut self, entry: &Entry, first: &[u8], second: &[u8]) {
        self.bytes.extend_from_slice(first);
        self.bytes.extend_from_slice(second);
        self.posts
            .push((entry.number, (first.len() + second.len()) as u32));
        entry.posted.set(true);
    }

    /// Sends all that was posted.
    pub(super) fn send(&mut self, epoll: &OwnedFd, entries: &Slab<Rc<Entry>>) {
        let mut start = 0;
        for (number, len) in self.posts.drain(..) {
            let message = &self.bytes[start..start + len as usize];
            start += len as usize;
            let Some(entry) = entries.get(number as usize) else {
                continue;
            };
            entry.posted.set(false);
            let Some(fd) = &entry.fd else {
                continue;
            };
            let sent = match try_send(fd, message) {
                Ok(sent) if sent == message.len() => continue,
                Ok(sent) => sent,
                Err(error) => {
                    entry.fail(error);
                    continue;
                }
            };
            entry.deny(WRITE);
            *entry.held.borrow_mut() = Some(Box::new(Held {
                bytes: message[sent..].to_vec(),
                sent: 0,
                ends: false,
                alone: false,
            }));
            if let Err(error) = entry.watch_more(epoll, fd, WRITE) {
                entry.fail(error);
            }
        }
        self.bytes.clear();
    }
}

impl Held {
    /// Sends more of it.
    fn go_on(&mut self, fd: &OwnedFd) -> Result<bool, Errno> {
        self.sent += try_send(fd, &self.bytes[self.sent..])?;
        if self.sent < self.bytes.len() {
            return Ok(false);
        }
        if self.ends {
            // The peer may be gone already, which comes to the same.
            let _ = net::shutdown(fd, Shutdown::Write);
        }
        Ok(true)
    }

    /// Has a FIN follow.
    pub(super) fn end(&mut self) {
        self.ends = true;
    }

    /// Leaves it alone with its socket, for a limited time.
    pub(super) fn leave(&mut self, fd: &OwnedFd) {
        self.alone = true;
        // Without it the system's own patience holds.
        let _ = net::sockopt::set_tcp_user_timeout(fd, LAST_TRIES);
    }
}

impl Entry {
    /// Sends more of what is held, when the kernel has said that it takes more. Answers whether the
    /// entry is done with: all has left, or never will, and nobody else has the socket.
    pub(super) fn send_held(&self) -> bool {
        let mut held = self.held.borrow_mut();
        let (Some(message), Some(fd)) = (&mut *held, &self.fd) else {
            return false;
        };
        let alone = message.alone;
        match message.go_on(fd) {
            Ok(true) => *held = None,
            Ok(false) => {
                self.deny(WRITE);
                return false;
            }
            Err(error) => {
                drop(held);
                self.fail(error);
            }
        }
        alone
    }

    /// Notes that the connection is broken, and wakes the task whatever it waits for.
    fn fail(&self, error: Errno) {
        *self.held.borrow_mut() = None;
        self.failure.set(Some(error));
        self.note(READ | WRITE | ENDED);
        self.wake();
    }
}

/// Sends as much as the kernel takes.
fn try_send(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    loop {
        match net::send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(0),
            sent => return sent,
        }
    }
}
