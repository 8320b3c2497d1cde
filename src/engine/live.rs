//! State that outlives a plan: found by name, never by position.
//!
//! A reload builds a new generation whose proxies and servers adopt these objects, so that old and
//! new sessions count against the same limits and share the same turns.

mod adjustable;
mod backend;
mod counters;
mod frontend;
mod gate;
mod health;
mod patterns;
mod queue;
mod server;

pub(crate) use adjustable::Adjustable;
pub(crate) use backend::{Ask, Backend, Choice, Slot};
pub(crate) use counters::{Counter, Counters, Pace, Peak, Phase, second};
pub(crate) use frontend::{Frontend, Listener};
pub(crate) use gate::{Entered, Gate, RateLimit};
pub(crate) use health::Sign;
pub(crate) use patterns::{Changed, Entry, ListKey, PatternLists, keys as list_keys};
pub(crate) use queue::{Ticket, Turn};
pub(crate) use server::{Due, Particulars, Place, Server, Whereabouts};

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::splice::PipeCounts;
use crate::plan;
use crate::stick_table::{Millis, StickTable};

/// Everything that is live, by name.
#[derive(Debug)]
pub(crate) struct Registry {
    /// Client connections of the process.
    pub(crate) process: Arc<Gate>,
    /// `maxconn` of the process.
    pub(crate) maxconn: Adjustable,
    /// Connections a second that an administrator lets the process accept; 0 for any number.
    pub(crate) connection_rate: Throttle,
    /// The same for sessions.
    pub(crate) session_rate: Throttle,
    /// What is counted of the process.
    pub(crate) counters: Counters,
    /// When the process began to serve.
    pub(crate) started: Instant,
    /// Pipes for bodies that are spliced.
    pub(crate) pipes: Arc<PipeCounts>,
    /// Lists of patterns that an administrator has changed.
    pub(crate) patterns: PatternLists,
    /// Invalid messages that were captured.
    pub(crate) captured: AtomicU64,
    workers: usize,
    frontends: Mutex<HashMap<String, Arc<Frontend>>>,
    backends: Mutex<HashMap<String, Arc<Backend>>>,
    tables: Mutex<HashMap<(String, TableUse), Arc<StickTable>>>,
}

/// A rate of the whole process, which only an administrator sets.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// How many a second; 0 for any number.
    pub(crate) limit: Adjustable,
    rate: RateLimit,
}

impl Throttle {
    /// Counts one, unless there were too many in the last second.
    ///
    /// # Errors
    /// How long to wait until the next try.
    pub(crate) fn try_pass(&self, now: Instant) -> Result<(), Duration> {
        match self.limit.get() {
            0 => Ok(()),
            limit => self.rate.try_pass(limit, false, now),
        }
    }
}

/// What a proxy has a table for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableUse {
    /// `stick-table`.
    Stick,
    /// `appsession`.
    AppSession,
}

impl Registry {
    /// The registry of a process with that many workers, at its start.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            process: Arc::default(),
            maxconn: Adjustable::default(),
            connection_rate: Throttle::default(),
            session_rate: Throttle::default(),
            // One cell more for what is counted outside of workers.
            counters: Counters::new(workers + 1),
            started: Instant::now(),
            pipes: Arc::default(),
            patterns: PatternLists::default(),
            captured: AtomicU64::new(0),
            workers: workers + 1,
            frontends: Mutex::default(),
            backends: Mutex::default(),
            tables: Mutex::default(),
        }
    }

    /// How many count: the workers, and one for everybody else, which has the last number.
    pub(crate) fn counting(&self) -> usize {
        self.workers
    }

    /// The frontend of that name, known or new.
    pub(crate) fn frontend(&self, name: &str) -> Arc<Frontend> {
        let mut frontends = self.frontends.lock();
        let known = frontends.entry(name.to_owned());
        Arc::clone(known.or_insert_with(|| Arc::new(Frontend::new(self.workers))))
    }

    /// The backend of that name, known or new.
    pub(crate) fn backend(&self, name: &str) -> Arc<Backend> {
        let mut backends = self.backends.lock();
        let known = backends.entry(name.to_owned());
        Arc::clone(known.or_insert_with(|| Arc::new(Backend::new(self.workers))))
    }

    /// The table of a proxy, known or new. Keys of another type begin another table.
    pub(crate) fn table(
        &self,
        proxy: &str,
        used: TableUse,
        settings: &plan::StickTable,
        dialect: Dialect,
    ) -> Arc<StickTable> {
        let mut tables = self.tables.lock();
        let table = tables
            .entry((proxy.to_owned(), used))
            .or_insert_with(|| Arc::new(StickTable::new(settings, dialect)));
        if table.key_type() == settings.key {
            table.configure(settings, millis(Instant::now()));
        } else {
            *table = Arc::new(StickTable::new(settings, dialect));
        }
        Arc::clone(table)
    }

    /// Forgets proxies that nobody holds any more.
    pub(crate) fn forget_unused(&self) {
        self.frontends
            .lock()
            .retain(|_, frontend| Arc::strong_count(frontend) > 1);
        self.backends
            .lock()
            .retain(|_, backend| Arc::strong_count(backend) > 1);
        self.tables
            .lock()
            .retain(|_, table| Arc::strong_count(table) > 1);
    }
}

/// Milliseconds since the first look at the clock.
pub(crate) fn millis(now: Instant) -> Millis {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = now.saturating_duration_since(*START.get_or_init(|| now));
    since.as_millis() as Millis
}
