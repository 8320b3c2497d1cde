//! What lives of a server.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::plan::{self, ServerAddress};

/// A server across plans.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// Where it is. A server that moves is another server.
    pub(crate) address: ServerAddress,
    /// Sessions that hold a slot on it.
    pub(super) sessions: AtomicU32,
    /// Health and administration allow its use.
    up: AtomicBool,
    /// What the file said last: `disabled`.
    disabled: AtomicBool,
}

impl Server {
    pub(super) fn new(server: &plan::Server) -> Self {
        Self {
            name: server.name.clone(),
            address: server.address,
            sessions: AtomicU32::new(0),
            up: AtomicBool::new(!server.disabled),
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
            self.up.store(!server.disabled, Ordering::Relaxed);
        }
    }

    /// Whether health and administration allow its use.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }
}
