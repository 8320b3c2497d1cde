//! What was received for tasks before they run.
//!
//! A call into the kernel leaves its own code and data in the caches. So a crowded round
//! of the poller receives from all connections whose tasks are waiting to do just that, one after
//! the other, before any of them is looked at.

use std::collections::HashMap;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{self, RecvFlags};
use slab::Slab;

use super::entry::{ENDED, Entry, READ};

/// Most bytes that are received for a task: the head of a message and a small body. Who is sent
/// more receives the rest itself.
pub(in crate::engine) const AHEAD: usize = 4 << 10;

/// Bytes received in one round, beyond which tasks are left to receive themselves.
pub(super) const BLOCK: usize = 128 << 10;

/// Each message begins on a cache line of its own.
const LINE: usize = 64;

/// What an entry has received and its task has not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Arrived {
    #[default]
    Nothing,
    /// Bytes of this round.
    Now { at: u32, len: u32 },
    /// Bytes of an earlier round, which are kept under the number of the entry.
    Before,
}

/// The bytes of a worker's connections that have arrived.
#[derive(Debug)]
pub(super) struct Arrivals {
    block: Box<[u8]>,
    used: usize,
    /// Entries that were received for in this round.
    receivers: Vec<u32>,
    /// How many of them have not taken all.
    waiting: usize,
    kept: HashMap<u32, Vec<u8>>,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self {
            block: vec![0; BLOCK].into_boxed_slice(),
            used: 0,
            receivers: Vec::new(),
            waiting: 0,
            kept: HashMap::new(),
        }
    }

    /// Begins a round. Tasks that did not want after all what was received for them keep it.
    pub(super) fn begin(&mut self, entries: &Slab<Rc<Entry>>) {
        self.used = 0;
        if std::mem::take(&mut self.waiting) == 0 {
            self.receivers.clear();
            return;
        }
        for number in self.receivers.drain(..) {
            if let Some(entry) = entries.get(number as usize)
                && let Arrived::Now { at, len } = entry.arrived.get()
            {
                let bytes = &self.block[at as usize..(at + len) as usize];
                self.kept.insert(number, bytes.to_vec());
                entry.arrived.set(Arrived::Before);
            }
        }
    }

    /// Receives for an entry that something was reported of. What `ready` has to say of it
    /// afterwards: whether a receive may find more.
    pub(super) fn receive(&mut self, entry: &Entry) -> u8 {
        let Some(fd) = &entry.fd else {
            return READ;
        };
        if self.block.len() - self.used < AHEAD || entry.has_arrived() {
            return READ;
        }
        let room = &mut self.block[self.used..self.used + AHEAD];
        match net::recv(fd, room, RecvFlags::DONTWAIT) {
            // The end of a stream is found by whoever receives next.
            Ok((_, 0)) | Err(Errno::INTR) => READ,
            Ok((_, len)) => {
                entry.arrived.set(Arrived::Now {
                    at: self.used as u32,
                    len: len as u32,
                });
                self.receivers.push(entry.number);
                self.waiting += 1;
                self.used = (self.used + len).next_multiple_of(LINE).min(BLOCK);
                if len < AHEAD { 0 } else { READ }
            }
            Err(Errno::AGAIN) => 0,
            Err(error) => {
                entry.failure.set(Some(error));
                READ | ENDED
            }
        }
    }

    /// Moves what has arrived into `room`, as far as it fits. `None` when nothing has.
    pub(super) fn take(&mut self, entry: &Entry, room: &mut [u8]) -> Option<usize> {
        match entry.arrived.get() {
            Arrived::Nothing => None,
            Arrived::Now { at, len } => {
                let taken = room.len().min(len as usize);
                let at = at as usize;
                room[..taken].copy_from_slice(&self.block[at..at + taken]);
                entry.arrived.set(if taken == len as usize {
                    self.waiting -= 1;
                    Arrived::Nothing
                } else {
                    Arrived::Now {
                        at: (at + taken) as u32,
                        len: len - taken as u32,
                    }
                });
                Some(taken)
            }
            Arrived::Before => {
                let bytes = self.kept.get_mut(&entry.number)?;
                let taken = room.len().min(bytes.len());
                room[..taken].copy_from_slice(&bytes[..taken]);
                bytes.drain(..taken);
                if bytes.is_empty() {
                    self.kept.remove(&entry.number);
                    entry.arrived.set(Arrived::Nothing);
                }
                Some(taken)
            }
        }
    }

    /// Drops what has arrived for an entry. Answers whether that was anything.
    pub(super) fn drop_of(&mut self, entry: &Entry) -> bool {
        match entry.arrived.take() {
            Arrived::Nothing => return false,
            Arrived::Now { .. } => self.waiting -= 1,
            Arrived::Before => drop(self.kept.remove(&entry.number)),
        }
        true
    }
}
