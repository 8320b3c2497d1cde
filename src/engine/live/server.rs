//! What lives of a server.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{Counters, Peak};
use crate::plan::{self, ServerAddress};
use crate::stats::{Health, State};

/// A server across plans.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// Where it is. A server that moves is another server.
    pub(crate) address: ServerAddress,
    /// Sessions that hold a slot on it.
    pub(super) sessions: AtomicU32,
    /// Most sessions at once.
    pub(crate) peak: Peak,
    /// Most requests that have waited for it.
    pub(crate) queue_peak: Peak,
    /// What is counted of it.
    pub(crate) counters: Counters,
    /// The weight that it has now.
    weight: AtomicU32,
    /// The weight that the file gives.
    initial_weight: AtomicU32,
    /// The administrator has taken it out.
    maintenance: AtomicBool,
    /// What the file said last: `disabled`.
    disabled: AtomicBool,
}

impl Server {
    pub(super) fn new(server: &plan::Server, workers: usize) -> Self {
        Self {
            name: server.name.clone(),
            address: server.address,
            sessions: AtomicU32::new(0),
            peak: Peak::default(),
            queue_peak: Peak::default(),
            counters: Counters::new(workers),
            weight: AtomicU32::new(server.weight.into()),
            initial_weight: AtomicU32::new(server.weight.into()),
            maintenance: AtomicBool::new(server.disabled),
            disabled: AtomicBool::new(server.disabled),
        }
    }

    /// Sessions that hold a slot on it.
    pub(crate) fn sessions(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Takes over what a new plan says. Only a change of the file changes the state: what happened
    /// since the start stays.
    pub(super) fn configure(&self, server: &plan::Server) {
        if self.disabled.swap(server.disabled, Ordering::Relaxed) != server.disabled {
            self.set_maintenance(server.disabled);
        }
        let weight = u32::from(server.weight);
        if self.initial_weight.swap(weight, Ordering::Relaxed) != weight {
            self.weight.store(weight, Ordering::Relaxed);
        }
    }

    /// Whether health and administration allow its use.
    pub(crate) fn is_up(&self) -> bool {
        !self.maintenance.load(Ordering::Relaxed)
    }

    /// Takes it out, or back in.
    pub(crate) fn set_maintenance(&self, maintenance: bool) {
        self.maintenance.store(maintenance, Ordering::Relaxed);
    }

    /// The weight that it has now, and the one that the file gives.
    pub(crate) fn weights(&self) -> (u32, u32) {
        (
            self.weight.load(Ordering::Relaxed),
            self.initial_weight.load(Ordering::Relaxed),
        )
    }

    /// Only [`super::Backend::set_weight`] knows who else must hear of it.
    pub(super) fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// Forgets the highest values; with `all`, everything that was counted.
    pub(crate) fn clear(&self, all: bool) {
        self.counters.clear(all);
        self.peak.clear();
        self.queue_peak.clear();
    }

    /// What is shown of its health.
    pub(crate) fn health(&self) -> Health {
        let state = if self.is_up() {
            State::NoCheck
        } else {
            State::Maintenance
        };
        Health {
            state,
            ..Health::default()
        }
    }
}
