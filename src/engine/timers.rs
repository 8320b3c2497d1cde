//! The timers of a thread whose tasks the [`runner`](super::runner) runs.
//!
//! Such a thread waits in the [`poller`](super::poller), which asks here before a wait when it has to end,
//! and says here when it has.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// When a timer fires; the number tells it from others of that moment.
type Moment = (Instant, u64);

#[derive(Debug)]
struct Timers {
    armed: RefCell<BTreeMap<Moment, Waker>>,
    number: Cell<u64>,
    /// All timers up to then have fired.
    passed: Cell<Option<Instant>>,
    /// When the thread looks at its timers again; `None` when it does not.
    alarm: Cell<Option<Instant>>,
    /// A timer fires before that.
    sooner: Cell<bool>,
}

thread_local! {
    static TIMERS: Timers = const {
        Timers {
            armed: RefCell::new(BTreeMap::new()),
            number: Cell::new(0),
            passed: Cell::new(None),
            alarm: Cell::new(None),
            sooner: Cell::new(false),
        }
    };
}

/// A timer that can be set again and again. It is left alone as long as it will fire by the time that is
/// asked for: what is asked for mostly moves on, and a timer that fires too soon is set again.
#[derive(Debug, Default)]
pub(super) struct Timer {
    set: Option<Moment>,
    /// Whom it will wake.
    sleeper: Option<Waker>,
}

impl Timer {
    /// Ready when `at` has passed. The task is woken at that time or before.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let known = |waker: &Waker| waker.will_wake(cx.waker());
        if self.is_set_by(at) && self.sleeper.as_ref().is_some_and(known) {
            return Poll::Pending;
        }
        self.unset();
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        if !self.sleeper.as_ref().is_some_and(known) {
            self.sleeper = Some(cx.waker().clone());
        }
        self.set = TIMERS
            .try_with(|timers| {
                let number = timers.number.get();
                timers.number.set(number + 1);
                timers
                    .armed
                    .borrow_mut()
                    .insert((at, number), cx.waker().clone());
                if timers.alarm.get().is_none_or(|alarm| at < alarm) {
                    timers.sooner.set(true);
                }
                (at, number)
            })
            .ok();
        Poll::Pending
    }

    /// Whether it is still to fire, at that time or before.
    fn is_set_by(&self, at: Instant) -> bool {
        let Some((moment, _)) = self.set else {
            return false;
        };
        let passed = TIMERS.try_with(|timers| timers.passed.get()).ok().flatten();
        moment <= at && passed.is_none_or(|passed| passed < moment)
    }

    fn unset(&mut self) {
        if let Some(moment) = self.set.take() {
            // What is dropped here may be the last of a task, with timers of its own.
            let waker = TIMERS.try_with(|timers| timers.armed.borrow_mut().remove(&moment));
            drop(waker);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.unset();
    }
}

/// Waits until then.
pub(super) async fn sleep_until(at: Instant) {
    let mut timer = Timer::default();
    poll_fn(|cx| timer.poll(cx, at)).await;
}

/// Waits for so long.
pub(super) async fn sleep(time: Duration) {
    sleep_until(Instant::now() + time).await;
}

/// When the next timer fires, if the thread has to be told: it stays told until then. What it is told may
/// be too soon, when the timer is no more.
pub(super) fn sooner() -> Option<Instant> {
    let told = |timers: &Timers| {
        if !timers.sooner.replace(false) {
            return None;
        }
        let next = timers.armed.borrow().keys().next().map(|(at, _)| *at);
        timers.alarm.set(next);
        next
    };
    TIMERS.try_with(told).ok().flatten()
}

/// Has all timers fire that are due by then. When the next one fires has to be asked for again.
pub(super) fn pass(now: Instant) {
    let _ = TIMERS.try_with(|timers| {
        timers.passed.set(Some(now));
        timers.alarm.set(None);
        loop {
            let mut armed = timers.armed.borrow_mut();
            timers.sooner.set(!armed.is_empty());
            let due = armed.first_entry().filter(|first| first.key().0 <= now);
            let Some(waker) = due.map(|first| first.remove()) else {
                return;
            };
            // The one who is woken may look at timers.
            drop(armed);
            waker.wake();
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn timers_fire_in_time_and_once() {
        let start = Instant::now();
        let woken: Vec<Arc<Count>> = (0..3).map(|_| Arc::default()).collect();
        let mut timers: Vec<Timer> = (0..3).map(|_| Timer::default()).collect();
        let poll = |timer: &mut Timer, count: &Arc<Count>, at| {
            let waker = Waker::from(Arc::clone(count));
            timer.poll(&mut Context::from_waker(&waker), start + seconds(at))
        };
        let counts = || -> Vec<u32> {
            let counts = woken.iter().map(|count| count.0.load(Ordering::Relaxed));
            counts.collect()
        };
        for (timer, count) in timers.iter_mut().zip(&woken) {
            assert!(poll(timer, count, 2).is_pending());
        }
        assert_eq!(sooner(), Some(start + seconds(2)));
        // Later is left alone, sooner is not.
        assert!(poll(&mut timers[0], &woken[0], 9).is_pending());
        assert_eq!(sooner(), None);
        assert!(poll(&mut timers[1], &woken[1], 1).is_pending());
        assert_eq!(sooner(), Some(start + seconds(1)));
        tokio::time::advance(seconds(1)).await;
        pass(Instant::now());
        assert_eq!(counts(), [0, 1, 0]);
        assert_eq!(sooner(), Some(start + seconds(2)));
        assert_eq!(sooner(), None);
        assert!(poll(&mut timers[1], &woken[1], 1).is_ready());
        drop(timers.pop());
        tokio::time::advance(seconds(1)).await;
        pass(Instant::now());
        pass(Instant::now());
        assert_eq!(counts(), [1, 1, 0]);
        // It was too soon for that one.
        assert!(poll(&mut timers[0], &woken[0], 9).is_pending());
        assert_eq!(sooner(), Some(start + seconds(9)));
        drop(timers);
        tokio::time::advance(seconds(9)).await;
        pass(Instant::now());
        assert_eq!(counts(), [1, 1, 0]);
        assert_eq!(sooner(), None);
    }
}
