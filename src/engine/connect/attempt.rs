//! One attempt to connect: where to, from where and with what socket, until it stands or does not.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::task::Poll;

use haproxy_cfg_grammar::Dialect;
use rustix::io::Errno;
use rustix::net::{self, SocketFlags, SocketType};

use super::Failure;
use super::client::{self, Wait};
use crate::engine::deadline::after;
use crate::engine::live::{Place, Slot, Whereabouts};
use crate::engine::session::{Life, Link, Session};
use crate::engine::side::{Farewell, Side};
use crate::engine::socket::Socket;
use crate::engine::source::{self, Origin};
use crate::engine::target::{StartError, Target};
use crate::engine::transaction::Transaction;
use crate::engine::worker::Worker;
use crate::plan::{self, ServerAddress, ServerPort};

/// Why an attempt has come to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missed {
    /// The client has gone.
    Client(Failure),
    /// It has not even begun, for want of an address, a port or a descriptor.
    NotBegun,
    /// There was no answer in time.
    TimedOut,
    /// It was refused, or broken off.
    Refused,
}

/// One attempt to get to a place. The link is in the session once it has begun, and with it the slot.
pub(super) async fn attempt(
    session: &mut Session,
    transaction: &mut Transaction,
    at: Whereabouts,
    slot: &mut Option<Slot>,
) -> Result<(), Missed> {
    let target = target(session, &at.place).ok_or(Missed::NotBegun)?;
    let server = slot.as_ref().map(|slot| Arc::clone(&slot.server));
    let alive = session.backend().options.srvtcpka;
    let settings = server.as_ref().map(|server| server.settings());
    let patience = settings.as_ref().and_then(|s| s.tcp_user_timeout);
    let source = settings
        .as_ref()
        .and_then(|settings| settings.source.as_ref());
    let source = source.or_else(|| session.backend().source.as_ref());
    // A Unix socket has no such end.
    let source = source.filter(|_| target.internet().is_some());
    let tune = &session.generation.plan.global.tune;
    let buffers = (tune.server_rcvbuf, tune.server_sndbuf);
    let plain = !alive && patience.is_none() && source.is_none() && buffers == (None, None);
    // A request that is at hand goes along with the packet that ends the handshake.
    let smart = session.backend().options.tcp_smart_connect != Some(false);
    let kind = Start {
        plain,
        quiet: smart && transaction.up.is_pending(),
        buffers,
    };
    let origin = source.map(|source| {
        let client = session.peer;
        let header = transaction.source_address;
        (source, Origin { client, header })
    });
    let socket = start(&target, kind, origin, &session.worker).map_err(|error| {
        session.report_no_start(&error);
        Missed::NotBegun
    })?;
    session.count_attempt(server.as_deref());
    let descriptor = socket.fd().as_raw_fd();
    session.card.traced.tried.set(Some(descriptor));
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
        at,
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
            return Poll::Ready(Err(Missed::Refused));
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
            // What the client has gone from is not worth a connection.
            let over = client::poll(session, transaction, Wait::Handshake, limit, cx);
            return over.map(|over| Err(over.map_or_else(Missed::Client, |()| Missed::TimedOut)));
        }
        connected.map_err(|_| Missed::Refused)
    })
    .await
}

/// Where a place is for this session.
fn target(session: &Session, place: &Place) -> Option<Target> {
    match place {
        Place::Internet(address) => {
            resolve(*address, || session.destination()).map(Target::Internet)
        }
        Place::Unix(socket) => Some(Target::Unix(Arc::clone(socket))),
    }
}

/// An address whose missing parts are those of the address that the client has connected to.
pub(super) fn resolve(
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
    /// How much the system keeps of what has come, and of what is to go: `tune.rcvbuf.server`,
    /// `tune.sndbuf.server`.
    buffers: (Option<u32>, Option<u32>),
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
    // The handshake says how much may come.
    socket.set_buffers(kind.buffers.0, kind.buffers.1);
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

fn create(target: &Target, worker: &Worker) -> io::Result<Socket> {
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
