//! One request and its response, in HAProxy's order of steps.
//!
//! [`run`] is that order, written once: receive the request, answer what the proxy answers itself,
//! choose the backend, fix what happens to the connections, connect, exchange, and finish.

mod body;
mod cookies;
mod dress;
mod end;
mod inspect;
mod password;
mod placement;
mod record;
mod replay;
mod reply;
mod request;
mod response;
mod rules;
mod statistics;
mod sticking;
mod switching;
mod tarpit;
mod world;

pub(crate) use end::{End, NOWHERE};
pub(crate) use password::ShownPasswords;

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use self::record::Timing;
use super::accounting::Incident;
use super::connect;
use super::duties::{Duties, Duty};
use super::exchange::{Exchange, Outcome, Response};
use super::flow::Flow;
use super::live::{Counter, Server};
use super::session::{Session, Written};
use super::trace::Step;
use super::worker::Worker;
use crate::http1::connection_header::{RequestConnection, Stage as Look};
use crate::http1::{Body, Head, Intent, Kind, Method, Policy, head::Version};
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, HttpReuse, TransparentSource};

/// What the client connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits for another request.
    Request,
    /// It is closed.
    Close,
}

/// The state of one transaction. Its allocations are used again for the next.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Client to server.
    pub(crate) up: Flow,
    /// Server to client.
    pub(crate) down: Flow,
    /// What frontend and backend have to do.
    pub(crate) duties: Duties,
    /// When what happened.
    pub(crate) timing: Timing,
    /// Connection attempts after the first.
    pub(crate) retries: u32,
    /// Whether another server was tried.
    pub(crate) redispatched: bool,
    /// How many waited when it came to the queue of a server and to that of the backend, this one
    /// included; 0 when it did not wait.
    pub(crate) queued: (u32, u32),
    /// What it is hashed to, when that chooses its server.
    pub(crate) hash: Option<u32>,
    /// What the request carries for its server.
    dress: dress::Dress,
    /// Where in the head the name of the server is to stand, when it is to be told.
    name_at: Option<usize>,
    /// The path that a server may want its client to ask for elsewhere.
    path: Vec<u8>,
    /// The server that was chosen.
    pub(crate) server: Option<Arc<Server>>,
    /// The body of the request breaks its own framing.
    pub(crate) bad_request_body: bool,
    /// A server may find another end of the request.
    is_doubtful: bool,
    /// The body of the response breaks its own framing.
    pub(crate) bad_response_body: bool,
    request: Head,
    response: Head,
    policy: Policy,
    connection: RequestConnection,
    intent: Intent,
    /// The body of the request as its head announces it.
    body: Body,
    /// Whether the end of that body is known without a close.
    length_known: bool,
    /// It is the first request of its connection.
    first: bool,
    /// The client takes this for a proxy.
    as_proxy: bool,
    /// A rule has chosen the backend.
    switched: bool,
    /// A rule has let the request pass: none refuses it any more.
    request_allowed: bool,
    /// The address in the header that `usesrc` names.
    pub(crate) source_address: Option<std::net::Ipv4Addr>,
    /// Where the URL leads, for `option http_proxy`.
    pub(crate) url_address: Option<std::net::SocketAddr>,
    /// A server was asked for.
    pub(crate) connecting: bool,
    /// What the persistence cookies have said so far.
    cookies: crate::rewrite::cookies::State,
    /// `force-persist`.
    forced: bool,
    /// The server that the client wants.
    pub(crate) sticky: Option<Arc<Server>>,
    /// Keys by which tables will remember the server.
    stick_places: sticking::Places,
    /// The session of the application, when it is to be remembered.
    session_id: Option<Vec<u8>>,
    /// What the log shows of the messages.
    captured: cookies::Captured,
    /// The log line was written when the response, or a connection in `mode tcp`, began.
    pub(crate) logged: bool,
    /// What stands in the log in place of a server.
    server_word: Option<&'static str>,
    /// What has gone wrong with a message.
    pub(crate) incident: Option<Incident>,
    method: Method,
    version: Version,
    /// Sent to the client; -1 before.
    status: i32,
    /// For the log.
    request_line: Vec<u8>,
    /// A request sent on a kept connection, to be sent again should that have ended meanwhile.
    replay: Vec<u8>,
    /// It was sent again: on a fresh connection.
    replayed: bool,
    /// The server has upgraded the connection, or accepted a CONNECT.
    upgraded: bool,
    /// The response was complete before the request.
    pub(crate) answered_early: bool,
    /// The connection to the server ends with a FIN, not a RST.
    parts_gently: bool,
    /// What is known to be incomplete may wait in the system for more, so that segments are full:
    /// the opposite of `option http-no-delay`.
    pub(crate) delays: bool,
    /// The client has said nothing for too long while there was no server: it is not heard any more
    /// before there is one.
    pub(crate) unheard: bool,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            up: Flow::default(),
            down: Flow::default(),
            duties: Duties::default(),
            timing: Timing::default(),
            retries: 0,
            redispatched: false,
            queued: (0, 0),
            hash: None,
            dress: dress::Dress::default(),
            name_at: None,
            path: Vec::new(),
            server: None,
            bad_request_body: false,
            is_doubtful: false,
            bad_response_body: false,
            request: Head::new(Kind::Request),
            response: Head::new(Kind::Response),
            policy: Policy::default(),
            connection: RequestConnection::default(),
            intent: Intent::default(),
            body: Body::Done,
            length_known: true,
            first: true,
            as_proxy: false,
            switched: false,
            request_allowed: false,
            source_address: None,
            url_address: None,
            connecting: false,
            cookies: crate::rewrite::cookies::State::default(),
            forced: false,
            sticky: None,
            stick_places: sticking::Places::new(),
            session_id: None,
            captured: cookies::Captured::default(),
            logged: false,
            server_word: None,
            incident: None,
            method: Method::default(),
            version: Version::default(),
            status: -1,
            request_line: Vec::new(),
            replay: Vec::new(),
            replayed: false,
            upgraded: false,
            parts_gently: false,
            delays: false,
            unheard: false,
            answered_early: false,
        }
    }
}

/// Serves one request. `first` says whether it is the first of its connection.
pub(crate) async fn run(session: &mut Session, transaction: &mut Transaction, first: bool) -> Next {
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    // 1.4 counts from the end of the transaction before, which is noted below.
    if !first && !v1_4 {
        session.started = session.worker.now();
    }
    let next = match transaction.serve(session, first).await {
        Ok(next) => next,
        Err(end) => end.conclude(session, transaction).await,
    };
    session.report_hopeless_pattern();
    session.tracking.end_request();
    if next == Next::Close {
        transaction.trace_end(session);
        session.close_server(!transaction.parts_gently);
        session.close_client();
    } else if v1_4 {
        session.started = session.worker.now();
    }
    session.in_backend = None;
    session.backend = session.frontend;
    if next == Next::Request {
        session.trace(Step::Again);
    }
    if session.server.is_none() {
        session.card.server.take();
        session.card.backend.set(None);
    }
    next
}

impl Transaction {
    /// Makes ready for another request, keeping allocations.
    pub(crate) fn reset(&mut self, worker: &Worker) {
        self.up.reset(worker);
        self.down.reset(worker);
        self.timing = Timing::default();
        self.retries = 0;
        self.redispatched = false;
        self.queued = (0, 0);
        self.hash = None;
        self.dress = dress::Dress::default();
        self.name_at = None;
        self.path.clear();
        self.server = None;
        self.bad_request_body = false;
        self.is_doubtful = false;
        self.bad_response_body = false;
        self.request.reset(Kind::Request);
        self.response.reset(Kind::Response);
        self.connection = RequestConnection::default();
        self.intent = Intent::default();
        self.as_proxy = false;
        self.switched = false;
        self.request_allowed = false;
        self.source_address = None;
        self.url_address = None;
        self.connecting = false;
        self.cookies = crate::rewrite::cookies::State::default();
        self.forced = false;
        self.sticky = None;
        self.stick_places.clear();
        self.session_id = None;
        self.captured.clear();
        self.logged = false;
        self.server_word = None;
        self.incident = None;
        self.status = -1;
        self.request_line.clear();
        self.replay.clear();
        self.replayed = false;
        self.upgraded = false;
        self.parts_gently = false;
        self.delays = false;
        self.unheard = false;
        self.answered_early = false;
    }

    async fn serve(&mut self, session: &mut Session, first: bool) -> Result<Next, End> {
        self.duties = session.frontend_handles().duties;
        if self.duties.has(Duty::Content) {
            if !self.inspect(session).await {
                return Err(self.reject());
            }
            self.settle_first_bytes(session);
        }
        self.down.read = std::mem::take(&mut session.excess);
        self.receive_request(session, first).await?;
        self.first = first;
        if self.duties.has(Duty::Reception)
            && let Some(next) = self.attend(session).await?
        {
            return Ok(next);
        }
        self.take_policy(session, session.frontend);
        if !self.duties.has(Duty::Rules) {
            self.look_at_connection(session, Look::Frontend);
        } else if let Some(next) = self.request_rules(session, Look::Frontend).await? {
            return Ok(next);
        }
        self.switch(session);
        if session.backend().disabled {
            return Err(self.nowhere());
        }
        if session.backend != session.frontend {
            self.duties = self.duties.and(session.backend_handles().duties);
            if self.duties.has(Duty::Content) && !self.inspect_for_backend(session).await {
                return Err(self.reject());
            }
            if self.duties.has(Duty::Reception) {
                self.buffer_request(session, session.backend).await?;
            }
            self.take_policy(session, session.backend);
            if !self.duties.has(Duty::Rules) {
                self.look_at_connection(session, Look::Joint);
            } else if let Some(next) = self.request_rules(session, Look::Joint).await? {
                return Ok(next);
            }
        }
        if !session.backend().role.is_backend() {
            return Err(self.nowhere());
        }
        if self.duties.has(Duty::Placement) {
            self.place(session).await?;
        }
        if session.client.read_closed && !self.serves_who_left(session) {
            let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
            let stage = if session.client.broken && !v1_4 {
                Stage::Request
            } else {
                Stage::Headers
            };
            let left = Termination::new(Cause::ClientAbort, stage);
            return Err(End::new(left, None));
        }
        self.prepare_request(session)?;
        match connect::connect(session, self).await {
            Ok(()) => self.exchange(session).await,
            Err(failure) if failure.redirect => self.redirect_to_server(session).await,
            Err(failure) => Err(End::new(failure.termination, failure.status)),
        }
    }

    /// Does what comes before the rules of the frontend. `Some` when the request is answered here.
    async fn attend(&mut self, session: &mut Session) -> Result<Option<Next>, End> {
        self.buffer_request(session, session.frontend).await?;
        self.as_proxy = self.is_for_proxy(session);
        if !self.is_monitor_request(session) {
            return Ok(None);
        }
        let status = if self.monitor_fails(session) {
            ErrorStatus::S503
        } else {
            ErrorStatus::S200
        };
        self.reply_error(session, status).await;
        let counters = &session.frontend_handles().frontend.counters;
        counters.count(session.worker.index, Counter::Intercepted);
        self.account(session, Termination::default());
        Ok(Some(Next::Close))
    }

    /// Finds out what decides about the server of a request beside whose turn it is.
    async fn place(&mut self, session: &mut Session) -> Result<(), End> {
        self.persist_rules(session);
        self.server_rules(session, true);
        self.request_cookies(session);
        self.stick(session, true);
        self.await_body_to_balance(session).await?;
        self.hash_request(session);
        self.aim(session);
        Ok(())
    }

    /// Whether there is more to the request than its head.
    pub(crate) fn has_body(&self) -> bool {
        self.body != Body::Done
    }

    /// Whether the client is read from while a server is connected to.
    pub(crate) fn is_client_read(&self, session: &Session) -> bool {
        self.watches_client(session) || self.has_body()
    }

    /// Whether a client that has sent its whole request is still read from. After a POST it is in
    /// any case: browsers are known to send a few bytes too many.
    fn watches_client(&self, session: &Session) -> bool {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let kept = !v1_4 && self.intent.keeps_client();
        kept || self.method == Method::Post || session.backend().options.abortonclose
    }

    async fn exchange(&mut self, session: &mut Session) -> Result<Next, End> {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let mut tunnel = false;
        let mut response = Response::Awaited;
        loop {
            let exchange = Exchange {
                v1_4,
                tunnel,
                // Since 1.5 the request was seen to its end when a tunnel begins.
                no_half_close: !v1_4,
                watches_client: self.watches_client(session),
                tells_server: v1_4 && session.backend().options.abortonclose,
                response,
                ..Exchange::default()
            };
            let outcome = exchange.run(session, self).await;
            match outcome {
                Outcome::Failed(..) if self.can_replay(session) => {
                    self.replay(session).await?;
                    response = Response::Awaited;
                }
                // The client may send it again, or not.
                Outcome::Failed(termination, _) if self.met_an_end(session) && !self.first => {
                    self.account_failure(session, termination);
                    return Err(End::new(termination, None));
                }
                Outcome::Failed(termination, status) => {
                    self.account_failure(session, termination);
                    // 1.4 resets the server only when it gives up on an answer.
                    self.parts_gently = v1_4 && status.is_none() && !session.client.broken;
                    return Err(End::new(termination, status));
                }
                Outcome::Closed(termination) => {
                    self.parts_gently = v1_4;
                    self.account(session, termination);
                    self.log(session, termination, Written::End);
                    return Ok(Next::Close);
                }
                Outcome::Complete if !tunnel && self.becomes_tunnel(session) => {
                    self.up.tunnel();
                    self.down.tunnel();
                    tunnel = true;
                    response = Response::Begun;
                }
                Outcome::Complete => {
                    // Since 1.5 the server's connection cannot be closed alone when the request
                    // ends after the response, and the next is at hand.
                    if self.answered_early
                        && !v1_4
                        && self.intent == Intent::ServerClose
                        && (self.up.excess() > 0 || self.loses_end(session))
                    {
                        self.intent = Intent::Close;
                    }
                    // What the server sent beyond its response counts for the next one.
                    if self.keeps_client() {
                        session.excess = self.down.excess() as u64;
                        self.down.read -= session.excess;
                    }
                    self.account(session, Termination::default());
                    if self.duties.has(Duty::Log) {
                        let moment = self.moment(session);
                        self.log(session, Termination::default(), moment);
                    }
                    return Ok(self.finish(session));
                }
            }
        }
    }

    /// Shows the end of the session in debug mode.
    pub(crate) fn trace_end(&self, session: &Session) {
        let connected = self.timing.connected.is_some() && session.server.is_some();
        if connected {
            session.trace(Step::ServerClosed);
        }
        let tried = self.connecting && self.server_word.is_none();
        session.trace(Step::Closed { tried });
    }

    /// Whether the finished transaction goes on as a tunnel. 1.4 has no keep-alive on the server
    /// side, so that asking for it ends in one.
    fn becomes_tunnel(&self, session: &Session) -> bool {
        match self.intent {
            Intent::Tunnel => true,
            Intent::KeepAlive => session.generation.plan.dialect == Dialect::V1_4,
            Intent::ServerClose | Intent::Close => false,
        }
    }

    /// Whether the connection to the server is reset when the response is complete.
    pub(crate) fn resets_server(&self) -> bool {
        matches!(self.intent, Intent::ServerClose | Intent::Close)
    }

    /// Whether the last byte of the response is at hand and nothing is left to be done after it
    /// than to close both connections.
    pub(crate) fn ends_both(&self) -> bool {
        self.intent == Intent::Close
            && self.down.body.is_done()
            && self.up.body.is_done()
            && !self.up.is_pending()
    }

    /// Whether the last chunk of a request does not reach a server that has answered before. Since
    /// 1.5 it does when the server has closed.
    pub(crate) fn loses_end(&self, session: &Session) -> bool {
        let link = session.server.as_ref();
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        matches!(self.body, Body::Chunked(_))
            && (v1_4 || !link.is_some_and(|link| link.side.read_closed))
    }

    /// Whether the client connection goes on after the response.
    pub(crate) fn keeps_client(&self) -> bool {
        self.intent.keeps_client()
    }

    /// What of the session goes on after a complete response, for the log.
    fn moment(&self, session: &Session) -> Written {
        if !self.keeps_client() {
            return Written::End;
        }
        Written::Between {
            server_stays: self.intent == Intent::KeepAlive
                && !self.is_unfinished()
                && session
                    .server
                    .as_ref()
                    .is_some_and(|link| !link.side.read_closed),
        }
    }

    fn is_unfinished(&self) -> bool {
        !self.up.body.is_done() || self.up.is_pending()
    }

    /// What the intent does to both connections after a complete response.
    fn finish(&mut self, session: &mut Session) -> Next {
        let unfinished = self.is_unfinished();
        let server_closed = session
            .server
            .as_ref()
            .is_none_or(|link| link.side.read_closed);
        match self.intent {
            Intent::KeepAlive if !server_closed && !unfinished => {
                if let Some(link) = &mut session.server {
                    link.slot = None;
                }
                // Who is asked for a password shows it on the connection that has asked.
                let asked = self.status == 401 || self.status == 407;
                if asked || session.backend().options.prefer_last_server {
                    session.preferred.clone_from(&self.server);
                }
                if asked && let Some(link) = &mut session.server {
                    link.personal = true;
                }
                if self.shares_server(session) {
                    session.lend_server();
                }
            }
            Intent::KeepAlive | Intent::ServerClose => {
                // 1.4 shows no more of it than that the next request has no server yet.
                if session.generation.plan.dialect != Dialect::V1_4 {
                    session.trace(Step::ServerClosed);
                }
                session.close_server(true);
            }
            Intent::Close | Intent::Tunnel => return Next::Close,
        }
        if unfinished || session.client.read_closed || session.client.broken {
            Next::Close
        } else {
            Next::Request
        }
    }

    /// Addresses that the request names, before it is made ready to leave: the one in the URL for
    /// `option http_proxy`, the one in a header for `source ... usesrc hdr_ip(...)`.
    fn aim(&mut self, session: &Session) {
        if let Some((name, occurrence)) = &session.backend_handles().source_header {
            let message = crate::sample::Message {
                head: &self.request,
                bytes: self.up.buffer.bytes(),
            };
            let values = crate::sample::http::header_values(message, name);
            let address = crate::sample::http::occurrence(values, *occurrence)
                .map_or(std::net::Ipv4Addr::UNSPECIFIED, |text| {
                    crate::sample::value::loose_address(text)
                });
            // Without one, 1.4 leaves the choice to the system; later it is the one of `source`.
            let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
            self.source_address = (v1_4 || !address.is_unspecified()).then_some(address);
        }
        if session.backend().options.http_proxy {
            let target = self.request.second_word(self.up.buffer.bytes());
            let dialect = session.generation.plan.dialect;
            self.url_address = crate::sample::http::url_authority(target, dialect)
                .filter(|(ip, port)| !ip.is_unspecified() && *port != 0)
                .map(Into::into);
        }
    }

    /// Whether the connection to the server may carry requests of other clients: nothing about it
    /// tells whose it was.
    fn shares_server(&self, session: &Session) -> bool {
        let backend = session.backend();
        if backend.http_reuse == HttpReuse::Never {
            return false;
        }
        let Some(server) = &self.server else {
            return false;
        };
        let settings = server.settings();
        let source = settings.source.as_ref().or(backend.source.as_ref());
        let personal = source.is_some_and(|source| {
            !matches!(
                source.transparent,
                None | Some(TransparentSource::Address(_))
            )
        });
        let ends = session
            .server
            .as_ref()
            .is_some_and(|link| link.life.is_some() || link.personal);
        settings.send_proxy.is_none() && !personal && !ends
    }

    /// Whether it is the first request of its connection.
    pub(crate) fn is_first(&self) -> bool {
        self.first
    }

    /// Whether the request stays with its server whatever happens (`force-persist`).
    pub(crate) fn is_forced(&self) -> bool {
        self.forced
    }

    /// The status sent to the client; -1 for none.
    pub(crate) fn status(&self) -> i32 {
        self.status
    }

    /// Name of the server for the log.
    pub(crate) fn server_name(&self) -> Option<&str> {
        let server = self.server.as_ref().map(|server| server.name.as_str());
        server.or(self.server_word)
    }
}
