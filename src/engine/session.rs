//! One client connection, from accept to its last log line.

mod announced;
mod record;
mod rules;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::admission::Places;
use super::buffer::Buffer;
use super::deadline::{self, Deadline};
use super::generation::{Generation, Handles};
use super::idle::Idle;
use super::live::{Entered, Server, Slot, Whereabouts};
use super::pooled::Pooled;
use super::relay;
use super::roster::Card;
use super::side::{Farewell, Side};
use super::socket::Socket;
use super::trace::Step;
use super::transaction::{self, Next, ShownPasswords};
use super::worker::Worker;
use crate::log::{Cause, Termination, Timers};
use crate::plan::{CheckMethod, Mode, Proxy, ProxyId};
use crate::sample::fetch::v4;
use crate::stick_table::Tracking;

pub(crate) use record::{Line, Written};

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
    /// Its places in process, frontend and listener.
    pub(crate) places: Places,
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
    pub(crate) at: Whereabouts,
    /// Ready when the server's sessions are to end.
    pub(crate) life: Option<Life>,
    /// Where the socket can be connected again; `None` when it has options of its own.
    pub(crate) spare: Option<SocketAddr>,
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
    /// Passwords that the client has shown.
    pub(crate) shown: ShownPasswords,
    /// Its backend; the frontend until another is chosen.
    pub(crate) backend: ProxyId,
    /// The client.
    pub(crate) client: Side,
    /// The client's address.
    pub(crate) peer: Option<SocketAddr>,
    /// Where the client has connected to, when a header has said it.
    announced: Option<Box<SocketAddr>>,
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
    /// The entries of stick tables that it is counted in.
    pub(crate) tracking: Tracking,
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
    // Whoever accepts is no session: the last wake-up of one may be long ago.
    let now = worker.look_at_clock();
    let mut session = Session {
        worker,
        generation,
        frontend: accepted.proxy,
        listener: accepted.listener,
        marked: None,
        shown: ShownPasswords::default(),
        backend: accepted.proxy,
        client: Side::new(accepted.socket, now),
        peer: accepted.peer,
        announced: None,
        server: None,
        preferred: None,
        lent: None,
        deadline: Deadline::new(Rc::clone(&card)),
        card,
        started: now,
        in_backend: None,
        in_listener: accepted.places.listener,
        excess: 0,
        tracking: Tracking::default(),
        entered: Some((accepted.places.process, accepted.places.frontend)),
    };
    async move {
        session.set_client_options();
        if !session.admits_connection() {
            return;
        }
        // Who asks whether all is well is known by the connection itself.
        let monitored = session.is_monitored();
        if session.expects_header() && !monitored && !Box::pin(session.read_announcement()).await {
            return;
        }
        // Since 1.5 what is answered without a session leaves no trace.
        let answered = monitored || session.proxy().mode == Mode::Health;
        if !answered && !session.admits_session() {
            return Box::pin(session.refuse_session()).await;
        }
        let traced = !answered || session.generation.plan.dialect == Dialect::V1_4;
        if traced {
            session.trace(Step::Accepted);
        }
        session.count_connection();
        session.log_connect();
        if monitored {
            Box::pin(monitor(&mut session)).await;
        } else {
            match session.proxy().mode {
                Mode::Http => return http(&mut session).await,
                Mode::Tcp => {
                    session.count_awaited();
                    return Box::pin(relay::relay(&mut session)).await;
                }
                Mode::Health => Box::pin(health(&mut session)).await,
            }
        }
        if traced {
            session.trace(Step::Closed { tried: false });
        }
    }
}

/// Requests of one connection, one after the other.
async fn http(session: &mut Session) {
    let mut buffer = Buffer::default();
    let mut first = true;
    loop {
        session.count_awaited();
        let rejected = !session.proxy().tcp_rules.content.is_empty() && session.run_ahead();
        if !rejected && buffer.is_empty() && !session.wait_for_bytes(&mut buffer, first).await {
            session.trace(Step::Closed { tried: false });
            break;
        }
        let mut transaction = session.worker.take_transaction();
        std::mem::swap(&mut transaction.up.buffer, &mut buffer);
        // Boxed so that an idle connection does not keep room for a busy one.
        let next = Pooled::new(|| transaction::run(session, &mut transaction, first)).await;
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
                total: session.elapsed(session.worker.now()),
                ..Timers::default()
            },
            bytes: sent as u64,
            termination: Termination::default(),
            counts: session.counts(Written::End, None),
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
pub(crate) async fn say(session: &mut Session, text: &[u8]) -> usize {
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
    /// The address that the client has connected to.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        match &self.announced {
            Some(address) => Some(**address),
            None => self.client.socket.local_addr(),
        }
    }

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
        let deferred = listener.is_some_and(|listener| listener.defer_accept);
        if !deferred && self.proxy().mode == Mode::Http {
            // The request is rarely there before the connection is.
            self.client.socket.expect_answer();
        }
        let tune = &self.generation.plan.global.tune;
        let socket = &self.client.socket;
        socket.set_buffers(tune.client_rcvbuf, tune.client_sndbuf);
        if self.proxy().options.clitcpka {
            // A socket that cannot be kept alive works all the same.
            let _ = rustix::net::sockopt::set_socket_keepalive(self.client.socket.fd(), true);
        }
    }

    /// Whether the system was told that answers acknowledge requests: `option tcp-smart-accept`.
    pub(crate) fn delays_acknowledgements(&self) -> bool {
        self.proxy().options.tcp_smart_accept != Some(false)
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
        let room = tune.unreserved();
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
            // What has had a FIN is over without that.
            && !link.side.write_closed
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
}

/// How long a connection to a server is kept for others, unless a timeout says so.
const LENT_FOR: Duration = Duration::from_secs(60);

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
