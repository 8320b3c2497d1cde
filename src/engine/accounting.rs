//! What sessions and transactions count, and when.
//!
//! Each step counts in the frontend, its listener (with `option socket-stats`), the backend once
//! there is one, and the server once one was chosen.

use super::live::{Counter, Counters, Listener, Pace, Phase, Server, Sign, millis};
use super::session::Session;
use super::transaction::Transaction;
use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use crate::http1::connection_header::Stage as Look;
use crate::log::{Cause, Stage, Termination};
use crate::plan::Mode;
use crate::stick_table::Event;

impl Session {
    /// Whoever this session counts for on the client's side.
    fn count_front(&self, what: Counter, n: u64) {
        if n == 0 {
            return;
        }
        let handles = self.frontend_handles();
        handles.frontend.counters.add(self.worker.index, what, n);
        self.count_listener(what, n);
    }

    fn count_listener(&self, what: Counter, n: u64) {
        if let Some(listener) = self.counted_listener() {
            listener.counters.add(self.worker.index, what, n);
        }
    }

    /// The counters of the backend, which is that of the frontend until one is chosen.
    fn back(&self) -> &Counters {
        &self.backend_handles().backend.counters
    }

    /// Counts for the backend and a server.
    fn count_back(&self, server: Option<&Server>, what: Counter, n: u64) {
        let worker = self.worker.index;
        self.back().add(worker, what, n);
        if let Some(server) = server {
            server.counters.add(worker, what, n);
        }
    }

    /// The listener, when it is counted apart.
    fn counted_listener(&self) -> Option<&Listener> {
        let counts = self.proxy().options.socket_stats;
        let listeners = counts.then(|| &self.frontend_handles().listeners);
        listeners?.get(self.listener).map(|listener| &**listener)
    }

    /// A client has connected.
    pub(crate) fn count_connection(&mut self) {
        let second = self.worker.second();
        let worker = self.worker.index;
        let process = &self.worker.shared.registry.counters;
        process.count(worker, Counter::Sessions);
        let handles = self.frontend_handles();
        for counters in [process, &handles.frontend.counters] {
            counters.tick(worker, Pace::Connections, second);
            counters.tick(worker, Pace::Sessions, second);
        }
        if self.in_listener.is_none()
            && let Some(listener) = self.counted_listener()
        {
            self.in_listener = Some(listener.sessions.join());
        }
        self.count_front(Counter::Sessions, 1);
    }

    /// A client has connected, and there will be no session: it has not said who it is, or a rule
    /// rejects it.
    pub(crate) fn count_without_session(&self) {
        let (worker, second) = (self.worker.index, self.worker.second());
        let process = &self.worker.shared.registry.counters;
        process.count(worker, Counter::Sessions);
        for counters in [process, &self.frontend_handles().frontend.counters] {
            counters.tick(worker, Pace::Connections, second);
        }
    }

    /// `tcp-request connection` has rejected a client: what has connected is a connection, and never
    /// becomes a session.
    pub(crate) fn count_denied_connection(&self) {
        self.count_without_session();
        self.count_front(Counter::DeniedConnections, 1);
    }

    /// `tcp-request session` has rejected one.
    pub(crate) fn count_denied_session(&self) {
        self.count_without_session();
        self.count_front(Counter::DeniedSessions, 1);
    }

    /// A request is awaited, the next one on a connection that stays open included, or whatever a TCP
    /// client sends: what the process counts as a request.
    pub(crate) fn count_awaited(&self) {
        let process = &self.worker.shared.registry.counters;
        process.count(self.worker.index, Counter::Requests);
    }

    /// A request has come, or something that should have been one.
    pub(crate) fn count_request(&self) {
        let worker = self.worker.index;
        let counters = &self.frontend_handles().frontend.counters;
        counters.count(worker, Counter::Requests);
        counters.tick(worker, Pace::Requests, self.worker.second());
        self.count_tracked(Event::Request);
    }

    /// Counts what has come and gone since the last time.
    pub(crate) fn count_bytes(&mut self, server: Option<&Server>, sent: u64) {
        let received = std::mem::take(&mut self.client.taken);
        let front = &self.frontend_handles().frontend.counters;
        let count = |counters: &Counters| {
            let tally = counters.of(self.worker.index);
            tally.add(Counter::BytesIn, received);
            tally.add(Counter::BytesOut, sent);
        };
        count(front);
        count(self.back());
        if let Some(listener) = self.counted_listener() {
            count(&listener.counters);
        }
        if let Some(server) = server {
            count(&server.counters);
        }
        if received > 0 {
            self.count_tracked(Event::Received(received));
        }
        if sent > 0 {
            self.count_tracked(Event::Sent(sent));
        }
    }

    /// Counts in the entries of stick tables that the session tracks.
    pub(crate) fn count_tracked(&self, event: Event) {
        if !self.tracking.is_empty() {
            self.tracking.count(event, millis(self.worker.now()));
        }
    }

    /// A server was chosen by balancing.
    pub(crate) fn count_choice(&self, server: &Server) {
        self.count_back(Some(server), Counter::Chosen, 1);
    }

    /// A session comes to a server.
    pub(crate) fn count_visit(&self, server: &Server) {
        let counters = &server.counters;
        counters.count_session(self.worker.index, self.worker.second());
    }

    /// A connection to a server is begun.
    pub(crate) fn count_attempt(&self, server: Option<&Server>) {
        self.count_back(server, Counter::Attempts, 1);
        if let Some(server) = server {
            self.count_visit(server);
        }
    }

    /// A request goes to its server on a connection that was there already.
    pub(crate) fn count_reuse(&self, server: Option<&Server>) {
        self.count_back(server, Counter::Reuses, 1);
        if let Some(server) = server {
            self.count_visit(server);
        }
    }

    /// A connection attempt has failed and another follows, elsewhere or there.
    pub(crate) fn count_retry(&self, server: &Server, elsewhere: bool) {
        let what = if elsewhere {
            Counter::Redispatches
        } else {
            Counter::Retries
        };
        self.count_back(Some(server), what, 1);
    }

    /// A client has reset its connection while there is none to a server.
    pub(crate) fn count_reset(&self, server: Option<&Server>) {
        self.count_back(server, Counter::ClientAborts, 1);
    }

    /// There is no connection to any server, and there will be none.
    pub(crate) fn count_connect_error(&self, server: Option<&Server>) {
        self.count_back(server, Counter::ConnectErrors, 1);
    }

    /// Traffic has shown something of a server (`observe`).
    pub(crate) fn observe(&self, server: &std::sync::Arc<Server>, sign: Sign) {
        self.backend_handles().backend.observe(server, sign);
    }

    /// A session of `mode tcp` is over.
    pub(crate) fn count_tcp_end(&mut self, transaction: &Transaction, termination: Termination) {
        let server = transaction.server.as_deref();
        let broken = self.server.as_ref().is_some_and(|link| link.side.broken);
        if broken && termination.cause == Cause::ServerAbort {
            self.count_back(server, Counter::ResponseErrors, 1);
        }
        transaction.count_so_far(self);
        self.count_abort(server, termination);
        transaction.account_times(self);
    }

    fn count_abort(&self, server: Option<&Server>, termination: Termination) {
        let v1_4 = self.generation.plan.dialect == Dialect::V1_4;
        let what = match (termination.cause, termination.stage) {
            // 1.4 takes a client that cannot be answered for a server that does not answer.
            (Cause::ClientAbort, Stage::Headers) if v1_4 && self.client.broken => {
                self.count_back(None, Counter::ResponseErrors, 1);
                return;
            }
            (Cause::ClientAbort, Stage::Data | Stage::Headers | Stage::Last) => {
                Counter::ClientAborts
            }
            // Whoever keeps the other waiting in the middle of a transfer has broken it off, too.
            (Cause::ClientTimeout, Stage::Data | Stage::Connect) => Counter::ClientAborts,
            (Cause::ServerAbort | Cause::ServerTimeout, Stage::Data) => Counter::ServerAborts,
            _ => return,
        };
        self.count_back(server, what, 1);
    }
}

/// What has gone wrong with a message, when that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incident {
    /// The request is invalid, or did not come whole.
    BadRequest,
    /// A rule of the frontend, or one of the backend, has refused the request.
    RequestDenied(Look),
    /// A rule has held the client and then refused the request.
    Tarpit(Look),
    /// A rule has refused the connection after a look at what came.
    ContentRejected,
    /// A rule has refused the response.
    ResponseDenied,
}

impl Transaction {
    /// Counts what has moved since the last time: at the end, and with `option contstats` whenever
    /// there is nothing to do.
    pub(crate) fn count_so_far(&self, session: &mut Session) {
        let read = self.down.read;
        let news = read.saturating_sub(self.down.counted.replace(read));
        session.count_bytes(self.server.as_deref(), news);
    }

    /// A transaction is over.
    pub(crate) fn account(&self, session: &mut Session, termination: Termination) {
        self.count_so_far(session);
        let status = Counter::of_status(self.status());
        session.count_front_status(status);
        if session.in_backend.is_some() {
            let back = session.back().of(session.worker.index);
            back.count(status);
            back.count(Counter::Requests);
        }
        self.account_times(session);
        if !termination.is_normal() || self.incident.is_some() {
            self.account_trouble(session, termination);
        }
    }

    /// What has gone wrong with a transaction that is over.
    #[cold]
    fn account_trouble(&self, session: &Session, termination: Termination) {
        let server = self.server.as_deref();
        let broken = session.server.as_ref().is_some_and(|link| link.side.broken);
        let begun = self.timing.answered.is_some();
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        // A connection that is reset counts apart: in 1.4 always, later once a response has begun,
        // and where its client is left with what has come.
        let apart = v1_4 || begun || termination.stage == Stage::Data;
        if broken && termination.cause == Cause::ServerAbort && apart {
            session.count_back(server, Counter::ResponseErrors, 1);
        }
        // A body that ends early, or is none, says as much of its server as a head that is none; one
        // that is reset or stalls does not.
        let cut = begun && termination.stage == Stage::Data && !broken;
        let odd = cut && termination.cause == Cause::Proxy && self.incident.is_none();
        if odd {
            session.count_back(server, Counter::ResponseErrors, 1);
        }
        if let Some(server) = &self.server
            && (odd || cut && termination.cause == Cause::ServerAbort)
        {
            session.observe(server, Sign::Invalid);
        }
        session.count_abort(server, termination);
        match (termination.cause, termination.stage) {
            (Cause::Proxy | Cause::ServerAbort | Cause::ServerTimeout, Stage::Headers)
                if self.incident.is_none() =>
            {
                session.count_back(server, Counter::ResponseErrors, 1);
            }
            _ => {}
        }
        self.account_mistake(session);
        match self.incident {
            Some(Incident::RequestDenied(look)) => session.count_refused(look),
            Some(Incident::Tarpit(look)) => {
                session.count_refused(look);
                if session.generation.plan.dialect == Dialect::V1_4 {
                    session.count_front(Counter::RequestErrors, 1);
                }
            }
            Some(Incident::ContentRejected) => session.count_denied(true),
            Some(Incident::BadRequest) => session.count_front(Counter::RequestErrors, 1),
            Some(Incident::ResponseDenied) => {
                if session.generation.plan.dialect == Dialect::V1_4 {
                    session.count_listener(Counter::DeniedResponses, 1);
                } else {
                    session.count_front(Counter::DeniedResponses, 1);
                }
                session.count_back(server, Counter::DeniedResponses, 1);
            }
            None => {}
        }
    }

    /// Counts what is the client's mistake for those who are tracked, unless the answer of a server has
    /// said so already.
    fn account_mistake(&self, session: &Session) {
        let refused = matches!(
            self.incident,
            Some(Incident::BadRequest | Incident::RequestDenied(_) | Incident::Tarpit(_))
        );
        if refused {
            session.count_tracked(Event::Error);
        }
    }

    /// How long the steps took, when a server was reached.
    fn account_times(&self, session: &Session) {
        let (Some(server), Some(connected)) = (&self.server, self.timing.connected) else {
            return;
        };
        let now = session.worker.now();
        let begin = self.timing.received.unwrap_or(session.started);
        let assigned = self.timing.assigned.unwrap_or(connected);
        let response = self
            .timing
            .answered
            .map(|answered| took(connected, answered));
        let times = [
            (Phase::Queue, Some(took(begin, assigned))),
            (Phase::Connect, Some(took(assigned, connected))),
            (Phase::Response, response),
            (Phase::Total, Some(took(begin, now))),
        ];
        for counters in [session.back(), &server.counters] {
            let tally = counters.of(session.worker.index);
            for (phase, millis) in times {
                if let Some(millis) = millis {
                    tally.measure(phase, millis);
                }
            }
        }
    }

    /// The server has answered.
    pub(crate) fn account_response(&self, session: &Session, status: i32) {
        if (400..500).contains(&status) {
            session.count_tracked(Event::Error);
        }
        if let Some(server) = &self.server {
            let worker = session.worker.index;
            server.counters.count(worker, Counter::of_status(status));
            session.observe(server, Sign::Response(u16::try_from(status).unwrap_or(0)));
        }
    }

    /// There was no response, or what came is none.
    pub(crate) fn account_failure(&self, session: &Session, termination: Termination) {
        let Some(server) = &self.server else {
            return;
        };
        let http = session.proxy().mode == Mode::Http;
        let awaited = match termination.stage {
            Stage::Headers => true,
            Stage::Data => http && self.timing.answered.is_none(),
            _ => false,
        };
        if !awaited {
            return;
        }
        let broken = session.server.as_ref().is_some_and(|link| link.side.broken);
        let sign = match termination.cause {
            Cause::Proxy if self.incident.is_none() => Sign::Invalid,
            Cause::ServerTimeout => Sign::Timeout,
            Cause::ServerAbort if broken => Sign::Broken,
            Cause::ServerAbort => Sign::Closed,
            _ => return,
        };
        session.observe(server, sign);
    }
}

impl Session {
    /// Only a frontend of `mode http` has statuses; a listener has none.
    fn count_front_status(&self, status: Counter) {
        if self.proxy().mode == Mode::Http {
            let counters = &self.frontend_handles().frontend.counters;
            counters.count(self.worker.index, status);
        }
    }

    /// A rule of one side has refused a request. 1.4 counts it on that side, later versions on all.
    fn count_refused(&self, look: Look) {
        let v1_4 = self.generation.plan.dialect == Dialect::V1_4;
        if v1_4 && look == Look::Joint {
            self.count_listener(Counter::DeniedRequests, 1);
            self.count_back(None, Counter::DeniedRequests, 1);
        } else {
            self.count_denied(look == Look::Joint);
        }
    }

    /// A rule has refused a request.
    pub(crate) fn count_denied(&self, in_backend: bool) {
        self.count_front(Counter::DeniedRequests, 1);
        if in_backend {
            self.count_back(None, Counter::DeniedRequests, 1);
        }
    }
}

/// Milliseconds from one step to another. Most follow each other in one go, at the same time.
fn took(from: Instant, to: Instant) -> u64 {
    if from == to {
        return 0;
    }
    let took = to.saturating_duration_since(from);
    took.as_secs() * 1000 + u64::from(took.subsec_millis())
}
