//! What lives of a server.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A server across plans.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// Sessions that hold a slot on it.
    pub(super) sessions: AtomicU32,
    /// Health and administration allow its use.
    up: AtomicBool,
}

impl Server {
    pub(super) fn new(name: &str, up: bool) -> Self {
        Self {
            name: name.to_owned(),
            sessions: AtomicU32::new(0),
            up: AtomicBool::new(up),
        }
    }

    /// Sessions that hold a slot on it.
    pub(crate) fn sessions(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Whether health and administration allow its use.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }
}
