//! When something is done to a server the next time, across plans.

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The time of the next check of a server, or of the next question to its agent.
#[derive(Debug, Default)]
pub(crate) struct Due {
    at: Mutex<Option<Instant>>,
    /// It has become earlier.
    hurry: Notify,
}

impl Due {
    /// When it is; `None` when that was never said.
    pub(crate) fn at(&self) -> Option<Instant> {
        *self.at.lock()
    }

    /// Says when it is.
    pub(crate) fn set(&self, at: Instant) {
        *self.at.lock() = Some(at);
    }

    /// Makes it this time, if that is earlier.
    pub(crate) fn hurry(&self, at: Instant) {
        let mut due = self.at.lock();
        if due.is_some_and(|due| due > at) {
            *due = Some(at);
            self.hurry.notify_one();
        }
    }

    /// Waits until it is time.
    pub(crate) async fn come(&self) {
        loop {
            let at = self.at().unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = self.hurry.notified() => {}
                () = sleep_until(at) => return,
            }
        }
    }
}
