//! From "this backend" to a connected server: choice, queue, attempts, redispatch.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

use super::deadline::after;
use super::live::{Choice, Server, Slot};
use super::session::{ConnectError, Link, Session, Side};
use super::socket::Socket;
use super::transaction::Transaction;
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, ServerAddress, ServerPort};

/// Why there is no connection to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// What the log says.
    pub(crate) termination: Termination,
    /// What an HTTP client gets.
    pub(crate) status: ErrorStatus,
}

impl Failure {
    fn new(cause: Cause, stage: Stage) -> Self {
        Self {
            termination: Termination::new(cause, stage),
            status: ErrorStatus::S503,
        }
    }
}

/// How long an attempt waits after one that was refused.
const TURN_AROUND: Duration = Duration::from_secs(1);

/// Connects to a server of the session's backend, and sends the first bytes when there are any.
/// A connection that was kept is used again when its server is chosen.
pub(crate) async fn connect(
    session: &mut Session,
    transaction: &mut Transaction,
) -> Result<(), Failure> {
    let attempts = session.backend().retries;
    let mut only: Option<Arc<Server>> = transaction.sticky.clone();
    let mut failed: Option<Arc<Server>> = None;
    loop {
        let slot = obtain(session, transaction, only.as_deref(), failed.as_deref()).await?;
        transaction.timing.assigned = Some(session.worker.now());
        transaction.server = Some(Arc::clone(&slot.server));
        session.count_choice(&slot.server, only.is_none());
        if reuse(session, &slot.server) {
            if let Some(link) = &mut session.server {
                link.slot = Some(slot);
                link.reused = true;
                link.side.active = session.worker.now();
            }
            transaction.timing.connected = Some(session.worker.now());
            return Ok(());
        }
        session.close_server(true);
        let server = Arc::clone(&slot.server);
        let error = match attempt(session, transaction, slot).await {
            Ok(()) => {
                transaction.timing.connected = Some(session.worker.now());
                return Ok(());
            }
            Err(error) => error,
        };
        // The slot is held while the attempt goes on and given back before the next.
        session.server = None;
        let timed_out = error.kind() == std::io::ErrorKind::TimedOut;
        if transaction.retries >= attempts {
            session.count_connect_error(Some(&server));
            let cause = if timed_out {
                Cause::ServerTimeout
            } else {
                Cause::ServerAbort
            };
            return Err(Failure::new(cause, Stage::Connect));
        }
        transaction.retries += 1;
        // 1.4 waits for a second whatever the timeout, even before it turns to another server.
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let elsewhere = session.backend().options.redispatch && transaction.retries == attempts;
        if !timed_out && (v1_4 || !elsewhere) {
            let timeout = session.backend().timeouts.connect.filter(|_| !v1_4);
            let pause = timeout.map_or(TURN_AROUND, |timeout| timeout.min(TURN_AROUND));
            let until = session.worker.now() + pause;
            poll_fn(|cx| session.deadline.poll(cx, Some(until))).await;
        }
        session.count_retry(&server, elsewhere);
        if elsewhere {
            transaction.redispatched = true;
            only = None;
            transaction.lose_persistence();
            failed = Some(server);
        } else {
            only = Some(server);
        }
    }
}

/// A slot on a server, now or after a wait in the queue.
async fn obtain(
    session: &mut Session,
    transaction: &mut Transaction,
    only: Option<&Server>,
    failed: Option<&Server>,
) -> Result<Slot, Failure> {
    let backend = Arc::clone(&session.backend_handles().backend);
    match backend.choose(only, failed) {
        Choice::Server(slot) => Ok(slot),
        Choice::None => {
            session.count_connect_error(None);
            Err(Failure::new(Cause::ServerAbort, Stage::Connect))
        }
        Choice::Wait {
            mut slot,
            ahead,
            number,
        } => {
            transaction.queued = ahead + 1;
            let timeouts = &session.backend().timeouts;
            let limit = after(session.worker.now(), timeouts.queue.or(timeouts.connect));
            let got = poll_fn(|cx| {
                if let Poll::Ready(got) = std::pin::Pin::new(&mut slot).poll(cx) {
                    return Poll::Ready(got.ok());
                }
                session.deadline.poll(cx, limit).map(|()| None)
            })
            .await;
            got.ok_or_else(|| {
                backend.leave_queue(number);
                session.count_connect_error(only);
                transaction.timing.assigned = Some(session.worker.now());
                Failure::new(Cause::ServerTimeout, Stage::Queue)
            })
        }
    }
}

/// Whether the kept connection can carry the next request.
fn reuse(session: &mut Session, server: &Arc<Server>) -> bool {
    session.server.as_ref().is_some_and(|link| {
        Arc::ptr_eq(&link.server, server)
            && link.backend == session.backend
            && !link.side.read_closed
            && link.side.socket.is_quiet()
    })
}

/// One attempt. The link is in the session when it succeeds.
async fn attempt(
    session: &mut Session,
    transaction: &mut Transaction,
    slot: Slot,
) -> Result<(), ConnectError> {
    let address = target(session, &slot.server).ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let socket = start(address)?;
    if session.backend().options.srvtcpka {
        // A socket that cannot be kept alive works all the same.
        let _ = net::sockopt::set_socket_keepalive(socket.fd(), true);
    }
    let mut side = Side::new(socket, session.worker.now());
    side.nolinger = session.backend().options.nolinger;
    session.card.server.replace(Some(Arc::clone(&slot.server)));
    session.server = Some(Link {
        side,
        server: Arc::clone(&slot.server),
        backend: session.backend,
        slot: Some(slot),
        reused: false,
    });
    let limit = after(session.worker.now(), session.backend().timeouts.connect);
    poll_fn(|cx| {
        let Some(link) = &mut session.server else {
            return Poll::Ready(Err(std::io::ErrorKind::NotConnected.into()));
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
        if connected.is_pending() && session.deadline.poll(cx, limit).is_ready() {
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        }
        connected
    })
    .await
}

/// Where a server is for this session.
fn target(session: &Session, server: &Server) -> Option<SocketAddr> {
    // The slot may be on a server that a reload has just added: it knows its address itself.
    let ServerAddress { ip, port } = server.address;
    let needs_destination = ip.is_none() || matches!(port, ServerPort::Mapped(_));
    let destination = if needs_destination {
        session.client.socket.local_addr()
    } else {
        None
    };
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

/// Starts to connect.
fn start(address: SocketAddr) -> Result<Socket, ConnectError> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
    let socket = Socket::new(fd);
    socket.set_nodelay();
    match net::connect(socket.fd(), &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}
