//! What lives of a frontend.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::{Adjustable, Counters, Gate, RateLimit};
use crate::plan::ListenAddress;
use crate::stats::Captured;

/// A frontend across plans.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    /// Its client connections.
    pub(crate) sessions: Arc<Gate>,
    /// `maxconn`.
    pub(crate) maxconn: Adjustable,
    /// What is counted of it.
    pub(crate) counters: Counters,
    /// `rate-limit sessions`.
    pub(crate) rate_limit: RateLimit,
    /// What those pass one by one who wait for that.
    pub(crate) turnstile: tokio::sync::Mutex<()>,
    /// The last invalid request.
    pub(crate) bad_request: Mutex<Option<Arc<Captured>>>,
    /// It does not listen for a while (SIGTTOU, `disable frontend`).
    pub(crate) paused: AtomicBool,
    /// It does not listen any more (`shutdown frontend`).
    pub(crate) stopped: AtomicBool,
    listeners: Mutex<HashMap<ListenAddress, Arc<Listener>>>,
}

/// A listener across plans, counted with `option socket-stats`.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    /// Its client connections.
    pub(crate) sessions: Arc<Gate>,
    /// What is counted of it.
    pub(crate) counters: Counters,
}

impl Listener {
    /// Forgets the highest values; with `all`, everything that was counted.
    pub(crate) fn clear(&self, all: bool) {
        self.counters.clear(all);
        self.sessions.peak().clear();
    }
}

impl Frontend {
    /// Forgets the highest values; with `all`, everything that was counted.
    pub(crate) fn clear(&self, all: bool) {
        self.counters.clear(all);
        self.sessions.peak().clear();
    }

    /// A frontend of a process with that many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            counters: Counters::new(workers),
            ..Self::default()
        }
    }

    /// Takes over the listeners of a plan, known by their addresses.
    pub(crate) fn adopt<'a>(
        &self,
        addresses: impl Iterator<Item = &'a ListenAddress>,
        workers: usize,
    ) -> Vec<Arc<Listener>> {
        let mut known = self.listeners.lock();
        let adopted: Vec<Arc<Listener>> = addresses
            .map(|address| {
                let listener = known.entry(address.clone()).or_insert_with(|| {
                    Arc::new(Listener {
                        counters: Counters::new(workers),
                        ..Listener::default()
                    })
                });
                Arc::clone(listener)
            })
            .collect();
        known.retain(|_, listener| Arc::strong_count(listener) > 1);
        adopted
    }
}
