//! What lives of a frontend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Gate;

/// A frontend across plans.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    /// Its client connections.
    pub(crate) sessions: Arc<Gate>,
    requests: AtomicU64,
}

impl Frontend {
    /// Counts a request.
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests since the start of the process.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}
