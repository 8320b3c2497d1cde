//! Both directions of a session at once, until one of them decides what happens next.
//!
//! A [`Flow`](super::flow::Flow) is one direction. [`Exchange`] moves both, scans the response when
//! it comes, and answers with an [`Outcome`]. It holds for HTTP transactions and for
//! [`mode tcp`](super::relay), which is an exchange that is a tunnel from its start.

use std::future::poll_fn;
use std::task::{Context, Poll};

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::deadline::{TOGETHER, after, earlier};
use super::duties::Duty;
use super::session::Session;
use super::side::{Ends, Farewell, Side};
use super::splice::Splicing;
use super::transaction::Transaction;
use crate::http1::Body;
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, Mode};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Response {
    /// Its head has not come.
    #[default]
    Awaited,
    /// Its head was sent on; the body follows.
    Begun,
}

/// The state of one exchange, over a transaction's flows.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// The dialect is 1.4.
    pub(crate) v1_4: bool,
    /// Both directions are relayed to their ends.
    pub(crate) tunnel: bool,
    /// A server that closes ends both directions, even of a tunnel.
    pub(crate) no_half_close: bool,
    /// Whether a client that has sent all is looked after: a reset ends the exchange, and one that has
    /// gone before the server cuts off its response is taken for the cause.
    pub(crate) watches_client: bool,
    /// Whether the server learns that a client has closed its side: 1.4 tells it with
    /// `option abortonclose`, and still takes its answer.
    pub(crate) tells_server: bool,
    /// Whether the response head was seen.
    pub(crate) response: Response,
    /// What has ended one direction of a tunnel, when it was not its side.
    pub(crate) noted: Option<Termination>,
    /// The response is over, and the session lasts until the client has closed, too.
    pub(crate) lingers: bool,
    /// The response is in chunks.
    pub(crate) chunked: bool,
    /// What had come from the server before it was last listened to.
    pub(crate) heard: u64,
}

impl Exchange {
    /// Moves bytes until there is an outcome.
    pub(crate) async fn run(
        mut self,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Outcome {
        if transaction.duties.has(Duty::Splicing) {
            let (up, down) = splicing(session);
            transaction.up.splice(up);
            transaction.down.splice(down);
        }
        poll_fn(|cx| self.poll(cx, session, transaction)).await
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Poll<Outcome> {
        self.heard = transaction.down.read;
        let (mut asks_up, mut asks_down) = (true, true);
        loop {
            let before = self.tunnel.then(|| ends(session));
            let up = asks_up && self.upward(cx, session, transaction);
            let down = if asks_down {
                match self.downward(cx, session, transaction) {
                    Ok(moved) => moved,
                    Err(outcome) => return Poll::Ready(outcome),
                }
            } else {
                false
            };
            if let Some(outcome) = self.outcome(session, transaction) {
                let noted = self.noted.filter(|_| !self.tunnel);
                let outcome = noted.map_or(outcome, |first| Outcome::Failed(first, None));
                return Poll::Ready(outcome);
            }
            // One direction of a tunnel has nothing to do with the other, unless a side has ended: what
            // has not moved is left out once.
            let apart = before.is_some_and(|before| before == ends(session));
            (asks_up, asks_down) = (up || !asks_up || !apart, down || !asks_down || !apart);
            if !up && !down {
                if let Some(outcome) = self.poll_life(cx, session) {
                    return Poll::Ready(outcome);
                }
                match self.poll_expiry(cx, session, transaction) {
                    Poll::Ready(Some(outcome)) => return Poll::Ready(outcome),
                    Poll::Ready(None) => (asks_up, asks_down) = (true, true),
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

    /// Since 1.5, whether a client that closes its side gets no more of the response: of one that ends
    /// with its connection, and of any with `option abortonclose`, but not in a tunnel.
    fn lasts_while_client_does(&self, session: &Session, transaction: &Transaction) -> bool {
        self.response == Response::Begun
            && !self.v1_4
            && !transaction.is_tunnel()
            && (transaction.down.body == Body::UntilClose || session.backend().options.abortonclose)
    }

    fn closed(&self) -> Outcome {
        Outcome::Closed(self.noted.unwrap_or_default())
    }

    /// Client to server. Answers whether anything has moved. Apart, as what is inlined into a loop has all
    /// that it may need made ready before.
    #[inline(never)]
    fn upward(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> bool {
        let mut moved = false;
        // That a reset follows the end of a client is known since 1.5.
        let looks = self.watches_client && !(self.v1_4 && session.client.left);
        let watches_client = looks || self.lasts_while_client_does(session, transaction);
        let up = &mut transaction.up;
        let bufsize = session.generation.plan.global.tune.bufsize as usize;
        if !up.body.is_done() && !session.client.read_closed {
            moved |= up
                .poll_fill(cx, &mut session.client, &session.worker, bufsize)
                .is_ready();
        } else if watches_client {
            moved |= session.client.poll_watch(cx);
        }
        if !transaction.bad_request_body && up.schedule(bufsize).is_err() {
            transaction.bad_request_body = true;
            transaction.capture_request_body(session);
        }
        // Whose response is complete gets the rest of the request all the same, but for an end
        // that has come together with more: then the connection is reset at once.
        let void = self.response == Response::Begun
            && transaction.down.body.is_done()
            && transaction.resets_server()
            && transaction.up.body.is_done()
            && (transaction.up.excess() > 0 || transaction.loses_end(session));
        let void = void || transaction.ignores_client();
        let delays = transaction.delays;
        let up = &mut transaction.up;
        let Some(link) = &mut session.server else {
            return moved;
        };
        let server = &mut link.side;
        if server.write_closed || void {
            up.abandon();
        } else if up.is_pending() {
            // The head of a request does not wait for its body.
            let more = delays && up.sent > 0 && up.body.is_awaited();
            let sent = up.poll_send(cx, server, &session.worker, more).is_ready();
            // When all of a request has left there is nothing to be done in this direction.
            let over = up.body.is_done() && !up.is_pending() && !self.tells_server;
            moved |= sent && !over;
        } else {
            let client = &session.client;
            // The place of a FIN may be taken by a reset, which is not kept back.
            let passes = !self.no_half_close || server.farewell != Farewell::Fin;
            let closed = self.tunnel && passes && client.read_closed;
            let ends = closed && !client.broken && up.buffer.is_empty();
            if ends || self.tells_server && client.left && up.body.is_done() {
                server.finish();
                moved = true;
            }
        }
        moved
    }

    /// Server to client. Answers whether anything has moved.
    #[inline(never)]
    fn downward(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Result<bool, Outcome> {
        let held = self.holds_response(transaction);
        let Some(link) = &mut session.server else {
            return Ok(false);
        };
        let tune = &session.generation.plan.global.tune;
        let limit = match self.response {
            Response::Begun if !held => tune.bufsize as usize,
            _ => tune.unreserved(),
        };
        let mut moved = false;
        let server = &mut link.side;
        // Nothing can come before the request has gone, except when the server does not wait.
        let done = self.response == Response::Begun && transaction.down.body.is_done();
        let down = &mut transaction.down;
        down.held = held;
        if !done && !server.read_closed {
            match down.poll_fill(cx, server, &session.worker, limit) {
                Poll::Ready(n) => {
                    down.read += n as u64;
                    moved = true;
                }
                // The answer is on its way: there is nothing to be done with it yet.
                Poll::Pending
                    if self.response == Response::Awaited
                        && down.buffer.is_empty()
                        && !down.is_pending()
                        && !session.client.write_closed =>
                {
                    return Ok(false);
                }
                Poll::Pending => {}
            }
        } else if done && !transaction.up.body.is_done() && server.poll_watch(cx) {
            // It does not wait for the rest of the request.
            server.read_closed = true;
            moved = true;
            if transaction.keeps_client() {
                // From now on it is the client's silence that ends the session.
                session.client.active = session.worker.now();
            } else if !self.v1_4 {
                session.client.finish();
            }
        }
        if self.response == Response::Awaited && !transaction.down.buffer.is_empty() {
            let full = transaction.down.buffer.len() >= limit;
            if transaction.receive_response(session, full)? {
                self.response = Response::Begun;
                moved = true;
            }
        }
        if self.response == Response::Begun && !self.tunnel {
            self.tunnel = transaction.relays_response(session);
        }
        let held = self.holds_response(transaction);
        if self.response == Response::Awaited && cuts_off(session) {
            transaction.down.pass_on();
        }
        if self.response == Response::Begun
            && transaction.down.body.is_done()
            && !transaction.up.body.is_done()
        {
            transaction.answered_early = true;
        }
        let begun = transaction.down.body;
        self.chunked |= matches!(begun, Body::Chunked(_));
        if self.response == Response::Begun
            && !held
            && !transaction.bad_response_body
            && let Err(mistake) = transaction.down.schedule(tune.bufsize as usize)
        {
            transaction.bad_response_body = true;
            transaction.capture_response_body(session);
            // Since 1.5 what has come together with the mistake does not leave.
            if !self.v1_4 && transaction.down.sent == 0 {
                transaction.down.abandon();
            } else {
                transaction.down.schedule_before(mistake, begun, self.v1_4);
            }
        }
        let last = self.response == Response::Begun && !self.tunnel && transaction.ends_both();
        let more = last || transaction.delays && transaction.down.body.is_awaited();
        let client = &mut session.client;
        if client.write_closed {
            transaction.down.abandon();
        } else if transaction.down.is_pending() {
            moved |= transaction
                .down
                .poll_send(cx, client, &session.worker, more)
                .is_ready();
        }
        let unframed =
            self.response == Response::Begun && transaction.down.body == Body::UntilClose;
        // The response of a server that has closed ends with it.
        if (self.tunnel || unframed && !held)
            && session
                .server
                .as_ref()
                .is_some_and(|link| link.side.read_closed)
            && !transaction.down.is_pending()
            && !session.client.write_closed
        {
            if self.outlasts_server(session, transaction) {
                self.linger(transaction);
            }
            if self.tunnel || self.lingers || !transaction.up.body.is_done() {
                session.client.finish();
                moved = true;
            }
        }
        Ok(moved)
    }

    /// Whether what follows the head of the response waits for the rest of the request: in 1.4 a
    /// body without a length belongs to the tunnel that begins then.
    fn holds_response(&self, transaction: &Transaction) -> bool {
        self.v1_4
            && self.response == Response::Begun
            && !self.tunnel
            && transaction.is_tunnel()
            && transaction.down.body == Body::UntilClose
            && !transaction.up.body.is_done()
    }

    /// Whether a response has ended with the connection of its server and the session goes on until
    /// the client closes, too: in 1.4, where that client is still read from, and where the end of
    /// the server has come by itself.
    fn outlasts_server(&self, session: &Session, transaction: &Transaction) -> bool {
        self.v1_4
            && !self.tunnel
            && self.watches_client
            && self.noted.is_none()
            && transaction.up.body.is_done()
            && transaction.down.read == self.heard
            && !session.client.left
            && !session.server.as_ref().is_some_and(|link| link.side.broken)
    }

    /// From now on only the end of the client is waited for. What it sends beyond its request goes
    /// nowhere.
    fn linger(&mut self, transaction: &mut Transaction) {
        self.lingers = true;
        if transaction.up.body.is_done() {
            transaction.up.tunnel();
        }
    }

    /// Whether a client that is read from, and says nothing for too long once the response has begun,
    /// is held to have ended its side. In 1.4 that is so where the response ends with its connection
    /// and is no tunnel; later also where its length is known and the connections are not to be kept.
    fn expects_client(&self, session: &Session, transaction: &Transaction) -> bool {
        let ends = match transaction.down.body {
            Body::UntilClose => !self.v1_4 || !transaction.is_tunnel(),
            Body::Chunked(_) => false,
            _ => !self.v1_4 && !transaction.keeps_client(),
        };
        ends && self.response == Response::Begun
            && self.noted.is_none()
            && !session.client.left
            && (self.watches_client || !transaction.up.body.is_done())
    }

    /// Whether, and how, the exchange is over.
    fn outcome(&self, session: &Session, transaction: &Transaction) -> Option<Outcome> {
        let client = &session.client;
        let server = &session.server.as_ref()?.side;
        if self.is_calm(client, server, transaction) {
            let over = self.response == Response::Begun
                && transaction.down.body.is_done()
                && !transaction.down.is_pending()
                && transaction.up.body.is_done()
                && !transaction.up.is_pending();
            return over.then_some(Outcome::Complete);
        }
        self.unusual_outcome(session, transaction)
    }

    /// Whether nothing has ended or gone wrong, so that only the messages themselves end the exchange.
    fn is_calm(&self, client: &Side, server: &Side, transaction: &Transaction) -> bool {
        let ended = client.read_closed | client.left | server.read_closed;
        let odd = transaction.bad_request_body | transaction.bad_response_body;
        !(ended | odd | self.tunnel | self.lingers) && self.noted.is_none()
    }

    /// The same where something has ended or gone wrong.
    fn unusual_outcome(&self, session: &Session, transaction: &Transaction) -> Option<Outcome> {
        let client = &session.client;
        let server = &session.server.as_ref()?.side;
        let failed =
            |cause, stage, status| Some(Outcome::Failed(Termination::new(cause, stage), status));
        let (up, down) = (&transaction.up, &transaction.down);
        if self.tunnel {
            if client.broken {
                return failed(Cause::ClientAbort, Stage::Data, None);
            }
            if server.broken && !down.is_pending() {
                return failed(Cause::ServerAbort, Stage::Data, None);
            }
            let ended = self.no_half_close && server.read_closed && !down.is_pending();
            let left = client.left || client.read_closed && !client.expired;
            if ended || left && self.lasts_while_client_does(session, transaction) {
                return Some(self.closed());
            }
            let over = client.read_closed && client.write_closed && server.read_closed;
            return (over && !up.is_pending()).then(|| self.closed());
        }
        if self.lingers {
            if client.broken {
                return failed(Cause::ClientAbort, Stage::Data, None);
            }
            return (client.left || client.read_closed).then_some(Outcome::Complete);
        }
        let begun = self.response == Response::Begun;
        let waiting = if begun { Stage::Data } else { Stage::Headers };
        if transaction.bad_request_body {
            return failed(Cause::Proxy, waiting, None);
        }
        if client.read_closed && !up.body.is_done() && self.noted.is_none() {
            return failed(Cause::ClientAbort, waiting, None);
        }
        // Who was sent all of a response has it. Only the end of content counts as missing, not that of
        // its chunks, and only where something has left before.
        let missing = (down.lost || down.is_pending()) && down.sent > 0 && !self.chunked;
        let answered = down.body.is_done() && !missing;
        if client.broken && begun && answered && transaction.keeps_client() {
            return Some(Outcome::Complete);
        }
        if client.broken {
            let stage = match (begun, answered) {
                (true, true) if !transaction.is_tunnel() => Stage::Last,
                (false, _) if client.left || self.v1_4 || !self.watches_client => Stage::Headers,
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
            if gives_up && client.left && !self.v1_4 && !transaction.is_tunnel() {
                return failed(Cause::ClientAbort, Stage::Headers, Some(ErrorStatus::S400));
            }
            let looks = self.watches_client && (gives_up || !self.v1_4);
            if server.read_closed && looks && (client.left || client.socket.has_left()) {
                return failed(Cause::ClientAbort, Stage::Headers, Some(ErrorStatus::S400));
            }
            if cuts_off(session) {
                return match down.is_pending() {
                    true => None,
                    false => failed(Cause::ServerAbort, Stage::Data, None),
                };
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
            if self.noted.is_some() && server.read_closed {
                return Some(Outcome::Complete);
            }
            if server.broken && down.body == Body::UntilClose {
                return failed(Cause::ServerAbort, Stage::Data, None);
            }
            let request_over = up.body.is_done() && !up.is_pending();
            if server.broken && !request_over {
                return failed(Cause::ServerAbort, Stage::Data, None);
            }
            return request_over.then_some(Outcome::Complete);
        }
        if client.left && self.lasts_while_client_does(session, transaction) {
            return failed(Cause::ClientAbort, Stage::Data, None);
        }
        if server.read_closed {
            let left = self.watches_client && (client.left || client.socket.has_left());
            let cause = if left {
                Cause::ClientAbort
            } else {
                Cause::ServerAbort
            };
            return failed(cause, Stage::Data, None);
        }
        None
    }

    /// Ready when a side was inactive for too long. That ends an exchange; in a tunnel it ends the
    /// direction that has come from that side, as a FIN would, and `None` says so.
    fn poll_expiry(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Poll<Option<Outcome>> {
        let expects_client = self.lingers || self.expects_client(session, transaction);
        let Some(link) = &mut session.server else {
            return Poll::Pending;
        };
        let (up, down) = (&transaction.up, &transaction.down);
        let (frontend, backend) = (session.frontend, session.backend);
        let (frontend, backend) = (
            session.generation.proxy(frontend),
            session.generation.proxy(backend),
        );
        let server_open = !link.side.read_closed && !down.stuck;
        let independent = backend.options.independant_streams;
        let server_since = since(&link.side, up.is_pending(), independent);
        let server_at = (server_open || up.is_pending())
            .then(|| after(server_since, backend.timeouts.server))
            .flatten();
        // A client that owes the rest of its request is left to the server's patience.
        let awaits_client = if self.tunnel || expects_client {
            !session.client.read_closed && !up.stuck || down.is_pending()
        } else {
            down.is_pending() || (!up.body.is_done() && server_at.is_none())
        };
        let independent = frontend.options.independant_streams;
        let client_since = since(&session.client, down.is_pending(), independent);
        let client_at = awaits_client
            .then(|| after(client_since, frontend.timeouts.client))
            .flatten();
        let at = earlier(client_at, server_at);
        if session.deadline.poll(cx, at).is_pending() {
            return Poll::Pending;
        }
        let begun = self.response == Response::Begun;
        let stage = if begun { Stage::Data } else { Stage::Headers };
        // When both have been silent for too long, it is the client who is said to.
        let by_server = server_at.is_some_and(|server_at| {
            client_at.is_none_or(|client_at| client_at > server_at + TOGETHER)
        });
        let cause = if by_server {
            Cause::ServerTimeout
        } else {
            Cause::ClientTimeout
        };
        let termination = Termination::new(cause, stage);
        if !by_server && down.is_pending() && self.v1_4 {
            // So that the client does not take for all what it has got.
            session.client.socket.reset_on_close();
        }
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
        if expects_client && !self.lingers && !by_server && !down.is_pending() {
            session.client.read_closed = true;
            session.client.expired = true;
            if self.v1_4 {
                link.side.finish();
            }
            self.noted = Some(termination);
            return Poll::Ready(None);
        }
        let owed = self.watches_client || !up.body.is_done();
        if by_server && begun && self.v1_4 && owed && !self.lingers && !session.client.left {
            link.side.read_closed = true;
            link.side.expired = true;
            session.client.finish();
            session.client.active = session.worker.now();
            self.noted = Some(termination);
            self.linger(transaction);
            return Poll::Ready(None);
        }
        let termination = self.noted.unwrap_or(termination);
        let status = (by_server && !begun).then_some(ErrorStatus::S504);
        Poll::Ready(Some(Outcome::Failed(termination, status)))
    }
}

/// Whether the client is left with what has come of an answer because the server has reset the
/// connection. HAProxy 1.8 does that, where others answer 502.
fn cuts_off(session: &Session) -> bool {
    let side = session.server.as_ref().map(|link| &link.side);
    side.is_some_and(|side| side.broken) && session.generation.plan.dialect == Dialect::V1_8
}

/// How far both sides have ended.
fn ends(session: &Session) -> (Ends, Option<Ends>) {
    let server = session.server.as_ref();
    (session.client.ends(), server.map(|link| link.side.ends()))
}

/// When bytes go from socket to socket, from the client and from the server.
fn splicing(session: &Session) -> (Splicing, Splicing) {
    let (frontend, backend) = (session.proxy(), session.backend());
    let (one, other) = (&frontend.options, &backend.options);
    // Nobody looks at the bytes of a TCP connection: where they stream, splicing is cheaper.
    let streams = frontend.mode == Mode::Tcp || one.splice_auto || other.splice_auto;
    let of = |asked: bool| match (asked, streams) {
        (true, _) => Splicing::Always,
        (false, true) => Splicing::WhenStreaming,
        (false, false) => Splicing::Never,
    };
    (
        of(one.splice_request || other.splice_request),
        of(one.splice_response || other.splice_response),
    )
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
