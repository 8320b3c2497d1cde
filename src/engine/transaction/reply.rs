//! Answers that the proxy gives itself.

use std::future::poll_fn;
use std::task::Poll;

use super::Transaction;
use haproxy_cfg_grammar::Dialect;

use crate::engine::deadline::after;
use crate::engine::session::Session;
use crate::http1::response;
use crate::plan::ErrorStatus;

impl Transaction {
    /// Sends the answer for a status, with the pages of the backend, or else of the frontend.
    pub(super) async fn reply_error(&mut self, session: &mut Session, status: ErrorStatus) {
        // What was not sent of a response is void, but it has come.
        let read = self.down.read;
        self.down.buffer.clear(&session.worker.pool);
        self.down.restart();
        let dialect = session.generation.plan.dialect;
        self.down.head = response::error(&session.backend().error_pages, status, dialect);
        self.down.read = read + self.down.head.len() as u64;
        self.status = status as i32;
        if session.client.broken {
            self.down.read = read;
            return;
        }
        self.send_reply(session).await;
    }

    async fn send_reply(&mut self, session: &mut Session) {
        let timeout = session.proxy().timeouts.client;
        poll_fn(|cx| {
            while self.down.is_pending() && !session.client.write_closed {
                if self
                    .down
                    .poll_send(cx, &mut session.client, &session.worker)
                    .is_pending()
                {
                    let at = after(session.client.active, timeout);
                    return session.deadline.poll(cx, at);
                }
            }
            Poll::Ready(())
        })
        .await;
        session.client.active = session.worker.now();
        // Should the client still be sending, a RST would take the answer with it; 1.4 lets it.
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        if !session.client.read_closed && !v1_4 {
            session.client.finish();
            session.client.socket.drain();
        }
    }
}
