//! Answers that the proxy gives itself.

use std::future::poll_fn;
use std::task::Poll;

use haproxy_cfg_grammar::Dialect;

use super::{End, Next, Transaction};
use crate::engine::deadline::after;
use crate::engine::session::{Session, Written};
use crate::http1::head::Version;
use crate::http1::{Body, response};
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, Redirect};
use crate::stick_table::Event;

impl Transaction {
    /// Sends the answer for a status, with the pages of the backend, or else of the frontend.
    pub(super) async fn reply_error(&mut self, session: &mut Session, status: ErrorStatus) {
        let dialect = session.generation.plan.dialect;
        let pages = [&session.backend().error_pages, &session.proxy().error_pages];
        let message = response::error(pages, status, dialect);
        self.reply(session, message, status as i32, false).await;
    }

    /// Sends 401, or 407 to a client that takes this for a proxy.
    pub(super) async fn ask_for_password(&mut self, session: &mut Session, realm: &[u8]) -> Next {
        let dialect = session.generation.plan.dialect;
        let (message, status) = response::authenticate(realm, self.as_proxy, dialect);
        // The log does not say when the request was complete.
        self.timing.received = None;
        self.reply(session, message, status, false).await;
        session.count_tracked(Event::Error);
        let termination = Termination::new(Cause::Proxy, Stage::Request);
        self.account(session, termination);
        self.log(session, termination, Written::End);
        Next::Close
    }

    /// Sends the client elsewhere. The connection goes on when the mode lets it and the client is
    /// likely to come back on it.
    pub(super) async fn redirect(
        &mut self,
        session: &mut Session,
        redirect: &Redirect,
    ) -> Result<Next, End> {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let bytes = self.up.buffer.bytes();
        let mut message = Vec::with_capacity(256);
        let dialect = session.generation.plan.dialect;
        response::redirect(redirect, &self.request, bytes, dialect, &mut message);
        let local = redirect.value.first() == Some(&b'/');
        let keeps = self.connection.intent().keeps_client()
            && self.body == Body::Done
            && (local || !v1_4)
            && !session.client.read_closed;
        let header: &[u8] = match (keeps, self.as_proxy) {
            (true, _) if self.version == Version::Http11 => b"",
            (true, true) => b"Proxy-Connection: keep-alive\r\n",
            (true, false) => b"Connection: keep-alive\r\n",
            (false, true) => b"Proxy-Connection: close\r\n",
            (false, false) => b"Connection: close\r\n",
        };
        message.extend_from_slice(header);
        message.extend_from_slice(b"\r\n");
        let len = self.request.received_len();
        self.up.buffer.consume(len);
        // Since 1.5 an answer of the proxy's own is the end of the connection to the server.
        if !v1_4 {
            session.close_server(true);
        }
        self.reply(session, message, i32::from(redirect.code), keeps)
            .await;
        let cause = if v1_4 { Cause::Proxy } else { Cause::Local };
        // 1.4 does not forget it before the connection ends.
        if keeps && v1_4 {
            session.marked = Some(Termination::new(cause, Stage::Request));
        }
        let termination = Termination::new(cause, Stage::Request);
        self.account(session, termination);
        self.log(session, termination, Written::after_own_answer(keeps));
        Ok(if keeps && !session.client.write_closed {
            Next::Request
        } else {
            Next::Close
        })
    }

    /// Whether the client speaks to this as to a proxy, and is answered so.
    pub(super) fn is_for_proxy(&self, session: &Session) -> bool {
        let target = self.request.second_word(self.up.buffer.bytes());
        session.proxy().options.http_use_proxy_header
            && target.first().is_some_and(|b| *b != b'/' && *b != b'*')
    }

    /// Sends a message of the proxy's own, in place of whatever was to be sent.
    pub(super) async fn reply(
        &mut self,
        session: &mut Session,
        message: Vec<u8>,
        status: i32,
        keeps_client: bool,
    ) {
        // What was not sent of a response is void.
        self.down.buffer.clear(&session.worker.pool);
        // What the server has sent counts all the same.
        let read = self.down.read;
        // Since 1.5 interim responses are on their way when the response is refused.
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let interim = match self.down.pending() {
            (interim, _) if !v1_4 => interim.to_vec(),
            _ => Vec::new(),
        };
        self.down.restart();
        self.down.head = interim;
        self.down.head.extend_from_slice(&message);
        self.down.read = read + message.len() as u64;
        self.status = status;
        if session.client.broken {
            // What is said to a client that goes while there is no server counts as if it were sent.
            if !self.connecting || self.timing.connected.is_some() {
                self.down.read = read;
            }
            return;
        }
        let timeout = session.proxy().timeouts.client;
        poll_fn(|cx| {
            while self.down.is_pending() && !session.client.write_closed {
                if self
                    .down
                    .poll_send(cx, &mut session.client, &session.worker, !keeps_client)
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
    }
}
