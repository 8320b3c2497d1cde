//! One timer for a session, re-armed only when it fires.
//!
//! Timeouts of a proxy are inactivity limits: nearly every read or write moves them. Activity only
//! stores the time; the timer is left alone, and when it fires it is armed again for what is left.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::roster::Card;

/// Timers that run out so close to each other run out together.
pub(crate) const TOGETHER: Duration = Duration::from_millis(5);

/// The timer of a session.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom the timer will wake.
    sleeper: Option<Waker>,
    card: Option<Rc<Card>>,
}

impl Deadline {
    /// The timer of the session with that card.
    pub(crate) fn new(card: Rc<Card>) -> Self {
        Self {
            sleep: None,
            sleeper: None,
            card: Some(card),
        }
    }

    /// Ready when `at` has passed; `None` never is. The task is woken at that time or before. A
    /// session that is ended from outside has no time left.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, at: Option<Instant>) -> Poll<()> {
        if let Some(card) = &self.card {
            card.expires.set(at);
            if card.is_ended() {
                return Poll::Ready(());
            }
        }
        let Some(at) = at else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        } else if !sleep.is_elapsed() && is_known(self.sleeper.as_ref(), cx) {
            // It will fire by then, and be armed again should that be too soon.
            return Poll::Pending;
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if at <= Instant::now() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
        if !is_known(self.sleeper.as_ref(), cx) {
            self.sleeper = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

fn is_known(sleeper: Option<&Waker>, cx: &Context<'_>) -> bool {
    sleeper.is_some_and(|waker| waker.will_wake(cx.waker()))
}

/// `from` plus a timeout, if there is one.
pub(crate) fn after(from: Instant, timeout: Option<Duration>) -> Option<Instant> {
    timeout.map(|timeout| from + timeout)
}

/// The earlier of two deadlines.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moved_on_is_awaited() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        let mut at = start + Duration::from_secs(1);
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls == 2 {
                at = start + Duration::from_secs(5);
            }
            deadline.poll(cx, Some(at))
        })
        .await;
        // The first wake-up, at one second, found that the deadline had moved to five.
        assert_eq!((start.elapsed().as_secs(), polls), (5, 3));
        // An earlier one re-arms at once.
        let long = start + Duration::from_secs(100);
        let short = start + Duration::from_secs(6);
        poll_fn(|cx| {
            let _ = deadline.poll(cx, Some(long));
            deadline.poll(cx, Some(short))
        })
        .await;
        assert_eq!(start.elapsed().as_secs(), 6);
    }
}
