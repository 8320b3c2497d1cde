//! What can be asked of the control thread, and what is known about reloads.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::pattern_list;
use crate::stats;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// The listening sockets, for the process that takes over.
    Sockets,
    /// A reload.
    Reload,
    /// What a reload would change.
    DryRun,
    /// The configurations in service: the running one and those that drain.
    Generations,
    /// The configuration in service, with the lines that say so.
    Configuration,
    /// Its lists of patterns, with the lines that use them.
    PatternLists(pattern_list::Kind),
    /// Memory that is allocated for traffic.
    Memory,
    /// What was said about the configuration when it was read.
    Messages,
    /// Something about a frontend.
    Frontend {
        /// The generation that the number belongs to.
        generation: u64,
        /// Its place among the proxies of that plan.
        proxy: u32,
        /// What is to happen.
        order: FrontendOrder,
    },
}

/// What can happen to a frontend while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrontendOrder {
    /// It does not listen until it is enabled again.
    Disable,
    /// It listens again.
    Enable,
    /// It does not listen until the configuration is read again.
    Shutdown,
}

/// How a question came out, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was done.
    pub done: bool,
    /// What happened, for people.
    pub text: String,
}

/// Takes an outcome.
pub type Reply = Box<dyn FnOnce(Outcome) + Send>;

type Asked = Box<dyn Fn(Question, Reply) + Send + Sync>;

/// The way to the control thread.
#[derive(Default)]
pub(crate) struct Control {
    asked: OnceLock<Asked>,
    /// What was asked while the process starts.
    early: Mutex<Vec<(Question, Reply)>>,
}

/// Most questions that wait for the control thread.
const EARLY: usize = 64;

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
}

impl Control {
    /// Sets it, once.
    pub(crate) fn set(&self, ask: Asked) {
        let mut early = self.early.lock();
        // A second one would not be reached by anybody.
        let ask = self.asked.get_or_init(|| ask);
        for (question, reply) in early.drain(..) {
            ask(question, reply);
        }
    }

    /// Asks, at once or when there is a control thread. Where there are too many questions before
    /// that, replies are dropped.
    pub(crate) fn ask(&self, question: Question, reply: Reply) {
        let mut early = self.early.lock();
        if let Some(ask) = self.asked.get() {
            drop(early);
            ask(question, reply);
        } else if early.len() < EARLY {
            early.push((question, reply));
        }
    }
}

/// What is known about reloads, for statistics.
#[derive(Debug)]
pub(crate) struct Reloads {
    generation: AtomicU64,
    failed: AtomicU64,
    draining: AtomicU64,
    last: AtomicU64,
    last_success: AtomicU64,
    last_failed: AtomicBool,
}

impl Default for Reloads {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(1),
            failed: AtomicU64::new(0),
            draining: AtomicU64::new(0),
            last: AtomicU64::new(now()),
            last_success: AtomicU64::new(now()),
            last_failed: AtomicBool::new(false),
        }
    }
}

impl Reloads {
    /// A generation was put into service.
    pub(super) fn applied(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
        self.note(false);
    }

    /// A reload changed nothing.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.note(true);
    }

    /// So many old generations have sessions.
    pub(super) fn draining(&self, count: usize) {
        self.draining.store(count as u64, Ordering::Relaxed);
    }

    fn note(&self, failed: bool) {
        let now = now();
        self.last.store(now, Ordering::Relaxed);
        if !failed {
            self.last_success.store(now, Ordering::Relaxed);
        }
        self.last_failed.store(failed, Ordering::Relaxed);
    }

    /// The number of the generation in service, from 1.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Reloads that changed nothing.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Old generations that have sessions.
    pub(crate) fn still_draining(&self) -> u64 {
        self.draining.load(Ordering::Relaxed)
    }

    /// How reloads went.
    pub(crate) fn summary(&self) -> stats::metrics::Reloads {
        stats::metrics::Reloads {
            succeeded: self.generation().saturating_sub(1),
            failed: self.failures(),
            last: self.last.load(Ordering::Relaxed),
            last_success: self.last_success.load(Ordering::Relaxed),
            last_failed: self.last_failed.load(Ordering::Relaxed),
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
