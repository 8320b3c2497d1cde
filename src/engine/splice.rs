//! Bodies that never enter the process: from one socket to the other through a pipe, with
//! `splice(2)`. Manual 1.4, section 4.2 "option splice-auto" and following.
//!
//! Pipes are pooled per worker. A flow holds one only while bytes are in it or are coming, so that
//! a connection at rest has none. Where the system cannot splice, and where the pipes are used
//! up, bytes are copied as if nothing had been asked for.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

/// When a flow is spliced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Splicing {
    /// Never.
    #[default]
    Never,
    /// While it streams: what has come filled the buffer more than once.
    WhenStreaming,
    /// As soon as the body is known to be long enough.
    Always,
}

/// A pipe and what is in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    ends: Ends,
    /// How many bytes are in it.
    pub(super) held: usize,
    _lease: Lease,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// The pipes of all workers.
#[derive(Debug, Default)]
pub(crate) struct PipeCounts {
    used: AtomicU32,
    free: AtomicU32,
}

impl PipeCounts {
    /// How many are in use.
    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many are empty and kept for later.
    pub(crate) fn free(&self) -> u32 {
        self.free.load(Ordering::Relaxed)
    }
}

/// One that was counted.
#[derive(Debug)]
struct Lease(Arc<PipeCounts>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipe {
    /// Where bytes come out.
    pub(super) fn exit(&self) -> BorrowedFd<'_> {
        self.ends.read.as_fd()
    }

    /// Where they go in.
    pub(super) fn entry(&self) -> BorrowedFd<'_> {
        self.ends.write.as_fd()
    }
}

/// The pipes of one worker.
#[derive(Debug)]
pub(crate) struct Pipes {
    free: RefCell<Vec<Ends>>,
    counts: Arc<PipeCounts>,
}

/// Empty pipes that a worker keeps for later.
const KEPT: usize = 32;

impl Pipes {
    /// No pipes yet; they count there.
    pub(crate) fn new(counts: Arc<PipeCounts>) -> Self {
        Self {
            free: RefCell::default(),
            counts,
        }
    }

    /// A pipe, unless all workers together use that many.
    pub(crate) fn take(&self, limit: u32) -> Option<Pipe> {
        let counts = &self.counts;
        if counts.used() >= limit {
            return None;
        }
        let kept = self.free.borrow_mut().pop();
        let ends = match kept {
            Some(ends) => {
                counts.free.fetch_sub(1, Ordering::Relaxed);
                ends
            }
            None => {
                let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
                Ends { read, write }
            }
        };
        counts.used.fetch_add(1, Ordering::Relaxed);
        Some(Pipe {
            ends,
            held: 0,
            _lease: Lease(Arc::clone(counts)),
        })
    }

    /// Takes a pipe back. One that is not empty is closed.
    pub(crate) fn give(&self, pipe: Pipe) {
        let mut free = self.free.borrow_mut();
        if pipe.held == 0 && free.len() < KEPT {
            self.counts.free.fetch_add(1, Ordering::Relaxed);
            free.push(pipe.ends);
        }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        let kept = self.free.borrow().len() as u32;
        self.counts.free.fetch_sub(kept, Ordering::Relaxed);
    }
}
