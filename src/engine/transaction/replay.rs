//! A request that is sent again because the kept connection on which it left had just ended.

use super::{End, Transaction};
use crate::engine::connect;
use crate::engine::session::Session;
use crate::http1::Method;

impl Transaction {
    /// Whether it is sent for the second time.
    pub(crate) fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// Keeps a request that is about to leave on a connection that may have ended, when it can be
    /// sent twice: it is whole, and doing twice what it asks for comes to the same (RFC 9110,
    /// section 9.2.2).
    pub(crate) fn note_for_replay(&mut self) {
        let harmless = !matches!(self.method, Method::Post | Method::Connect | Method::Other);
        self.replay.clear();
        if harmless && !self.replayed && self.up.body.is_done() {
            let (head, body) = self.up.pending();
            self.replay.extend_from_slice(head);
            self.replay.extend_from_slice(body);
        }
    }

    /// Whether a request that met a connection which had just ended can be sent again.
    pub(super) fn can_replay(&self, session: &Session) -> bool {
        !self.replay.is_empty() && self.down.sent == 0 && self.met_an_end(session)
    }

    /// Whether the request met a kept connection which had just ended: nothing came back, or nothing
    /// but provisional responses.
    pub(super) fn met_an_end(&self, session: &Session) -> bool {
        self.down.buffer.is_empty()
            && !session.client.broken
            && session
                .server
                .as_ref()
                .is_some_and(|link| link.reused && link.side.read_closed)
    }

    /// Sends a request again, on a fresh connection.
    pub(super) async fn replay(&mut self, session: &mut Session) -> Result<(), End> {
        session.server = None;
        self.up.abandon();
        self.up.head = std::mem::take(&mut self.replay);
        self.replayed = true;
        connect::connect(session, self)
            .await
            .map_err(|failure| End::new(failure.termination, failure.status))
    }
}
