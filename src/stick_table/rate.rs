//! How often something has happened within the last period, without remembering each time.

/// How many words of 32 bits a rate takes.
pub(super) const WORDS: usize = 3;

/// What is counted in the period that runs, and what was in the one before. Times are milliseconds
/// that wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// When the period has begun.
    pub(super) begun: u32,
    /// What was counted since.
    pub(super) current: u32,
    /// What was counted in the period before.
    pub(super) past: u32,
}

impl Rate {
    /// Counts.
    pub(super) fn add(&mut self, n: u32, period: u32, now: u32) {
        let age = now.wrapping_sub(self.begun);
        if age >= period {
            let adjoins = age < period.saturating_mul(2);
            self.past = if adjoins { self.current } else { 0 };
            self.begun = if adjoins {
                self.begun.wrapping_add(period)
            } else {
                now
            };
            self.current = 0;
        }
        self.current = self.current.wrapping_add(n);
    }

    /// What has happened within the last period: what was counted in the running one, and of the one
    /// before as much as of it is not over yet.
    pub(super) fn read(&self, period: u32, now: u32) -> u32 {
        let age = now.wrapping_sub(self.begun);
        let (past, current, left) = if age < period {
            (self.past, self.current, period - age)
        } else if age < period.saturating_mul(2) {
            (self.current, 0, period.saturating_mul(2) - age)
        } else {
            return 0;
        };
        // A single one does not come and go with every look.
        if past <= 1 && current == 0 {
            return past;
        }
        let share = u64::from(past) * u64::from(left) / u64::from(period.max(1));
        // The share is no more than `past`.
        current.wrapping_add(share as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_before_fades() {
        let mut rate = Rate::default();
        let start = u32::MAX - 500;
        for _ in 0..10 {
            rate.add(1, 1000, start);
        }
        for (after, expected) in [
            (0, 10),
            (999, 10),
            (1000, 10),
            (1500, 5),
            (1900, 1),
            (1999, 0),
            (2000, 0),
            (60_000, 0),
        ] {
            assert_eq!(
                rate.read(1000, start.wrapping_add(after)),
                expected,
                "{after}"
            );
        }
        rate.add(4, 1000, start.wrapping_add(1500));
        for (after, expected) in [(1500, 9), (1999, 4), (2000, 4), (2500, 2), (3000, 0)] {
            assert_eq!(
                rate.read(1000, start.wrapping_add(after)),
                expected,
                "{after}"
            );
        }
        rate.add(1, 1000, start.wrapping_add(9000));
        // One alone stays to the end.
        for (after, expected) in [(9000, 1), (10_500, 1), (10_999, 1), (11_000, 0)] {
            assert_eq!(
                rate.read(1000, start.wrapping_add(after)),
                expected,
                "{after}"
            );
        }
    }

    #[test]
    fn a_rate_without_a_period_is_none() {
        let mut rate = Rate::default();
        rate.add(3, 0, 7);
        assert_eq!(rate.read(0, 7), 0);
    }
}
