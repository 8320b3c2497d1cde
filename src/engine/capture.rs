//! Keeps the last invalid message of each proxy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use haproxy_cfg_grammar::Dialect;

use super::session::Session;
use super::transaction::Transaction;
use crate::plan::Proxy;
use crate::stats::{Captured, Direction, Named};

impl Session {
    fn named(proxy: &Proxy) -> Named {
        Named {
            name: proxy.name.clone(),
            id: proxy.numeric_id,
        }
    }

    /// Keeps a request of which the byte at `position` is wrong.
    pub(crate) fn capture_request(&self, bytes: Vec<u8>, position: usize, body: u64) {
        let chosen = self.backend != self.frontend || self.in_backend.is_some();
        let other = chosen.then(|| Self::named(self.backend()));
        let mut captured = self.captured(Direction::Request, self.proxy(), other, bytes, position);
        captured.body = body;
        *self.frontend_handles().frontend.bad_request.lock() = Some(Arc::new(captured));
    }

    /// The same for a response.
    pub(crate) fn capture_response(&self, bytes: Vec<u8>, position: usize, body: u64, total: u64) {
        let other = Some(Self::named(self.proxy()));
        let backend = self.backend();
        let mut captured = self.captured(Direction::Response, backend, other, bytes, position);
        captured.total = total;
        captured.body = body;
        let server = self.server.as_ref().and_then(|link| link.server.as_ref());
        captured.server = server.map(|live| Named {
            name: live.name.clone(),
            id: backend
                .servers
                .iter()
                .find(|server| server.name == live.name)
                .map_or(0, |server| server.numeric_id),
        });
        *self.backend_handles().backend.bad_response.lock() = Some(Arc::new(captured));
    }

    fn captured(
        &self,
        direction: Direction,
        proxy: &Proxy,
        other: Option<Named>,
        bytes: Vec<u8>,
        position: usize,
    ) -> Captured {
        let events = &self.worker.shared.registry.captured;
        Captured {
            direction,
            when: SystemTime::now(),
            source: self.peer,
            proxy: Self::named(proxy),
            other,
            server: None,
            session: self.card.id,
            event: events.fetch_add(1, Ordering::Relaxed),
            total: self.client.taken,
            body: 0,
            position,
            bytes,
            bufsize: self.generation.plan.global.tune.bufsize,
        }
    }
}

impl Transaction {
    /// Keeps a request whose body breaks its own framing. Since 1.5 what was not sent yet is kept
    /// with it.
    pub(crate) fn capture_request_body(&self, session: &Session) {
        let (bytes, position) = unsent(&self.up, session);
        session.capture_request(bytes, position, 0);
    }

    /// The same for a response.
    pub(crate) fn capture_response_body(&self, session: &Session) {
        let (bytes, position) = unsent(&self.down, session);
        session.capture_response(bytes, position, 0, self.down.read);
    }
}

/// What is at hand of a message, and where its body goes wrong.
fn unsent(flow: &super::flow::Flow, session: &Session) -> (Vec<u8>, usize) {
    let waiting = &flow.buffer.bytes()[flow.scheduled..];
    if session.generation.plan.dialect == Dialect::V1_4 {
        return (waiting.to_vec(), 0);
    }
    let (head, body) = flow.pending();
    ([head, body, waiting].concat(), head.len() + body.len())
}
