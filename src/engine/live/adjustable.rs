//! A limit that the file gives and an administrator may change.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

/// The limit in force. What an administrator has set stays until the file says something else than
/// it did.
#[derive(Debug, Default)]
pub(crate) struct Adjustable {
    now: AtomicU32,
    file: Mutex<Option<u32>>,
}

impl Adjustable {
    /// Takes over what a plan says. Answers with what is in force then.
    pub(crate) fn configure(&self, limit: u32) -> u32 {
        if self.file.lock().replace(limit) != Some(limit) {
            self.set(limit);
        }
        self.get()
    }

    /// Puts another limit in force.
    pub(crate) fn set(&self, limit: u32) {
        self.now.store(limit, Ordering::Relaxed);
    }

    /// The limit in force.
    pub(crate) fn get(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_stays_until_the_file_changes() {
        let limit = Adjustable::default();
        assert_eq!(limit.configure(100), 100);
        limit.set(7);
        assert_eq!(limit.configure(100), 7);
        assert_eq!(limit.configure(200), 200);
    }
}
