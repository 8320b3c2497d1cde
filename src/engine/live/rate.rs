//! How many a second.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Counts events, and says how many there were in the last second: those of this second, and as
/// much of the last one's as still lies within a second.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// The second (24 bits), its events (20 bits), those of the second before (20 bits).
    state: AtomicU64,
}

const FIELD: u64 = (1 << 20) - 1;

impl Rate {
    /// Counts one.
    pub(crate) fn count(&self, now: Instant) {
        let (second, _) = clock(now);
        // The closure always answers: the update cannot fail.
        let _ = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                let (current, last) = at(state, second);
                Some(second << 40 | (current + 1).min(FIELD) << 20 | last)
            });
    }

    /// Events in the last second.
    pub(crate) fn read(&self, now: Instant) -> u32 {
        let (second, millis) = clock(now);
        let (current, last) = at(self.state.load(Ordering::Relaxed), second);
        // One event is worth showing for the whole of the next second.
        let last = if current == 0 && last <= 1 {
            last
        } else {
            last * (1000 - millis) / 1000
        };
        (current + last) as u32
    }
}

/// Events of a second and of the one before it.
fn at(state: u64, second: u64) -> (u64, u64) {
    let (counted, current, last) = (state >> 40, state >> 20 & FIELD, state & FIELD);
    match second.wrapping_sub(counted) & 0xff_ffff {
        0 => (current, last),
        1 => (0, current),
        _ => (0, 0),
    }
}

/// Seconds and milliseconds since the first look at the clock, from 1 on.
fn clock(now: Instant) -> (u64, u64) {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = now.saturating_duration_since(*START.get_or_init(|| now));
    (
        (since.as_secs() + 1) & 0xff_ffff,
        u64::from(since.subsec_millis()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rates() {
        let rate = Rate::default();
        let start = Instant::now();
        clock(start);
        for _ in 0..10 {
            rate.count(start);
        }
        assert_eq!(rate.read(start), 10);
        assert!(rate.read(start + Duration::from_millis(1500)) <= 10);
        assert_eq!(rate.read(start + Duration::from_secs(3)), 0);
    }
}
