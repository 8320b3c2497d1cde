//! One timer for a session, re-armed only when it fires.
//!
//! Timeouts of a proxy are inactivity limits: nearly every read or write moves them. Activity only
//! stores the time; the timer is left alone, and when it fires it is armed again for what is left.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::roster::Card;
use super::timers::Timer;

/// Timers that run out so close to each other run out together.
pub(crate) const TOGETHER: Duration = Duration::from_millis(5);

/// The timer of a session.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    timer: Timer,
    card: Option<Rc<Card>>,
}

impl Deadline {
    /// The timer of the session with that card.
    pub(crate) fn new(card: Rc<Card>) -> Self {
        Self {
            timer: Timer::default(),
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
        at.map_or(Poll::Pending, |at| self.timer.poll(cx, at))
    }
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
