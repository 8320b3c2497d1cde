//! From "this backend" to a connected server: choice, queue, attempts, redispatch.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use rustix::io::Errno;
use rustix::net::{self, SocketFlags, SocketType};
use tokio::time::Instant;

use super::deadline::after;
use super::idle::Wanted;
use super::live::{Ask, Choice, Place, Server, Sign, Slot, Ticket, Turn};
use super::session::{ConnectError, Life, Link, Session};
use super::side::{Farewell, Side};
use super::socket::Socket;
use super::source::{self, Origin};
use super::target::{StartError, Target};
use super::transaction::Transaction;
use super::worker::Worker;
use crate::log::{Cause, Stage, Termination};
use crate::plan::{self, Balance, ErrorStatus, HttpReuse, Mode, ServerAddress, ServerPort};

/// Why there is no connection to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// What the log says.
    pub(crate) termination: Termination,
    /// What an HTTP client gets.
    pub(crate) status: Option<ErrorStatus>,
    /// Nothing is wrong: the server wants its clients to be sent elsewhere (`redir`).
    pub(crate) redirect: bool,
}

impl Failure {
    fn new(cause: Cause, stage: Stage) -> Self {
        Self {
            termination: Termination::new(cause, stage),
            status: Some(ErrorStatus::S503),
            redirect: false,
        }
    }

    /// Whether there was no server at all.
    fn is_hopeless(&self) -> bool {
        self.termination == Termination::new(Cause::ServerAbort, Stage::Connect)
    }

    /// The client has gone: with a RST, or with a FIN when it owes a part of its request.
    fn of_client(error: &ConnectError) -> Option<Self> {
        match error.kind() {
            ErrorKind::Interrupted => Some(Self::new(Cause::ClientAbort, Stage::Connect)),
            ErrorKind::UnexpectedEof => Some(Self {
                status: None,
                ..Self::new(Cause::ClientAbort, Stage::Headers)
            }),
            _ => None,
        }
    }

    fn redirect() -> Self {
        Self {
            redirect: true,
            ..Self::new(Cause::Proxy, Stage::Connect)
        }
    }
}

/// How long an attempt waits after one that was refused, at most.
const TURN_AROUND: Duration = Duration::from_secs(1);

/// How long an attempt waits after one that was refused: since 1.5 not longer than for an answer.
fn turn_around(session: &Session) -> Duration {
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    let timeout = session.backend().timeouts.connect.filter(|_| !v1_4);
    timeout.map_or(TURN_AROUND, |timeout| timeout.min(TURN_AROUND))
}

/// Connects to a server of the session's backend, and sends the first bytes when there are any.
/// A connection that was kept is used again when its server is chosen.
pub(crate) async fn connect(
    session: &mut Session,
    transaction: &mut Transaction,
) -> Result<(), Failure> {
    transaction.connecting = true;
    if session.backend().goes_directly() && transaction.sticky.is_none() {
        return connect_directly(session, transaction).await;
    }
    let attempts = session.backend().retries;
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    let mut only: Option<Arc<Server>> = transaction.sticky.clone();
    let mut preferred = preferred(session, transaction);
    let mut failed: Option<Arc<Server>> = None;
    // The slot is kept from one attempt to the next on the same server.
    let mut held: Option<Slot> = None;
    loop {
        let slot = match held.take() {
            Some(slot) => {
                session.count_retry(&slot.server, false);
                slot
            }
            None => {
                let slot = {
                    let wish = Wish {
                        only: only.take(),
                        preferred: preferred.take(),
                        failed: failed.as_deref(),
                    };
                    let obtained = obtain(session, transaction, wish).await;
                    if let (Err(failure), Some(failed)) = (&obtained, &failed)
                        && failure.is_hopeless()
                    {
                        // It was left all the same.
                        session.count_retry(failed, true);
                    }
                    obtained?
                };
                if let Some(failed) = failed.take() {
                    moved(session, transaction, &failed, &slot.server);
                }
                // Another attempt there is no other choice.
                transaction.timing.assigned = Some(session.worker.now());
                slot
            }
        };
        transaction.server = Some(Arc::clone(&slot.server));
        if transaction.redirects(&slot.server) {
            session.count_visit(&slot.server);
            return Err(Failure::redirect());
        }
        let kept = reuse(session, Some(&slot.server), &slot.server.place())
            || borrow(session, transaction, &slot.server);
        transaction.dress(session, &slot.server, !kept);
        if kept {
            go_along(session, transaction, Some(slot));
            return Ok(());
        }
        session.close_server(true);
        session.close_lent();
        if slot.server.maxconn.get() > 0 {
            session.worker.idle.make_room(&slot.server);
        }
        let server = Arc::clone(&slot.server);
        let address = target(session, &slot.server);
        held = Some(slot);
        let began = session.worker.now();
        let error = match attempt(session, transaction, address, &mut held).await {
            Ok(()) => {
                transaction.timing.connected = Some(session.worker.now());
                session.observe(&server, Sign::Connected);
                return Ok(());
            }
            Err(error) => error,
        };
        session.observe(&server, Sign::Unreachable);
        // What fails before it begins is not given time to get better.
        let at_once = held.is_some();
        if let Some(mut link) = session.server.take() {
            held = link.slot.take();
        }
        let timed_out = error.kind() == ErrorKind::TimedOut;
        if let Some(failure) = Failure::of_client(&error) {
            return Err(failure);
        }
        if transaction.retries >= attempts {
            return Err(unreachable(
                session,
                transaction,
                Some(&server),
                Attempt { began, timed_out },
            ));
        }
        transaction.retries += 1;
        let easy = !v1_4 && is_easily_replaced(session, transaction);
        let elsewhere = session.backend().options.redispatch
            && (transaction.retries == attempts || easy && transaction.sticky.is_none())
            && !transaction.is_forced();
        if elsewhere {
            held = None;
            failed = Some(Arc::clone(&server));
        }
        // 1.4 waits even before it turns to another server.
        if !(timed_out || at_once || elsewhere && easy) {
            let until = session.worker.now() + turn_around(session);
            // A client of TCP that resets its connection has nobody else to be told apart from.
            let tcp = session.proxy().mode == Mode::Tcp;
            let rested = poll_fn(|cx| {
                if tcp && client_left(session, cx) && session.client.broken {
                    return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
                }
                match client_gives_up(session, transaction, cx) {
                    Ok(()) => session.deadline.poll(cx, Some(until)).map(Ok),
                    Err(error) => Poll::Ready(Err(error)),
                }
            })
            .await;
            if tcp && session.client.broken {
                session.count_retry(&server, false);
                return Err(Failure::new(Cause::ClientAbort, Stage::Data));
            }
            if let Some(failure) = rested.err().as_ref().and_then(Failure::of_client) {
                return Err(failure);
            }
        }
    }
}

/// Connects where a backend says that does not balance: to the address in the URL (`option http_proxy`),
/// to the one of `dispatch`, or to the one that the client wanted (`option transparent`).
async fn connect_directly(
    session: &mut Session,
    transaction: &mut Transaction,
) -> Result<(), Failure> {
    let backend = session.backend();
    let wanted = || session.destination();
    let address = if backend.options.http_proxy {
        transaction.url_address
    } else if let Some(address) = backend.dispatch {
        resolve(address, wanted)
    } else if backend.options.transparent {
        wanted()
    } else {
        None
    };
    let Some(address) = address else {
        session.count_connect_error(None);
        return Err(Failure::new(Cause::ServerAbort, Stage::Connect));
    };
    transaction.timing.assigned = Some(session.worker.now());
    if reuse(session, None, &literal(address)) {
        go_along(session, transaction, None);
        return Ok(());
    }
    session.close_server(true);
    loop {
        let target = Target::Internet(address);
        let began = session.worker.now();
        let Err(error) = attempt(session, transaction, Some(target), &mut None).await else {
            transaction.timing.connected = Some(session.worker.now());
            return Ok(());
        };
        let at_once = session.server.take().is_none();
        if let Some(failure) = Failure::of_client(&error) {
            return Err(failure);
        }
        let timed_out = error.kind() == ErrorKind::TimedOut;
        if transaction.retries >= session.backend().retries {
            return Err(unreachable(
                session,
                transaction,
                None,
                Attempt { began, timed_out },
            ));
        }
        transaction.retries += 1;
        if !(timed_out || at_once) {
            let until = session.worker.now() + turn_around(session);
            poll_fn(|cx| session.deadline.poll(cx, Some(until))).await;
        }
    }
}

/// The request leaves on the connection that is there.
fn go_along(session: &mut Session, transaction: &mut Transaction, slot: Option<Slot>) {
    transaction.note_for_replay();
    let now = session.worker.now();
    if let Some(link) = &mut session.server {
        link.slot = slot;
        link.reused = true;
        link.side.active = now;
    }
    session.count_reuse(transaction.server.as_deref());
    transaction.timing.connected = Some(now);
}

/// How the last attempt went.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    began: Instant,
    timed_out: bool,
}

/// Timers that run out so close to each other run out together.
const TOGETHER: Duration = Duration::from_millis(5);

/// There was no attempt left.
fn unreachable(
    session: &Session,
    transaction: &Transaction,
    server: Option<&Server>,
    last: Attempt,
) -> Failure {
    session.count_connect_error(server);
    let timed_out = last.timed_out;
    let timeout = session.backend().timeouts.connect.filter(|_| timed_out);
    // When both run out together, it is the server that is late.
    let ended = timeout.map_or_else(
        || session.worker.now(),
        |timeout| last.began + timeout.saturating_sub(TOGETHER),
    );
    let cause = if is_impatient(session, transaction, ended) {
        Cause::ClientTimeout
    } else if timed_out {
        Cause::ServerTimeout
    } else {
        Cause::ServerAbort
    };
    Failure::new(cause, Stage::Connect)
}

/// Whether a client that is read from while there is no server was silent for longer than it may, by
/// the time that the last attempt ended. What HTTP clients have asked for they get all the same.
fn is_impatient(session: &Session, transaction: &Transaction, ended: Instant) -> bool {
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    let is_read = match session.proxy().mode {
        Mode::Http => transaction.is_client_read(session),
        _ => v1_4,
    };
    let patience = session.proxy().timeouts.client;
    is_read && patience.is_some_and(|limit| session.client.active + limit <= ended)
}

/// An address as one of servers.
fn literal(address: SocketAddr) -> Place {
    Place::Internet(ServerAddress {
        ip: Some(address.ip()),
        port: ServerPort::Fixed(address.port()),
    })
}

/// Whether one server is as good as another, and there are several: since 1.5 such a request turns
/// to another server at once.
fn is_easily_replaced(session: &Session, transaction: &Transaction) -> bool {
    let in_turn = matches!(
        session.backend().balance,
        Balance::RoundRobin | Balance::StaticRr
    );
    let (active, _) = session.backend_handles().backend.usable_servers();
    in_turn && transaction.hash.is_none() && active > 1
}

/// A redispatch has found a server: another one than the one that failed, or the same again.
fn moved(session: &Session, transaction: &mut Transaction, from: &Arc<Server>, to: &Arc<Server>) {
    let elsewhere = !Arc::ptr_eq(from, to);
    session.count_retry(from, elsewhere);
    if elsewhere {
        transaction.redispatched = true;
        transaction.lose_persistence();
    }
}

/// Whether the client has gone while nobody read from it.
fn client_left(session: &mut Session, cx: &mut std::task::Context<'_>) -> bool {
    session.client.poll_watch(cx);
    session.client.left || session.client.read_closed || session.client.broken
}

/// Looks after a client while there is no server: with `option abortonclose`, or when it owes a part
/// of its request, which is received meanwhile.
fn client_gives_up(
    session: &mut Session,
    transaction: &mut Transaction,
    cx: &mut std::task::Context<'_>,
) -> Result<(), ConnectError> {
    if session.backend().options.abortonclose && client_left(session, cx) {
        return Err(ErrorKind::Interrupted.into());
    }
    let up = &mut transaction.up;
    if !up.body.is_awaited() {
        return Ok(());
    }
    let bufsize = session.generation.plan.global.tune.bufsize as usize;
    while !session.client.read_closed
        && up
            .poll_fill(cx, &mut session.client, &session.worker, bufsize)
            .is_ready()
    {}
    if session.client.broken {
        return Err(ErrorKind::Interrupted.into());
    }
    let mut body = up.body;
    // What is wrong with it is found out when it leaves.
    let known = body.advance(&up.buffer.bytes()[up.scheduled..]);
    if session.client.read_closed && known.is_ok() && body.is_awaited() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// What speaks for one server or against another.
struct Wish<'a> {
    /// This one, or none.
    only: Option<Arc<Server>>,
    /// This one, when it has room.
    preferred: Option<Arc<Server>>,
    /// One that just failed.
    failed: Option<&'a Server>,
}

/// The server of the request before, where the next one is to stay with it and there still is a
/// connection: `option prefer-last-server`, or a server that has asked for a password.
fn preferred(session: &mut Session, transaction: &Transaction) -> Option<Arc<Server>> {
    let server = session.preferred.take()?;
    let own = session
        .server
        .as_ref()
        .and_then(|link| link.server.as_ref());
    let held = own.is_some_and(|own| Arc::ptr_eq(own, &server)) || session.worker.idle.has(&server);
    (held && transaction.hash.is_none()).then_some(server)
}

/// Takes a connection that another client, or this one, has left there: `http-reuse`. The first
/// request of a client cannot be repeated by it without notice, so that it is put at risk only
/// when the configuration says so.
fn borrow(session: &mut Session, transaction: &Transaction, server: &Arc<Server>) -> bool {
    let first = transaction.is_first();
    let proven = match session.backend().http_reuse {
        HttpReuse::Never => return false,
        HttpReuse::Safe if first => return false,
        HttpReuse::Aggressive => first,
        HttpReuse::Safe | HttpReuse::Always => false,
    };
    if transaction.is_replayed() {
        return false;
    }
    let v1_8 = session.generation.plan.dialect == Dialect::V1_8;
    let wanted = Wanted {
        server,
        at: &server.place(),
        proven,
        owner: v1_8.then_some(session.card.id),
    };
    let Some(mut link) = session.worker.idle.take(wanted) else {
        return false;
    };
    session.close_server(true);
    link.backend = session.backend;
    session.card.server.replace(Some(Arc::clone(server)));
    session.server = Some(link);
    session.close_lent();
    true
}

/// A slot on a server, now or after a wait in a queue.
async fn obtain(
    session: &mut Session,
    transaction: &mut Transaction,
    wish: Wish<'_>,
) -> Result<Slot, Failure> {
    let Wish {
        mut only,
        preferred,
        failed,
    } = wish;
    let backend = Arc::clone(&session.backend_handles().backend);
    let redispatch = session.backend().options.redispatch && !transaction.is_forced();
    let since = transaction.timing.received.unwrap_or(session.started);
    let mut left: Option<Arc<Server>> = None;
    let mut full: Option<Arc<Server>> = None;
    let mut waited = false;
    loop {
        let choice = backend.choose(Ask {
            only: only.as_deref(),
            preferred: preferred.as_deref(),
            faithful: transaction.is_forced(),
            avoid: left.as_deref().or(full.as_deref()).or(failed),
            hash: transaction.hash,
            since,
        });
        let slot = match choice {
            Choice::Server(slot) => slot,
            Choice::None => {
                session.count_connect_error(None);
                return Err(Failure::new(Cause::ServerAbort, Stage::Connect));
            }
            Choice::Full(server) if redispatch && only.is_some() => {
                only = None;
                // That counts at once, even where the way leads back to the same server.
                session.count_retry(&server, true);
                transaction.redispatched = true;
                transaction.lose_persistence();
                full = Some(server);
                continue;
            }
            Choice::Full(server) => {
                session.count_connect_error(Some(&server));
                transaction.server = Some(server);
                return Err(Failure::new(Cause::ServerAbort, Stage::Queue));
            }
            Choice::Wait(ticket) => match wait(session, transaction, ticket).await? {
                Turn::Served(slot) => {
                    waited = true;
                    slot
                }
                Turn::Elsewhere => {
                    left = only.take();
                    continue;
                }
            },
        };
        // What comes out of a queue was not balanced.
        let balanced = only.is_none()
            && !waited
            && !preferred
                .as_ref()
                .is_some_and(|server| Arc::ptr_eq(server, &slot.server));
        if balanced {
            session.count_choice(&slot.server);
        }
        if let Some(left) = left {
            moved(session, transaction, &left, &slot.server);
        }
        return Ok(slot);
    }
}

/// Waits in a queue.
async fn wait(
    session: &mut Session,
    transaction: &mut Transaction,
    mut ticket: Ticket,
) -> Result<Turn, Failure> {
    match ticket.server {
        Some(_) => transaction.queued.0 += ticket.place,
        None => transaction.queued.1 += ticket.place,
    }
    let timeouts = &session.backend().timeouts;
    let limit = after(session.worker.now(), timeouts.queue.or(timeouts.connect));
    let gives_up = session.backend().options.abortonclose;
    let got = poll_fn(|cx| {
        if let Poll::Ready(turn) = ticket.poll(cx) {
            return Poll::Ready(Ok(turn));
        }
        if gives_up && client_left(session, cx) {
            return Poll::Ready(Err(Cause::ClientAbort));
        }
        session
            .deadline
            .poll(cx, limit)
            .map(|()| Err(Cause::ServerTimeout))
    })
    .await;
    got.map_err(|cause| {
        session.count_connect_error(ticket.server.as_deref());
        transaction.timing.assigned = Some(session.worker.now());
        transaction.server = ticket.server.clone();
        Failure::new(cause, Stage::Queue)
    })
}

/// Whether the kept connection can carry the next request.
fn reuse(session: &mut Session, server: Option<&Arc<Server>>, at: &Place) -> bool {
    session.server.as_ref().is_some_and(|link| {
        link.server.as_ref().map(Arc::as_ptr) == server.map(Arc::as_ptr)
            && link.backend == session.backend
            && link.at == *at
            && !link.side.read_closed
            && link.side.socket.is_quiet()
    })
}

/// One attempt. The link is in the session once it has begun, and with it the slot.
async fn attempt(
    session: &mut Session,
    transaction: &mut Transaction,
    target: Option<Target>,
    slot: &mut Option<Slot>,
) -> Result<(), ConnectError> {
    let target = target.ok_or(ErrorKind::AddrNotAvailable)?;
    let server = slot.as_ref().map(|slot| Arc::clone(&slot.server));
    let patience = server.as_ref().and_then(|s| s.settings().tcp_user_timeout);
    let alive = session.backend().options.srvtcpka;
    let settings = server.as_ref().map(|server| server.settings());
    let source = settings
        .as_ref()
        .and_then(|settings| settings.source.as_ref());
    let source = source.or_else(|| session.backend().source.as_ref());
    // A Unix socket has no such end.
    let source = source.filter(|_| target.internet().is_some());
    let plain = !alive && patience.is_none() && source.is_none();
    // A request that is at hand goes along with the packet that ends the handshake.
    let smart = session.backend().options.tcp_smart_connect != Some(false);
    let kind = Start {
        plain,
        quiet: smart && transaction.up.is_pending(),
    };
    let origin = source.map(|source| {
        let client = session.peer;
        let header = transaction.source_address;
        (source, Origin { client, header })
    });
    let socket = start(&target, kind, origin, &session.worker)
        .inspect_err(|error| session.report_no_start(error))?;
    session.count_attempt(server.as_deref());
    if alive {
        // A socket that cannot be kept alive works all the same.
        let _ = net::sockopt::set_socket_keepalive(socket.fd(), true);
    }
    if let Some(timeout) = patience {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        // Without it the system's own patience holds.
        let _ = net::sockopt::set_tcp_user_timeout(socket.fd(), millis);
    }
    let mut side = Side::new(socket, session.worker.now());
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    side.farewell = Farewell::new(session.backend().options.nolinger, v1_4, false);
    session.card.server.replace(server.clone());
    session.server = Some(Box::new(Link {
        side,
        at: match (&server, &target) {
            (Some(server), _) => server.place(),
            (None, Target::Internet(address)) => literal(*address),
            (None, Target::Unix(socket)) => Place::Unix(Arc::clone(socket)),
        },
        life: server.as_ref().and_then(|s| s.life()).map(Life),
        server,
        backend: session.backend,
        slot: slot.take(),
        reused: false,
        personal: false,
        spare: target.internet().filter(|_| plain),
    }));
    let limit = after(session.worker.now(), session.backend().timeouts.connect);
    poll_fn(|cx| {
        let Some(link) = &mut session.server else {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        let up = &mut transaction.up;
        let socket = &mut link.side.socket;
        // A send tells at once whether the connection stands, and takes the request along.
        let connected = if up.is_pending() {
            up.poll_first_send(cx, socket)
        } else {
            socket
                .poll_writable(cx)
                .map(|ready| ready.and_then(|()| socket.take_error()))
        };
        if connected.is_pending() {
            if session.deadline.poll(cx, limit).is_ready() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            // What the client has gone from is not worth a connection.
            if let Err(error) = client_gives_up(session, transaction, cx) {
                return Poll::Ready(Err(error));
            }
        }
        connected
    })
    .await
}

/// Where a server is for this session.
fn target(session: &Session, server: &Server) -> Option<Target> {
    // The slot may be on a server that a reload has just added: it knows its address itself.
    match server.place() {
        Place::Internet(address) => {
            resolve(address, || session.destination()).map(Target::Internet)
        }
        Place::Unix(socket) => Some(Target::Unix(socket)),
    }
}

/// An address whose missing parts are those of the address that the client has connected to.
fn resolve(
    address: ServerAddress,
    wanted: impl FnOnce() -> Option<SocketAddr>,
) -> Option<SocketAddr> {
    let ServerAddress { ip, port } = address;
    let needs_destination = ip.is_none() || matches!(port, ServerPort::Mapped(_));
    let destination = if needs_destination { wanted() } else { None };
    let port = match port {
        ServerPort::Fixed(port) => port,
        ServerPort::Mapped(offset) => {
            u16::try_from(i32::from(destination?.port()) + offset).ok()?
        }
    };
    let ip = match ip {
        Some(ip) => ip,
        None => destination?.ip(),
    };
    Some(SocketAddr::new(ip, port))
}

/// What is special about a connection.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Nothing: any socket will do.
    plain: bool,
    /// The handshake ends without a packet of its own.
    quiet: bool,
}

/// Starts to connect, with a spare socket when one will do.
fn start(
    target: &Target,
    kind: Start,
    origin: Option<(&plan::Source, Origin)>,
    worker: &Worker,
) -> Result<Socket, StartError> {
    let spare = target.internet().filter(|_| kind.plain);
    let mut socket = match spare.and_then(|address| worker.spares.take(address)) {
        Some(socket) => socket,
        None => create(target, worker)?,
    };
    if let Some((source, origin)) = origin {
        source::bind(socket.fd(), source, origin).map_err(StartError::Source)?;
    }
    if kind.quiet && target.internet().is_some() {
        // Only a saving.
        let _ = net::sockopt::set_tcp_quickack(socket.fd(), false);
    }
    match target.connect(socket.fd()) {
        Ok(()) | Err(Errno::INPROGRESS) => {
            socket.expect_answer();
            Ok(socket)
        }
        Err(error) => Err(StartError::Connect(error.into())),
    }
}

fn create(target: &Target, worker: &Worker) -> Result<Socket, ConnectError> {
    let family = target.family();
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let new = || net::socket_with(family, SocketType::STREAM, flags, None);
    let fd = match new() {
        Err(Errno::MFILE | Errno::NFILE) => {
            worker.spare_descriptors();
            new()
        }
        fd => fd,
    };
    let socket = Socket::new(fd?);
    if target.internet().is_some() {
        socket.set_nodelay();
    }
    Ok(socket)
}
