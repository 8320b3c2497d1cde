//! Both directions of a session at once, until one of them decides what happens next.
//!
//! A [`Flow`] is one direction: bytes received, how many of them may leave, and the progress
//! through the body of the message. [`Exchange`] moves both, scans the response when it comes, and
//! answers with an [`Outcome`]. It holds for HTTP transactions and for `mode tcp`, which is an
//! exchange that is a tunnel from its start.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::buffer::Buffer;
use super::connect;
use super::deadline::{after, earlier};
use super::session::{Line, Session, Side};
use super::socket::Socket;
use super::transaction::Transaction;
use super::worker::Worker;
use crate::http1::{Body, FramingError};
use crate::log::{Cause, Stage, Termination, Timers};
use crate::plan::ErrorStatus;

/// One direction.
#[derive(Debug)]
pub(crate) struct Flow {
    /// What was received and has not left.
    pub(crate) buffer: Buffer,
    /// Rewritten heads, which leave before what is in `buffer`.
    pub(crate) head: Vec<u8>,
    head_sent: usize,
    /// How many bytes at the start of `buffer` may leave.
    pub(crate) scheduled: usize,
    /// Progress through the message.
    pub(crate) body: Body,
    /// Bytes that have left.
    pub(crate) sent: u64,
    /// Bytes that have come, or were put in by the proxy: what the log calls bytes read.
    pub(crate) read: u64,
    /// How many of them the statistics know of.
    pub(crate) counted: Cell<u64>,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            buffer: Buffer::default(),
            head: Vec::new(),
            head_sent: 0,
            scheduled: 0,
            body: Body::Done,
            sent: 0,
            read: 0,
            counted: Cell::new(0),
        }
    }
}

impl Flow {
    /// Forgets everything but allocations.
    pub(crate) fn reset(&mut self, pool: &super::buffer::Pool) {
        self.buffer.clear(pool);
        self.restart();
    }

    /// Makes ready for the next message; what was received and has not left stays.
    pub(crate) fn restart(&mut self) {
        self.head.clear();
        self.head_sent = 0;
        self.scheduled = 0;
        self.body = Body::Done;
        self.sent = 0;
        self.read = 0;
        self.counted.set(0);
    }

    /// From now on everything leaves as it comes.
    pub(crate) fn tunnel(&mut self) {
        self.body = Body::UntilClose;
    }

    /// Lets what belongs to the body leave.
    pub(crate) fn schedule(&mut self) -> Result<(), FramingError> {
        let waiting = &self.buffer.bytes()[self.scheduled..];
        if !waiting.is_empty() {
            self.scheduled += self.body.advance(waiting)?;
        }
        Ok(())
    }

    /// Whether something may leave.
    pub(crate) fn is_pending(&self) -> bool {
        self.scheduled > 0 || self.head_sent < self.head.len()
    }

    /// Sends what may leave, once. `Ready(true)` when bytes have left. `last` says that a FIN
    /// follows at once: both leave in one segment.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Side,
        worker: &Worker,
        last: bool,
    ) -> Poll<bool> {
        let (head, body) = self.pending();
        let Poll::Ready(n) = to.poll_send(cx, head, body, worker, last) else {
            return Poll::Pending;
        };
        self.has_left(n);
        Poll::Ready(n > 0)
    }

    /// Sends for the first time on a connection that may not stand yet.
    pub(crate) fn poll_first_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Socket,
    ) -> Poll<io::Result<()>> {
        let (head, body) = self.pending();
        let n = ready!(to.poll_send(cx, head, body, false))?;
        self.has_left(n);
        Poll::Ready(Ok(()))
    }

    /// What may leave, in two pieces.
    pub(crate) fn pending(&self) -> (&[u8], &[u8]) {
        (
            &self.head[self.head_sent..],
            &self.buffer.bytes()[..self.scheduled],
        )
    }

    fn has_left(&mut self, n: usize) {
        self.sent += n as u64;
        let from_head = n.min(self.head.len() - self.head_sent);
        self.head_sent += from_head;
        if self.head_sent == self.head.len() {
            self.head.clear();
            self.head_sent = 0;
        }
        self.buffer.consume(n - from_head);
        self.scheduled -= n - from_head;
    }

    /// Drops what could not leave.
    fn abandon(&mut self) {
        self.head.clear();
        self.head_sent = 0;
        self.buffer.consume(self.scheduled);
        self.scheduled = 0;
    }
}

/// How an exchange has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Request and response are complete and have left.
    Complete,
    /// Both sides of a tunnel are closed, for the reason that came first.
    Closed(Termination),
    /// Something went wrong. When no response has begun, the client gets that status.
    Failed(Termination, Option<ErrorStatus>),
}

/// What the response is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// Its head has not come.
    Awaited,
    /// Its head was sent on; the body follows.
    Begun,
}

/// The state of one exchange, over a transaction's flows.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Both directions are relayed to their ends.
    pub(crate) tunnel: bool,
    /// A server that closes ends both directions, even of a tunnel.
    pub(crate) no_half_close: bool,
    /// Whether a client that is not read from is looked after: since 1.5 a reset ends the exchange.
    pub(crate) watches_client: bool,
    /// Whether the response head was seen.
    pub(crate) response: Response,
    /// What has ended one direction of a tunnel, when it was not its side.
    pub(crate) noted: Option<Termination>,
}

impl Exchange {
    /// Moves bytes until there is an outcome.
    pub(crate) async fn run(
        mut self,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Outcome {
        poll_fn(|cx| self.poll(cx, session, transaction)).await
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Poll<Outcome> {
        loop {
            let mut moved = self.upward(cx, session, transaction);
            match self.downward(cx, session, transaction) {
                Ok(progress) => moved |= progress,
                Err(outcome) => return Poll::Ready(outcome),
            }
            if let Some(outcome) = self.outcome(session, transaction) {
                return Poll::Ready(outcome);
            }
            if !moved {
                if let Some(outcome) = self.poll_life(cx, session) {
                    return Poll::Ready(outcome);
                }
                match self.poll_expiry(cx, session, transaction) {
                    Poll::Ready(Some(outcome)) => return Poll::Ready(outcome),
                    Poll::Ready(None) => {}
                    Poll::Pending => {
                        if session.proxy().options.contstats {
                            transaction.count_so_far(session);
                        }
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Whether the server is one whose sessions end now.
    fn poll_life(&self, cx: &mut Context<'_>, session: &mut Session) -> Option<Outcome> {
        let life = session.server.as_mut()?.life.as_mut()?;
        let Poll::Ready(cause) = life.0.as_mut().poll(cx) else {
            return None;
        };
        let begun = self.response == Response::Begun;
        let stage = if begun { Stage::Data } else { Stage::Headers };
        let status = (!begun).then_some(ErrorStatus::S502);
        Some(Outcome::Failed(Termination::new(cause, stage), status))
    }

    fn closed(&self) -> Outcome {
        Outcome::Closed(self.noted.unwrap_or_default())
    }

    /// Client to server. Answers whether anything has moved.
    fn upward(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> bool {
        let mut moved = false;
        // A server whose response is complete and whose connection is about to be reset would not
        // read what is left of the request.
        let void = self.response == Response::Begun
            && transaction.down.body.is_done()
            && transaction.resets_server();
        let up = &mut transaction.up;
        let bufsize = session.generation.plan.global.tune.bufsize as usize;
        if !up.body.is_done() && !session.client.read_closed {
            moved |= session
                .client
                .poll_fill(cx, &mut up.buffer, &session.worker, bufsize)
                .is_ready();
        } else if self.watches_client {
            moved |= session.client.poll_watch(cx);
        }
        if up.schedule().is_err() && !std::mem::replace(&mut transaction.bad_request_body, true) {
            transaction.capture_request_body(session);
        }
        let up = &mut transaction.up;
        let Some(link) = &mut session.server else {
            return moved;
        };
        let server = &mut link.side;
        if server.write_closed || void {
            up.abandon();
        } else if up.is_pending() {
            moved |= up.poll_send(cx, server, &session.worker, false).is_ready();
        } else if self.tunnel
            && !self.no_half_close
            && session.client.read_closed
            && up.buffer.is_empty()
        {
            server.finish();
            moved = true;
        }
        moved
    }

    /// Server to client. Answers whether anything has moved.
    fn downward(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Result<bool, Outcome> {
        let Some(link) = &mut session.server else {
            return Ok(false);
        };
        let tune = &session.generation.plan.global.tune;
        let limit = match self.response {
            Response::Awaited => tune.bufsize - tune.maxrewrite,
            Response::Begun => tune.bufsize,
        } as usize;
        let mut moved = false;
        let server = &mut link.side;
        // Nothing can come before the request has gone, except when the server does not wait.
        let done = self.response == Response::Begun && transaction.down.body.is_done();
        if !done && !server.read_closed {
            let buffer = &mut transaction.down.buffer;
            if let Poll::Ready(n) = server.poll_fill(cx, buffer, &session.worker, limit) {
                transaction.down.read += n as u64;
                moved = true;
            }
        }
        if self.response == Response::Awaited && !transaction.down.buffer.is_empty() {
            let full = transaction.down.buffer.len() >= limit;
            if transaction.receive_response(session, full)? {
                self.response = Response::Begun;
                self.tunnel |= transaction.tunnels_from_head(session);
                moved = true;
            }
        }
        if self.response == Response::Begun
            && transaction.down.body.is_done()
            && !transaction.up.body.is_done()
        {
            transaction.answered_early = true;
        }
        if self.response == Response::Begun
            && transaction.down.schedule().is_err()
            && !std::mem::replace(&mut transaction.bad_response_body, true)
        {
            transaction.capture_response_body(session);
            // Since 1.5 what has come together with the mistake does not leave.
            let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
            if !v1_4 && transaction.down.sent == 0 {
                transaction.down.abandon();
            }
        }
        let last = self.response == Response::Begun && !self.tunnel && transaction.ends_both();
        let client = &mut session.client;
        if client.write_closed {
            transaction.down.abandon();
        } else if transaction.down.is_pending() {
            moved |= transaction
                .down
                .poll_send(cx, client, &session.worker, last)
                .is_ready();
        }
        // The response of a server that has closed ends with it; only what 1.4 is going to tunnel
        // waits for the rest of the request.
        if (self.tunnel
            || (self.response == Response::Begun
                && (self.no_half_close || !transaction.is_tunnel())))
            && session
                .server
                .as_ref()
                .is_some_and(|link| link.side.read_closed)
            && (self.tunnel
                || transaction.down.body == Body::UntilClose && !transaction.up.body.is_done())
            && !transaction.down.is_pending()
            && !session.client.write_closed
        {
            session.client.finish();
            moved = true;
        }
        Ok(moved)
    }

    /// Whether, and how, the exchange is over.
    fn outcome(&self, session: &Session, transaction: &Transaction) -> Option<Outcome> {
        let client = &session.client;
        let server = &session.server.as_ref()?.side;
        let failed =
            |cause, stage, status| Some(Outcome::Failed(Termination::new(cause, stage), status));
        let (up, down) = (&transaction.up, &transaction.down);
        if self.tunnel {
            if client.broken && server.read_closed && !server.broken {
                return Some(self.closed());
            }
            if client.broken {
                return failed(Cause::ClientAbort, Stage::Data, None);
            }
            if server.broken && !down.is_pending() {
                return failed(Cause::ServerAbort, Stage::Data, None);
            }
            if self.no_half_close && server.read_closed && !down.is_pending() {
                return Some(self.closed());
            }
            let over = client.read_closed && client.write_closed && server.read_closed;
            return (over && !up.is_pending()).then(|| self.closed());
        }
        let begun = self.response == Response::Begun;
        let waiting = if begun { Stage::Data } else { Stage::Headers };
        if transaction.bad_request_body {
            return failed(Cause::Proxy, waiting, None);
        }
        if client.read_closed && !up.body.is_done() {
            return failed(Cause::ClientAbort, waiting, None);
        }
        if client.broken && begun && down.body.is_done() && transaction.keeps_client() {
            return Some(Outcome::Complete);
        }
        if client.broken {
            let stage = match (begun, down.body.is_done()) {
                (true, true) if !transaction.is_tunnel() => Stage::Last,
                (false, _) if client.left || !self.watches_client => Stage::Headers,
                _ => Stage::Data,
            };
            return failed(Cause::ClientAbort, stage, None);
        }
        if transaction.bad_response_body && !down.is_pending() {
            return failed(Cause::Proxy, Stage::Data, None);
        }
        if !begun {
            let gives_up = session
                .generation
                .proxy(session.backend)
                .options
                .abortonclose;
            // 1.4 takes an answer that it has asked for.
            let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
            if gives_up && client.left && !v1_4 {
                return failed(Cause::ClientAbort, Stage::Headers, Some(ErrorStatus::S400));
            }
            if server.read_closed
                && self.watches_client
                && (client.left || client.socket.has_ended())
            {
                return failed(Cause::ClientAbort, Stage::Headers, Some(ErrorStatus::S400));
            }
            if server.read_closed {
                return failed(Cause::ServerAbort, Stage::Headers, Some(ErrorStatus::S502));
            }
            return None;
        }
        if down.is_pending() {
            return None;
        }
        let response_over =
            down.body.is_done() || (down.body == Body::UntilClose && server.read_closed);
        if response_over {
            if server.broken && down.body == Body::UntilClose {
                return failed(Cause::ServerAbort, Stage::Data, None);
            }
            let request_over = up.body.is_done() && !up.is_pending();
            return request_over.then_some(Outcome::Complete);
        }
        if server.read_closed {
            return failed(Cause::ServerAbort, Stage::Data, None);
        }
        None
    }

    /// Ready when a side was inactive for too long. That ends an exchange; in a tunnel it ends the
    /// direction that has come from that side, as a FIN would, and `None` says so.
    fn poll_expiry(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &Transaction,
    ) -> Poll<Option<Outcome>> {
        let Some(link) = &mut session.server else {
            return Poll::Pending;
        };
        let (up, down) = (&transaction.up, &transaction.down);
        let independent = session
            .generation
            .proxy(session.frontend)
            .options
            .independant_streams
            || session
                .generation
                .proxy(session.backend)
                .options
                .independant_streams;
        let server_open = !link.side.read_closed;
        let timeout = session.generation.proxy(session.backend).timeouts.server;
        let server_at = (server_open || up.is_pending())
            .then(|| after(since(&link.side, up.is_pending(), independent), timeout))
            .flatten();
        // A client that owes the rest of its request is left to the server's patience.
        let awaits_client = if self.tunnel {
            !session.client.read_closed || down.is_pending()
        } else {
            down.is_pending() || (!up.body.is_done() && server_at.is_none())
        };
        let timeout = session.generation.proxy(session.frontend).timeouts.client;
        let client_at = awaits_client
            .then(|| {
                after(
                    since(&session.client, down.is_pending(), independent),
                    timeout,
                )
            })
            .flatten();
        let at = earlier(client_at, server_at);
        if session.deadline.poll(cx, at).is_pending() {
            return Poll::Pending;
        }
        let begun = self.response == Response::Begun;
        let stage = if begun { Stage::Data } else { Stage::Headers };
        let by_server = server_at.is_some() && server_at == at;
        let cause = if by_server {
            Cause::ServerTimeout
        } else {
            Cause::ClientTimeout
        };
        let termination = Termination::new(cause, stage);
        if self.tunnel {
            let side = if by_server {
                &mut link.side
            } else {
                &mut session.client
            };
            let stuck = side.read_closed;
            side.read_closed = true;
            side.expired = true;
            self.noted.get_or_insert(termination);
            if !stuck {
                return Poll::Ready(None);
            }
        }
        let status = (by_server && !begun).then_some(ErrorStatus::S504);
        Poll::Ready(Some(Outcome::Failed(termination, status)))
    }
}

/// From when on a side is inactive: from the last byte either way, or from the last that has come
/// with independent streams.
fn since(side: &Side, sending: bool, independent: bool) -> Instant {
    if independent && !sending {
        side.received
    } else {
        side.active
    }
}

/// `mode tcp`: connects to a server and relays until both sides have closed.
pub(crate) async fn relay(session: &mut Session) {
    let mut transaction = session.worker.take_transaction();
    let termination = relay_through(session, &mut transaction).await;
    let counts = crate::log::Counts {
        server_queue: transaction.queued.0,
        backend_queue: transaction.queued.1,
        ..session.counts()
    };
    session.count_tcp_end(&transaction, termination);
    let line = Line {
        server: transaction.server_name(),
        timers: Timers {
            request: -1,
            queue: transaction.timing.queue(session),
            connect: transaction.timing.connect(),
            response: -1,
            total: session.elapsed(session.worker.now()),
        },
        bytes: transaction.down.read,
        termination,
        counts,
        retries: transaction.retries,
        redispatched: transaction.redispatched,
        http: None,
    };
    session.log(&line);
    let broken = session.client.broken;
    session.close_server(broken);
    let worker: &Worker = &session.worker;
    worker.give_transaction(transaction);
}

async fn relay_through(session: &mut Session, transaction: &mut Transaction) -> Termination {
    if !transaction.inspect(session).await {
        session.close_client();
        session.count_denied(true);
        return Termination::new(Cause::Proxy, Stage::Request);
    }
    transaction.switch_tcp(session);
    transaction.server_rules(session, false);
    transaction.persist_rdp_cookie(session);
    transaction.stick(session, false);
    transaction.hash = transaction.hash_connection(session);
    transaction.up.tunnel();
    transaction.down.tunnel();
    if let Err(failure) = connect::connect(session, transaction).await {
        session.close_client();
        return failure.termination;
    }
    transaction.remember_server(session, false);
    let exchange = Exchange {
        tunnel: true,
        no_half_close: false,
        watches_client: false,
        response: Response::Begun,
        noted: None,
    };
    match exchange.run(session, transaction).await {
        Outcome::Failed(termination, _) | Outcome::Closed(termination) => termination,
        Outcome::Complete => Termination::default(),
    }
}
