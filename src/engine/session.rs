//! One client connection, from accept to its last log line.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};
use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::buffer::Buffer;
use super::deadline::{self, Deadline};
use super::exchange;
use super::generation::{Generation, Handles};
use super::idle::Idle;
use super::live::{Entered, Server, Slot};
use super::roster::Card;
use super::socket::{Socket, SpliceError};
use super::splice::Pipe;
use super::transaction::{self, Next};
use super::worker::Worker;
use crate::log::{Cause, Counts, HttpPart, Record, Termination, Timers};
use crate::plan::{CheckMethod, LogFormat, Mode, Proxy, ProxyId, ServerAddress, Severity};
use crate::regular_expression;
use crate::sample::fetch::v4;

/// A connection that has just been accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket.
    pub(crate) socket: Socket,
    /// The client; `None` on a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// The frontend.
    pub(crate) proxy: ProxyId,
    /// Which of its listeners.
    pub(crate) listener: usize,
    /// Its places in process and frontend.
    pub(crate) entered: (Entered, Entered),
}

/// How a side of a session ends when there is nothing more to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// With a FIN.
    Fin,
    /// With a FIN, and with a RST when it is closed before the peer has sent a FIN too.
    FinThenReset,
    /// With a RST.
    Reset,
    /// With a RST, or with a FIN when the peer has sent one.
    ResetUnlessLeft,
}

impl Farewell {
    /// `option nolinger`, which 1.4 does not do in the same way to clients and servers.
    pub(crate) fn new(nolinger: bool, v1_4: bool, client: bool) -> Self {
        match (nolinger, v1_4, client) {
            (false, _, _) => Self::Fin,
            (true, true, true) => Self::FinThenReset,
            (true, true, false) => Self::Reset,
            (true, false, _) => Self::ResetUnlessLeft,
        }
    }
}

/// This socket is none that the system can splice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unspliceable;

/// One side of a session: a socket and what is known about it.
#[derive(Debug)]
pub(crate) struct Side {
    /// The socket.
    pub(crate) socket: Socket,
    /// When bytes last moved here: inactivity timeouts count from then.
    pub(crate) active: Instant,
    /// When bytes last came from here: with `option independant-streams` they count from then.
    pub(crate) received: Instant,
    /// How it ends when there is nothing more to send.
    pub(crate) farewell: Farewell,
    /// The peer has sent its FIN, or the connection is broken.
    pub(crate) read_closed: bool,
    /// A FIN was sent, or the connection is broken.
    pub(crate) write_closed: bool,
    /// The connection is broken.
    pub(crate) broken: bool,
    /// Nothing is read any more because nothing came for too long.
    pub(crate) expired: bool,
    /// The peer has sent its FIN, but nobody has read up to it.
    pub(crate) left: bool,
    /// Bytes that have come and are not counted yet.
    pub(crate) taken: u64,
}

impl Side {
    /// A side on which nothing has happened.
    pub(crate) fn new(socket: Socket, now: Instant) -> Self {
        Self {
            socket,
            active: now,
            received: now,
            farewell: Farewell::Fin,
            read_closed: false,
            write_closed: false,
            broken: false,
            left: false,
            expired: false,
            taken: 0,
        }
    }

    /// Receives into a buffer up to `limit` bytes held. `Ready(0)` is the end of the stream, which
    /// is noted.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        worker: &Worker,
        limit: usize,
    ) -> Poll<usize> {
        let room = buffer.room(&worker.pool, limit);
        if room.is_empty() {
            return Poll::Pending;
        }
        match self.socket.poll_recv(cx, room) {
            Poll::Ready(Ok(0)) => {
                self.read_closed = true;
                buffer.release(&worker.pool);
                Poll::Ready(0)
            }
            Poll::Ready(Ok(n)) => {
                buffer.filled(n);
                self.taken += n as u64;
                self.active = worker.now();
                self.received = self.active;
                Poll::Ready(n)
            }
            Poll::Ready(Err(_)) => {
                self.break_off();
                buffer.release(&worker.pool);
                Poll::Ready(0)
            }
            Poll::Pending => {
                buffer.release(&worker.pool);
                Poll::Pending
            }
        }
    }

    /// Moves bytes into a pipe, as [`Side::poll_fill`] does into a buffer.
    pub(crate) fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        wanted: usize,
        worker: &Worker,
    ) -> Poll<Result<usize, Unspliceable>> {
        match ready!(self.socket.poll_splice_in(cx, pipe, wanted)) {
            Ok(0) => self.read_closed = true,
            Ok(n) => {
                self.taken += n as u64;
                self.active = worker.now();
                self.received = self.active;
                return Poll::Ready(Ok(n));
            }
            Err(SpliceError::Unsupported) => return Poll::Ready(Err(Unspliceable)),
            Err(SpliceError::Broken) => self.break_off(),
        }
        Poll::Ready(Ok(0))
    }

    /// Sends what is in a pipe, as [`Side::poll_send`] does what is in a buffer.
    pub(crate) fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        worker: &Worker,
    ) -> Poll<usize> {
        match ready!(self.socket.poll_splice_out(cx, pipe)) {
            Ok(n) => {
                self.active = worker.now();
                Poll::Ready(n)
            }
            Err(_) => {
                self.break_off();
                Poll::Ready(0)
            }
        }
    }

    /// Sends. An error is noted and answers 0. `more` says that more follows: bytes, or
    /// [`Side::finish`] at once.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
        worker: &Worker,
        more: bool,
    ) -> Poll<usize> {
        // What is held back for a FIN would be lost where a RST comes in its place.
        let more = more && matches!(self.farewell, Farewell::Fin | Farewell::FinThenReset);
        match ready!(self.socket.poll_send(cx, first, second, more)) {
            Ok(n) => {
                self.active = worker.now();
                Poll::Ready(n)
            }
            Err(_) => {
                self.break_off();
                Poll::Ready(0)
            }
        }
    }

    /// Looks after a peer that is not read from: notes that it has left, or that the connection is
    /// broken. Answers whether that is news.
    pub(crate) fn poll_watch(&mut self, cx: &mut Context<'_>) -> bool {
        if self.left || self.read_closed {
            return false;
        }
        match self.socket.poll_gone(cx) {
            Poll::Ready(Ok(())) => self.left = true,
            Poll::Ready(Err(_)) => self.break_off(),
            Poll::Pending => return false,
        }
        true
    }

    /// Sends a FIN once, or does what `option nolinger` has in its place.
    pub(crate) fn finish(&mut self) {
        if self.write_closed {
            return;
        }
        self.write_closed = true;
        let left = self.read_closed && !self.expired;
        let reset = match self.farewell {
            Farewell::Fin => false,
            Farewell::FinThenReset => {
                self.socket.shutdown_write();
                return self.socket.reset_on_close();
            }
            Farewell::Reset => true,
            Farewell::ResetUnlessLeft => !left,
        };
        if reset {
            self.read_closed = true;
            self.socket.reset_on_close();
        } else {
            self.socket.shutdown_write();
        }
    }

    fn break_off(&mut self) {
        self.read_closed = true;
        self.write_closed = true;
        self.broken = true;
    }
}

/// Ready, with the cause, when the sessions of a server are to end.
pub(crate) struct Life(pub(crate) Pin<Box<dyn Future<Output = Cause>>>);

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Life")
    }
}

/// The connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    /// The socket.
    pub(crate) side: Side,
    /// The server; `None` where there is none, as with `dispatch`.
    pub(crate) server: Option<Arc<Server>>,
    /// Its backend.
    pub(crate) backend: ProxyId,
    /// The place on the server; none while the connection is kept without a request.
    pub(crate) slot: Option<Slot>,
    /// It has served a request before this one.
    pub(crate) reused: bool,
    /// It has asked for a password: whose it was shown may be known of the connection.
    pub(crate) personal: bool,
    /// Where the server was when it was connected to.
    pub(crate) at: ServerAddress,
    /// Ready when the server's sessions are to end.
    pub(crate) life: Option<Life>,
    /// Where the socket can be connected again; `None` when it has options of its own.
    pub(crate) spare: Option<SocketAddr>,
}

/// A password that was verified.
#[derive(Debug)]
pub(crate) struct ShownPassword {
    /// The address of the user list and the place of the user in it.
    pub(crate) user: (usize, usize),
    /// The password.
    pub(crate) password: Vec<u8>,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    /// What is told about it.
    pub(crate) card: Rc<Card>,
    /// The thread's context.
    pub(crate) worker: Rc<Worker>,
    /// The plan that the session began with.
    pub(crate) generation: Arc<Generation>,
    /// Its frontend.
    pub(crate) frontend: ProxyId,
    /// The listener, an index into those of the frontend.
    pub(crate) listener: usize,
    /// What log lines say from now on when nothing goes wrong.
    pub(crate) marked: Option<Termination>,
    /// A password that the client has shown, with the user whose it is.
    pub(crate) shown: RefCell<Option<ShownPassword>>,
    /// Its backend; the frontend until another is chosen.
    pub(crate) backend: ProxyId,
    /// The client.
    pub(crate) client: Side,
    /// The client's address.
    pub(crate) peer: Option<SocketAddr>,
    /// The server.
    pub(crate) server: Option<Box<Link>>,
    /// The server that the next request goes to, if it may choose and that one has room.
    pub(crate) preferred: Option<Arc<Server>>,
    /// The server whose connection was left to others.
    pub(crate) lent: Option<Arc<Server>>,
    /// The timer.
    pub(crate) deadline: Deadline,
    /// When the request, or the connection for the first, began.
    pub(crate) started: Instant,
    /// The place in the backend.
    pub(crate) in_backend: Option<Entered>,
    /// The place in the listener, when those are counted.
    pub(crate) in_listener: Option<Entered>,
    /// What the server has sent beyond its last response.
    pub(crate) excess: u64,
    /// The places in process and frontend.
    entered: Option<(Entered, Entered)>,
}

/// Serves a connection to its end.
///
/// What it answers is what a connection at rest costs. So the session is built before it begins,
/// where an `async fn` would keep room for its arguments as well, and what does not rest is boxed.
pub(crate) fn run(
    worker: Rc<Worker>,
    generation: Arc<Generation>,
    accepted: Accepted,
    card: Rc<Card>,
) -> impl Future<Output = ()> {
    let now = worker.now();
    let mut session = Session {
        worker,
        generation,
        frontend: accepted.proxy,
        listener: accepted.listener,
        marked: None,
        shown: RefCell::default(),
        backend: accepted.proxy,
        client: Side::new(accepted.socket, now),
        peer: accepted.peer,
        server: None,
        preferred: None,
        lent: None,
        deadline: Deadline::new(Rc::clone(&card)),
        card,
        started: now,
        in_backend: None,
        in_listener: None,
        excess: 0,
        entered: Some(accepted.entered),
    };
    async move {
        session.set_client_options();
        session.count_connection();
        session.log_connect();
        if session.is_monitored() {
            return Box::pin(monitor(&mut session)).await;
        }
        match session.proxy().mode {
            Mode::Http => http(&mut session).await,
            Mode::Tcp => Box::pin(exchange::relay(&mut session)).await,
            Mode::Health => Box::pin(health(&mut session)).await,
        }
    }
}

/// Requests of one connection, one after the other.
async fn http(session: &mut Session) {
    let mut buffer = Buffer::default();
    let mut first = true;
    loop {
        if buffer.is_empty() && !session.wait_for_bytes(&mut buffer, first).await {
            break;
        }
        let mut transaction = session.worker.take_transaction();
        std::mem::swap(&mut transaction.up.buffer, &mut buffer);
        // Boxed so that an idle connection does not keep room for a busy one.
        let next = Box::pin(transaction::run(session, &mut transaction, first)).await;
        std::mem::swap(&mut transaction.up.buffer, &mut buffer);
        session.worker.give_transaction(transaction);
        if next == Next::Close {
            break;
        }
        first = false;
    }
    session.close_server(true);
    session.close_lent();
    buffer.clear(&session.worker.pool);
}

/// `mode health`: says that all is well and closes.
async fn health(session: &mut Session) {
    let is_http = matches!(session.proxy().check.method, CheckMethod::Http { .. });
    let answer: &[u8] = if is_http {
        b"HTTP/1.0 200 OK\r\n\r\n"
    } else {
        b"OK\n"
    };
    let sent = say(session, answer).await;
    // 1.4 logs such a connection like any other.
    if session.generation.plan.dialect == Dialect::V1_4 {
        session.log(&Line {
            server: None,
            timers: Timers {
                request: -1,
                queue: -1,
                connect: -1,
                response: -1,
                total: session.elapsed(session.worker.now()),
            },
            bytes: sent as u64,
            termination: Termination::default(),
            counts: session.counts(),
            retries: 0,
            redispatched: false,
            http: None,
        });
    }
}

/// `monitor-net`: says in HTTP that all is well, or nothing, and closes.
async fn monitor(session: &mut Session) {
    if session.proxy().mode == Mode::Http {
        say(session, b"HTTP/1.0 200 OK\r\n\r\n").await;
    }
}

/// Sends a text, and answers how many bytes of it have left.
async fn say(session: &mut Session, text: &[u8]) -> usize {
    let mut rest = text;
    let limit = deadline::after(session.worker.now(), session.proxy().timeouts.client);
    poll_fn(|cx| {
        while !rest.is_empty() && !session.client.broken {
            match session
                .client
                .poll_send(cx, rest, &[], &session.worker, false)
            {
                Poll::Ready(n) => rest = &rest[n..],
                Poll::Pending => return session.deadline.poll(cx, limit),
            }
        }
        Poll::Ready(())
    })
    .await;
    text.len() - rest.len()
}

impl Session {
    /// The frontend.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.generation.proxy(self.frontend)
    }

    /// The backend.
    pub(crate) fn backend(&self) -> &Proxy {
        self.generation.proxy(self.backend)
    }

    /// What the frontend has adopted.
    pub(crate) fn frontend_handles(&self) -> &Handles {
        self.generation.handles(self.frontend)
    }

    /// What the backend has adopted.
    pub(crate) fn backend_handles(&self) -> &Handles {
        self.generation.handles(self.backend)
    }

    /// Whether kept connections should end: another plan has taken over, or the process stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.generation.is_retired() || self.worker.draining.get()
    }

    /// Whether the client belongs to `monitor-net`.
    fn is_monitored(&self) -> bool {
        let Some((network, mask)) = self.proxy().monitor_net else {
            return false;
        };
        let ip = self.peer.and_then(|peer| v4(peer.ip()));
        let mask = u32::from(mask);
        ip.is_some_and(|ip| u32::from(ip) & mask == u32::from(network) & mask)
    }

    fn set_client_options(&mut self) {
        let v1_4 = self.generation.plan.dialect == Dialect::V1_4;
        let nolinger = self.proxy().options.nolinger;
        self.client.farewell = Farewell::new(nolinger, v1_4, true);
        let listener = self.proxy().listeners.get(self.listener);
        if !listener.is_some_and(|listener| listener.defer_accept) {
            // The request is rarely there before the connection is.
            self.client.socket.expect_answer();
        }
        if self.proxy().options.clitcpka {
            // A socket that cannot be kept alive works all the same.
            let _ = rustix::net::sockopt::set_socket_keepalive(self.client.socket.fd(), true);
        }
    }

    /// Waits for the first bytes of a request, without holding a buffer. `false` when the
    /// connection ends instead; what the first request owes to a client that says nothing is left
    /// to the transaction.
    async fn wait_for_bytes(&mut self, buffer: &mut Buffer, first: bool) -> bool {
        let timeouts = &self.proxy().timeouts;
        let limit = if first {
            deadline::earlier(
                deadline::after(self.started, timeouts.http_request),
                deadline::after(self.client.active, timeouts.client),
            )
        } else {
            let idle = timeouts.http_keep_alive.or(timeouts.http_request);
            deadline::earlier(
                deadline::after(self.client.active, idle),
                deadline::after(self.client.active, timeouts.client),
            )
        };
        let tune = &self.generation.plan.global.tune;
        let room = (tune.bufsize - tune.maxrewrite) as usize;
        let mut kept = self.server.is_some();
        let alive = poll_fn(|cx| {
            match self.client.poll_fill(cx, buffer, &self.worker, room) {
                Poll::Ready(0) => return Poll::Ready(false),
                Poll::Ready(_) => return Poll::Ready(true),
                Poll::Pending => {}
            }
            if kept && self.poll_kept_server(cx).is_ready() {
                self.server = None;
                kept = false;
            }
            self.deadline.poll(cx, limit).map(|()| false)
        })
        .await;
        if !first && !alive {
            self.client.finish();
        }
        alive || first
    }

    /// Ready when a kept server connection has ended, or has said something nobody asked for.
    fn poll_kept_server(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(link) = &mut self.server else {
            return Poll::Pending;
        };
        let mut byte = [0; 1];
        match link.side.socket.poll_recv(cx, &mut byte) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ends the connection to the server. `reset` leaves nothing in TIME_WAIT, as HAProxy does
    /// when it is the first to close.
    pub(crate) fn close_server(&mut self, reset: bool) {
        if let Some(link) = self.server.take()
            && reset
            && (!link.side.read_closed || link.side.expired)
        {
            match link.spare {
                Some(address) => self.worker.spares.keep(address, link.side.socket),
                None => link.side.socket.reset_on_close(),
            }
        }
    }

    /// Leaves the connection to the server to whoever asks that server next.
    pub(crate) fn lend_server(&mut self) {
        let Some(link) = self.server.take() else {
            return;
        };
        let timeouts = &self.backend().timeouts;
        let idle = timeouts.http_keep_alive.or(timeouts.http_request);
        // 1.8 does not let it outlive the client.
        if self.generation.plan.dialect == Dialect::V1_8 {
            self.lent.clone_from(&link.server);
        }
        Idle::put(&self.worker, link, self.card.id, idle.unwrap_or(LENT_FOR));
    }

    /// Ends the connection that was left to others, if none of them has used it.
    pub(crate) fn close_lent(&mut self) {
        if let Some(server) = self.lent.take() {
            self.worker.idle.close_own(&server, self.card.id);
        }
    }

    /// Ends the connection to the client. Should the client have more to say, the system answers
    /// with a RST, as it does for HAProxy.
    pub(crate) fn close_client(&mut self) {
        self.leave();
        self.client.finish();
    }

    /// Counts the session out. Before the client can know that it is over: should it come back at
    /// once, it must not meet itself.
    fn leave(&mut self) {
        self.in_backend = None;
        self.in_listener = None;
        self.entered = None;
    }

    /// The wall clock when the request, or the connection for the first, began.
    fn began(&self) -> DateTime<Local> {
        let ago = self.worker.now().saturating_duration_since(self.started);
        let now = SystemTime::now();
        now.checked_sub(ago).unwrap_or(now).into()
    }

    /// The counters that a log line shows.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            process: self.worker.shared.registry.process.now(),
            frontend: self.frontend_handles().frontend.sessions.now(),
            backend: if self.in_backend.is_some() {
                self.backend_handles().backend.sessions.now()
            } else {
                0
            },
            server: self
                .server
                .as_ref()
                .filter(|link| link.slot.is_some())
                .and_then(|link| link.server.as_ref())
                .map_or(0, |server| server.sessions()),
            ..Counts::default()
        }
    }

    /// Milliseconds since the session or request began.
    pub(crate) fn elapsed(&self, at: Instant) -> i64 {
        millis(at.saturating_duration_since(self.started))
    }

    /// A rule's pattern that PCRE has given up on is worth a line in the log: whoever wrote it should
    /// know, and who sends such requests, too.
    pub(crate) fn report_hopeless_pattern(&self) {
        const WARNING: Severity = Severity(4);
        let Some(found) = regular_expression::last_given_up() else {
            return;
        };
        let proxy = self.proxy();
        let text = format!(
            "Proxy {}: searching for '{}' was given up: {} ({} times so far).",
            proxy.name,
            found.pattern,
            found.reason,
            regular_expression::given_up(),
        );
        let global = &self.generation.plan.global;
        let targets = &proxy.log_targets;
        self.worker
            .log
            .send(targets, global, WARNING, text.as_bytes());
    }

    /// Writes the log line of a session or request, unless options say not to.
    pub(crate) fn log(&self, line: &Line<'_>) {
        let proxy = self.proxy();
        if proxy.log_targets.is_empty() || proxy.log_format == LogFormat::Default {
            return;
        }
        let mut termination = line.termination;
        if self.card.is_ended() {
            termination.cause = Cause::Killed;
        }
        let abnormal = !termination.is_normal()
            || line.retries > 0
            || line.redispatched
            || line.http.is_some_and(|http| http.status >= 500);
        if proxy.options.dontlog_normal && !abnormal {
            return;
        }
        let mut counts = line.counts;
        counts.retries = line.retries;
        counts.redispatched = line.redispatched;
        let record = Record {
            client: self.peer,
            accepted: self.began(),
            frontend: &proxy.name,
            backend: &self.backend().name,
            server: line.server,
            timers: line.timers,
            bytes: line.bytes,
            termination,
            counts,
            early: proxy.options.logasap,
        };
        let mut text = Vec::with_capacity(256);
        match (&line.http, proxy.log_format) {
            (Some(http), LogFormat::Http) => record.http(http, &mut text),
            (Some(http), LogFormat::Clf) => {
                record.clf(http, self.generation.plan.dialect, &mut text);
            }
            _ => record.tcp(&mut text),
        }
        let severity = if abnormal && proxy.options.log_separate_errors {
            ERR
        } else {
            INFO
        };
        let global = &self.generation.plan.global;
        let fields = || record.fields(line.http.as_ref());
        self.worker
            .log
            .send_with(&proxy.log_targets, global, severity, &text, fields);
    }

    /// The line of a session without a log format, written when it begins.
    fn log_connect(&self) {
        let proxy = self.proxy();
        if proxy.log_targets.is_empty() || proxy.log_format != LogFormat::Default {
            return;
        }
        let Some(to) = self.client.socket.local_addr() else {
            return;
        };
        let record = Record {
            client: self.peer,
            accepted: self.began(),
            frontend: &proxy.name,
            backend: &proxy.name,
            server: None,
            timers: Timers {
                request: -1,
                queue: -1,
                connect: -1,
                response: -1,
                total: 0,
            },
            bytes: 0,
            termination: Termination::default(),
            counts: Counts::default(),
            early: false,
        };
        let mut text = Vec::with_capacity(128);
        let mode = if proxy.mode == Mode::Http {
            "HTTP"
        } else {
            "TCP"
        };
        record.connect(to, mode, &mut text);
        let global = &self.generation.plan.global;
        let fields = || record.connect_fields(to);
        self.worker
            .log
            .send_with(&proxy.log_targets, global, INFO, &text, fields);
    }
}

/// What a session knows for its log line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Name of the server.
    pub(crate) server: Option<&'a str>,
    /// Durations.
    pub(crate) timers: Timers,
    /// Bytes sent to the client.
    pub(crate) bytes: u64,
    /// How it ended.
    pub(crate) termination: Termination,
    /// Counters.
    pub(crate) counts: Counts,
    /// Connection attempts after the first.
    pub(crate) retries: u32,
    /// Whether another server was tried.
    pub(crate) redispatched: bool,
    /// For HTTP.
    pub(crate) http: Option<HttpPart<'a>>,
}

/// How long a connection to a server is kept for others, unless a timeout says so.
const LENT_FOR: Duration = Duration::from_secs(60);

const INFO: Severity = Severity(6);
const ERR: Severity = Severity(3);

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What a connection attempt may fail with, as an error of the operating system.
pub(crate) type ConnectError = io::Error;
