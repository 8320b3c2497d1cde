//! A count of what is there now, with a limit, and a line of those who wait for room.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Peak;
use super::counters::clock;

/// A count with a limit. Whoever waits gets in in the order of coming, across workers.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    now: AtomicU32,
    peak: Peak,
    /// How many are in the line.
    waiting: AtomicU32,
    /// The limit that was named last; 0 for none.
    limit: AtomicU32,
    line: Mutex<VecDeque<oneshot::Sender<Entered>>>,
}

impl Gate {
    /// Counts one in, unless `limit` (0 for none) is reached or somebody waits.
    pub(crate) fn try_enter(self: &Arc<Self>, limit: u32) -> Option<Entered> {
        if limit != 0 && self.waiting.load(Ordering::SeqCst) != 0 {
            return None;
        }
        self.count_in(limit)
    }

    fn count_in(self: &Arc<Self>, limit: u32) -> Option<Entered> {
        let before = self.now.fetch_add(1, Ordering::SeqCst);
        if limit != 0 && before >= limit {
            self.now.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        Some(Entered(Arc::clone(self)))
    }

    /// Counts one in, whatever the limit, and remembers if there were never more.
    pub(crate) fn join(self: &Arc<Self>) -> Entered {
        let before = self.now.fetch_add(1, Ordering::SeqCst);
        self.peak.note(before + 1);
        Entered(Arc::clone(self))
    }

    /// Counts one in, after a wait if need be.
    pub(crate) async fn enter(self: &Arc<Self>, limit: u32) -> Entered {
        if let Some(entered) = self.try_enter(limit) {
            return entered;
        }
        let turn = {
            let mut line = self.line.lock();
            self.limit.store(limit, Ordering::SeqCst);
            self.waiting.fetch_add(1, Ordering::SeqCst);
            // Whoever left before this was counted did not see it.
            if line.is_empty()
                && let Some(entered) = self.count_in(limit)
            {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                return entered;
            }
            let (wake, turn) = oneshot::channel();
            line.push_back(wake);
            turn
        };
        match turn.await {
            Ok(entered) => entered,
            // The line lives as long as the gate, and nobody leaves it without being told.
            Err(_) => Entered(Arc::clone(self)),
        }
    }

    /// Sets the limit that those who wait are waiting for.
    pub(crate) fn set_limit(self: &Arc<Self>, limit: u32) {
        self.limit.store(limit, Ordering::SeqCst);
        self.serve();
    }

    /// Lets those in who wait, as far as there is room.
    fn serve(self: &Arc<Self>) {
        while self.waiting.load(Ordering::SeqCst) != 0 {
            let (wake, entered) = {
                let mut line = self.line.lock();
                if line.is_empty() {
                    return;
                }
                let Some(entered) = self.count_in(self.limit.load(Ordering::SeqCst)) else {
                    return;
                };
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                (line.pop_front(), entered)
            };
            // Whoever has given up drops the place, which serves the next one.
            if let Some(wake) = wake {
                let _ = wake.send(entered);
            }
        }
    }

    /// Most that were in at once.
    pub(crate) fn peak(&self) -> &Peak {
        &self.peak
    }

    /// How many are in.
    pub(crate) fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }
}

/// One that was counted in; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Gate>);

impl Entered {
    /// Says that the place is really used: it counts for the highest number.
    pub(crate) fn confirm(&self) {
        self.0.peak.note(self.0.now());
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
        if self.0.waiting.load(Ordering::SeqCst) != 0 {
            self.0.serve();
        }
    }
}

/// `rate-limit sessions`: how many a second, exact across workers.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    /// A second (24 bits), its events (20 bits), those of the second before (20 bits).
    state: AtomicU64,
}

const FIELD: u64 = (1 << 20) - 1;

impl RateLimit {
    /// Counts one, unless there were `limit` in the last second: those of this second, and as much
    /// of the last one's as still lies within a second. Until a second has passed, one less is let
    /// through with `less_at_first`, as in 1.4.
    ///
    /// # Errors
    /// How long to wait until the next try.
    pub(crate) fn try_pass(
        &self,
        limit: u32,
        less_at_first: bool,
        now: Instant,
    ) -> Result<(), Duration> {
        let (second, millis) = clock(now);
        let limit = u64::from(limit);
        let passed = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                let (current, last) = at(state, second);
                let allowed = if less_at_first && last == 0 && limit > 1 {
                    limit - 1
                } else {
                    limit
                };
                let counted = current + last * (1000 - millis) / 1000;
                (counted < allowed).then_some(second << 40 | (current + 1).min(FIELD) << 20 | last)
            });
        let Err(state) = passed else {
            return Ok(());
        };
        let (current, last) = at(state, second);
        let wait = if current >= limit || last == 0 {
            1000 - millis
        } else {
            // Until enough of the last second is out of sight.
            let visible = last * (1000 - millis) / 1000;
            ((current + visible + 1).saturating_sub(limit) * 1000 / last).clamp(1, 1000)
        };
        Err(Duration::from_millis(wait))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_come_first_served() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter(1).await;
        assert!(gate.try_enter(1).is_none());
        let line = Arc::clone(&gate);
        let second = tokio::spawn(async move { line.enter(1).await });
        tokio::task::yield_now().await;
        drop(first);
        // There is room, but it is the second's.
        assert!(gate.try_enter(1).is_none());
        let second = second.await.unwrap();
        assert_eq!(gate.now(), 1);
        drop(second);
        assert_eq!(gate.now(), 0);
        assert!(gate.try_enter(1).is_some());
    }

    #[tokio::test]
    async fn one_who_gave_up_passes_the_place_on() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter(1).await;
        let line = Arc::clone(&gate);
        let gone = tokio::spawn(async move { line.enter(1).await });
        let line = Arc::clone(&gate);
        let last = tokio::spawn(async move { line.enter(1).await });
        tokio::task::yield_now().await;
        gone.abort();
        let _ = gone.await;
        drop(first);
        drop(last.await.unwrap());
        assert_eq!((gate.now(), gate.peak().get()), (0, 0));
        // Only places that are really used count for the highest number.
        gate.join();
        assert_eq!(gate.peak().get(), 1);
    }

    #[test]
    fn rates() {
        let start = Instant::now();
        let start = start + Duration::from_millis(1000 - clock(start).1);
        let limit = RateLimit::default();
        let passes = |at: u64| {
            let now = start + Duration::from_millis(at);
            limit.try_pass(5, false, now).is_ok()
        };
        assert_eq!((0..9).filter(|_| passes(10)).count(), 5);
        assert!(!passes(999));
        assert!(passes(1010));
        assert!(!passes(1011));
        assert!(passes(1210));
        let old = RateLimit::default();
        let now = start + Duration::from_secs(9);
        assert_eq!(
            (0..9)
                .filter(|_| old.try_pass(3, true, now).is_ok())
                .count(),
            2
        );
    }
}
