//! A client that a rule holds. Manual 1.4, section 4.2 "timeout tarpit".

use std::future::poll_fn;
use std::task::Poll;

use super::Transaction;
use crate::engine::session::Session;

impl Transaction {
    /// Waits until the time is over or the client has left, who may read the answer all the same.
    /// The time counts as waiting in a queue, which is what the log shows.
    pub(super) async fn tarpit(&mut self, session: &mut Session) {
        let timeouts = &session.backend().timeouts;
        let hold = timeouts.tarpit.or(timeouts.connect).unwrap_or_default();
        let until = session.worker.now() + hold;
        poll_fn(|cx| {
            if session.client.poll_watch(cx) || session.client.read_closed {
                return Poll::Ready(());
            }
            session.deadline.poll(cx, Some(until))
        })
        .await;
        self.timing.assigned = Some(session.worker.now());
    }
}
