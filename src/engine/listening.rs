//! Listening sockets: what they are known by, how they are opened, who has them.
//!
//! A socket whose key is in the next plan too stays as it is, whether the plan is the next of this
//! process or that of the process that takes over from it: connections that wait in its queue are
//! never lost.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::EngineError;
use crate::admin;
use crate::admin::socket::StatsListener;
use crate::plan::{ListenAddress, Listener, Mode, Plan, Proxy, SocketFile, StatsSocket};

/// What makes two `bind` lines the same socket. A socket whose key is unchanged is never closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListenerKey {
    address: ListenAddress,
    interface: Option<String>,
    transparent: bool,
}

impl ListenerKey {
    /// The key of a listener.
    pub fn of(listener: &Listener) -> Self {
        Self {
            address: listener.address.clone(),
            interface: listener.interface.clone(),
            transparent: listener.transparent,
        }
    }

    /// Whether a plan listens there.
    pub(crate) fn is_of(&self, plan: &Plan) -> bool {
        wanted(plan).contains_key(self)
    }

    /// The file of a Unix socket.
    fn path(&self) -> Option<&Path> {
        match &self.address {
            ListenAddress::Unix(path) => Some(path),
            ListenAddress::Tcp { .. } => None,
        }
    }
}

impl fmt::Display for ListenerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            ListenAddress::Tcp { ip, port } => write!(f, "{}", SocketAddr::new(*ip, *port))?,
            ListenAddress::Unix(path) => write!(f, "{}", path.display())?,
        }
        if let Some(interface) = &self.interface {
            write!(f, " interface {interface}")?;
        }
        if self.transparent {
            f.write_str(" transparent")?;
        }
        Ok(())
    }
}

/// Open sockets by key. A TCP address has one for every worker; a Unix socket is one.
pub type Sockets = HashMap<ListenerKey, Vec<Arc<OwnedFd>>>;

/// Where a plan uses a listening socket: the index of the proxy, and of the listener in it.
pub(crate) type Place = (usize, usize);

/// Everything that a plan listens on, each key once, with the place of its first use.
pub(crate) fn wanted(plan: &Plan) -> HashMap<ListenerKey, Place> {
    let mut wanted = HashMap::new();
    for (id, proxy) in plan.proxies.iter().enumerate() {
        if proxy.disabled {
            continue;
        }
        for (index, listener) in proxy.listeners.iter().enumerate() {
            wanted
                .entry(ListenerKey::of(listener))
                .or_insert((id, index));
        }
    }
    wanted
}

/// Who opens sockets while the process runs: the process itself, or the half of it that has kept
/// the privileges for it.
pub trait Opener: fmt::Debug + Send {
    /// Opens all of these keys of a plan, or none.
    ///
    /// # Errors
    /// The first socket that cannot be opened.
    fn open(
        &mut self,
        plan: &Plan,
        keys: &[ListenerKey],
        workers: usize,
    ) -> Result<Sockets, EngineError>;

    /// Opens these statistics sockets of a plan, in order.
    ///
    /// # Errors
    /// The first that cannot be opened.
    fn open_stats(
        &mut self,
        plan: &Plan,
        sockets: &[StatsSocket],
    ) -> Result<Vec<StatsListener>, EngineError>;

    /// Opens the addresses of a plan where metrics are served, in order.
    ///
    /// # Errors
    /// The first that cannot be opened.
    fn open_metrics(
        &mut self,
        plan: &Plan,
        addresses: &[SocketAddr],
    ) -> Result<Vec<TcpListener>, EngineError>;

    /// Removes the files of Unix sockets that nobody listens on any more.
    fn remove(&mut self, keys: &[ListenerKey]);
}

/// Opens sockets with the privileges of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Opener for Local {
    fn open(
        &mut self,
        plan: &Plan,
        keys: &[ListenerKey],
        workers: usize,
    ) -> Result<Sockets, EngineError> {
        let wanted = wanted(plan);
        let mut sockets = Sockets::new();
        for key in keys {
            // A key that is not in the plan is asked for by mistake: it is not opened.
            let Some((id, index)) = wanted.get(key) else {
                continue;
            };
            let proxy = &plan.proxies[*id];
            let opened = open(proxy, &proxy.listeners[*index], workers)?;
            sockets.insert(key.clone(), opened.into_iter().map(Arc::new).collect());
        }
        Ok(sockets)
    }

    fn open_stats(
        &mut self,
        _: &Plan,
        sockets: &[StatsSocket],
    ) -> Result<Vec<StatsListener>, EngineError> {
        let open = |socket: &StatsSocket| {
            Ok(match &socket.address {
                ListenAddress::Unix(path) => {
                    StatsListener::Unix(admin::socket::open(path, &socket.file)?)
                }
                ListenAddress::Tcp { ip, port } => {
                    StatsListener::Tcp(open_aside(SocketAddr::new(*ip, *port))?)
                }
            })
        };
        sockets.iter().map(open).collect()
    }

    fn open_metrics(
        &mut self,
        _: &Plan,
        addresses: &[SocketAddr],
    ) -> Result<Vec<TcpListener>, EngineError> {
        let opened = addresses.iter().map(|a| Ok(open_aside(*a)?));
        opened.collect()
    }

    fn remove(&mut self, keys: &[ListenerKey]) {
        for path in keys.iter().filter_map(ListenerKey::path) {
            // A file that stays is in nobody's way: the next start replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {address}: {cause}")]
pub struct ListenError {
    pub(super) step: &'static str,
    pub(super) address: String,
    pub(super) cause: io::Error,
}

fn failed(step: &'static str, address: impl fmt::Display) -> impl FnOnce(io::Error) -> ListenError {
    let address = address.to_string();
    move |cause| ListenError {
        step,
        address,
        cause,
    }
}

/// Opens and binds one socket for every worker, all of them before any listens.
fn open(proxy: &Proxy, listener: &Listener, workers: usize) -> Result<Vec<OwnedFd>, ListenError> {
    let address = match &listener.address {
        ListenAddress::Tcp { ip, port } => SocketAddr::new(*ip, *port),
        ListenAddress::Unix(path) => {
            return Ok(vec![open_unix(path, &listener.file, backlog(proxy))?]);
        }
    };
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = tcp(address).map_err(failed("create a socket for", address))?;
        socket
            .set_reuse_port(true)
            .and_then(|()| prepare(&socket, proxy, listener))
            .map_err(failed("set the options of", address))?;
        socket
            .bind(&address.into())
            .map_err(failed("bind", address))?;
        sockets.push(socket);
    }
    for socket in &sockets {
        socket
            .listen(backlog(proxy))
            .map_err(failed("listen on", address))?;
    }
    Ok(sockets.into_iter().map(OwnedFd::from).collect())
}

/// Shared like the others, so that the process that takes over can bind it while this one serves.
fn open_aside(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let socket = tcp(address).map_err(failed("create a socket for", address))?;
    socket
        .set_reuse_port(true)
        .and_then(|()| socket.set_reuse_address(true))
        .and_then(|()| socket.set_nonblocking(true))
        .map_err(failed("set the options of", address))?;
    socket
        .bind(&address.into())
        .map_err(failed("bind", address))?;
    socket.listen(FEW).map_err(failed("listen on", address))?;
    Ok(socket.into())
}

/// Scrapers and administrators are few.
const FEW: i32 = 64;

/// Says when another process, or another program, listens on an address of the plan already.
///
/// Sockets share an address since Linux 3.9, so that a second start by mistake would succeed and
/// take half of the connections. Binding without sharing finds out.
///
/// # Errors
/// The first address that is taken.
pub fn nobody_listens(plan: &Plan) -> Result<(), ListenError> {
    for address in &plan.global.metrics {
        let Ok(socket) = tcp(*address) else { continue };
        let probe = socket.set_reuse_address(true);
        taken(
            address,
            probe.and_then(|()| socket.bind(&(*address).into())),
        )?;
    }
    for key in wanted(plan).keys() {
        let ListenAddress::Tcp { ip, port } = key.address else {
            continue;
        };
        let address = SocketAddr::new(ip, port);
        // What does not work for another reason is found, and told better, by opening.
        let Ok(socket) = tcp(address) else { continue };
        let probe = socket.set_reuse_address(true).and_then(|()| {
            if let Some(interface) = &key.interface {
                socket.bind_device(Some(interface.as_bytes()))?;
            }
            if key.transparent {
                socket.set_ip_transparent_v4(true)?;
            }
            socket.bind(&address.into())
        });
        taken(key, probe)?;
    }
    Ok(())
}

/// Whether the attempt to bind an address has failed because somebody has it.
fn taken(address: impl fmt::Display, probe: io::Result<()>) -> Result<(), ListenError> {
    match probe {
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
            Err(failed("start: somebody listens already on", address)(cause))
        }
        _ => Ok(()),
    }
}

/// Gives a socket that is open already, and may listen for another plan, the settings of this one.
pub(crate) fn refit(
    socket: &impl AsFd,
    proxy: &Proxy,
    listener: &Listener,
) -> Result<(), ListenError> {
    let socket = SockRef::from(socket);
    let address = ListenerKey::of(listener);
    if let ListenAddress::Tcp { .. } = listener.address {
        fit(&socket, proxy, listener).map_err(failed("set the options of", &address))?;
    }
    socket
        .listen(backlog(proxy))
        .map_err(failed("listen on", &address))
}

fn backlog(proxy: &Proxy) -> i32 {
    let backlog = if proxy.backlog != 0 {
        proxy.backlog
    } else if proxy.maxconn != 0 {
        proxy.maxconn
    } else {
        2000
    };
    i32::try_from(backlog).unwrap_or(i32::MAX)
}

fn tcp(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )
}

fn prepare(socket: &Socket, proxy: &Proxy, listener: &Listener) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it, which saves a call for each connection.
    socket.set_tcp_nodelay(true)?;
    if let Some(interface) = &listener.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if listener.transparent {
        // One flag for both families, whatever its name says.
        socket.set_ip_transparent_v4(true)?;
    }
    fit(socket, proxy, listener)
}

/// What may change while a socket listens.
fn fit(socket: &Socket, proxy: &Proxy, listener: &Listener) -> io::Result<()> {
    if let Some(mss) = listener.mss {
        socket.set_tcp_mss(u32::from(mss))?;
    }
    // The answer to a request acknowledges it: accepted sockets send no packet for that alone.
    let smart = proxy.options.tcp_smart_accept;
    socket.set_tcp_quickack(!smart.unwrap_or(proxy.mode == Mode::Http))?;
    set_defer_accept(
        socket,
        if listener.defer_accept {
            DEFERRED_SECONDS
        } else {
            0
        },
    )
}

/// How long the system keeps a connection to itself on which nothing comes, as HAProxy has it.
const DEFERRED_SECONDS: nix::libc::c_int = 1;

/// The listening socket gives out connections once there is something to read on them.
#[allow(
    unsafe_code,
    reason = "none of the crates that wrap socket options knows this one"
)]
fn set_defer_accept(socket: &Socket, seconds: nix::libc::c_int) -> io::Result<()> {
    let size = size_of_val(&seconds) as nix::libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the option is an
    // integer that the call only reads.
    let result = unsafe {
        nix::libc::setsockopt(
            socket.as_raw_fd(),
            nix::libc::IPPROTO_TCP,
            nix::libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size,
        )
    };
    Ok(nix::errno::Errno::result(result).map(drop)?)
}

/// Binds under another name and renames, so that the file in place is at every moment one that
/// somebody listens on.
fn open_unix(path: &Path, file: &SocketFile, backlog: i32) -> Result<OwnedFd, ListenError> {
    let shown = path.display();
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.tmp", std::process::id()));
    let new = Path::new(&new);
    // Left by a process of this number that did not get to renaming it.
    let _ = std::fs::remove_file(new);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
        .map_err(failed("create a socket for", &shown))?;
    socket
        .set_nonblocking(true)
        .map_err(failed("set the options of", &shown))?;
    let address = SockAddr::unix(new).map_err(failed("bind", &shown))?;
    socket.bind(&address).map_err(failed("bind", &shown))?;
    let listening = socket
        .listen(backlog)
        .and_then(|()| admin::socket::give_away(new, file))
        .and_then(|()| std::fs::rename(new, path));
    if let Err(cause) = listening {
        let _ = std::fs::remove_file(new);
        return Err(failed("listen on", &shown)(cause));
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::plan::Role;

    fn listener(defer_accept: bool) -> Listener {
        Listener {
            address: ListenAddress::Tcp {
                ip: Ipv4Addr::LOCALHOST.into(),
                port: 0,
            },
            numeric_id: 1,
            name: None,
            interface: None,
            mss: None,
            transparent: false,
            defer_accept,
            file: SocketFile::default(),
        }
    }

    #[test]
    fn requests_are_acknowledged_by_their_answers_in_http_and_where_it_is_asked_for() {
        for (mode, smart, quick) in [
            (Mode::Http, None, false),
            (Mode::Tcp, None, true),
            (Mode::Http, Some(false), true),
            (Mode::Tcp, Some(true), false),
        ] {
            let mut proxy = Proxy::new("p", Role::Listen);
            proxy.mode = mode;
            proxy.options.tcp_smart_accept = smart;
            let socket = tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            prepare(&socket, &proxy, &listener(false)).unwrap();
            assert_eq!(socket.tcp_quickack().unwrap(), quick, "{mode:?}, {smart:?}");
            assert!(socket.tcp_nodelay().unwrap());
        }
    }

    #[test]
    fn a_deferred_connection_comes_with_its_first_bytes() {
        let socket = tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        prepare(&socket, &Proxy::new("p", Role::Listen), &listener(true)).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        socket.listen(5).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let began = Instant::now();
        let mut client = TcpStream::connect(address).unwrap();
        let early = socket.accept();
        // The system does not keep it for ever, which a machine that stands still may show.
        assert!(early.is_err() || began.elapsed() > Duration::from_millis(500));
        client.write_all(b"x").unwrap();
        while early.is_err() && socket.accept().is_err() {}
    }
}
