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
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::EngineError;
use crate::admin;
use crate::admin::socket::StatsListener;
use crate::plan::{
    ListenAddress, Listener, Mode, Plan, Proxy, SocketFile, StatsSocket, UnixAddress,
};

/// What makes two `bind` lines the same socket. A socket whose key is unchanged is never closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListenerKey {
    address: ListenAddress,
    interface: Option<String>,
    transparent: bool,
    v6only: Option<bool>,
}

impl ListenerKey {
    /// The key of a listener.
    pub fn of(listener: &Listener) -> Self {
        Self {
            address: listener.address.clone(),
            interface: listener.interface.clone(),
            transparent: listener.transparent,
            v6only: listener.v6only,
        }
    }

    /// Whether a plan listens there.
    pub(crate) fn is_of(&self, plan: &Plan) -> bool {
        wanted(plan).contains_key(self)
    }

    /// The file of a Unix socket.
    fn path(&self) -> Option<&Path> {
        match &self.address {
            ListenAddress::Unix(UnixAddress::Path(path)) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for ListenerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            ListenAddress::Tcp { ip, port } => write!(f, "{}", SocketAddr::new(*ip, *port))?,
            ListenAddress::Unix(socket) => write!(f, "{socket}")?,
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
                ListenAddress::Unix(UnixAddress::Path(path)) => {
                    StatsListener::Unix(admin::socket::open(path, &socket.file)?)
                }
                ListenAddress::Unix(name) => StatsListener::Unix(open_abstract(name, FEW)?.into()),
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
        ListenAddress::Unix(UnixAddress::Path(path)) => {
            return Ok(vec![open_unix(
                path,
                listener.file,
                backlog(proxy, listener),
            )?]);
        }
        ListenAddress::Unix(socket) => {
            return Ok(vec![open_abstract(socket, backlog(proxy, listener))?]);
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
            .listen(backlog(proxy, listener))
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
            if let Some(only) = key.v6only.filter(|_| ip.is_ipv6()) {
                socket.set_only_v6(only)?;
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
    match &listener.address {
        ListenAddress::Tcp { .. } => {
            fit(&socket, proxy, listener).map_err(failed("set the options of", &address))?;
        }
        ListenAddress::Unix(UnixAddress::Path(path)) => {
            own(path, listener.file).map_err(failed("set the owner of", &address))?;
        }
        ListenAddress::Unix(UnixAddress::Abstract(_)) => {}
    }
    socket
        .listen(backlog(proxy, listener))
        .map_err(failed("listen on", &address))
}

fn backlog(proxy: &Proxy, listener: &Listener) -> i32 {
    let own = listener.backlog.unwrap_or(0);
    let said = [own, proxy.backlog, listener.maxconn, proxy.maxconn];
    let backlog = said.into_iter().find(|n| *n != 0).unwrap_or(2000);
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
    if let (Some(only), ListenAddress::Tcp { ip, .. }) = (listener.v6only, &listener.address)
        && ip.is_ipv6()
    {
        socket.set_only_v6(only)?;
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
    // A zero takes back what an earlier plan has said.
    let patience = listener.tcp_user_timeout.unwrap_or_default();
    let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(socket, patience)?;
    let early = if listener.fast_open {
        backlog(proxy, listener)
    } else {
        0
    };
    match set_tcp_option(socket, nix::libc::TCP_FASTOPEN, early) {
        // A system without it can do without it, unless it is asked for.
        Err(error) if early != 0 => return Err(error),
        _ => {}
    }
    let deferred = if listener.defer_accept {
        DEFERRED_SECONDS
    } else {
        0
    };
    set_tcp_option(socket, nix::libc::TCP_DEFER_ACCEPT, deferred)
}

/// How long the system keeps a connection to itself on which nothing comes, as HAProxy has it.
const DEFERRED_SECONDS: nix::libc::c_int = 1;

/// Sets one of the options that are an integer.
#[allow(
    unsafe_code,
    reason = "none of the crates that wrap socket options knows these two"
)]
fn set_tcp_option(
    socket: &Socket,
    option: nix::libc::c_int,
    value: nix::libc::c_int,
) -> io::Result<()> {
    let size = size_of_val(&value) as nix::libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the option is an
    // integer that the call only reads.
    let result = unsafe {
        nix::libc::setsockopt(
            socket.as_raw_fd(),
            nix::libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size,
        )
    };
    Ok(nix::errno::Errno::result(result).map(drop)?)
}

/// Binds under another name and renames, so that the file in place is at every moment one that
/// somebody listens on.
fn open_unix(path: &Path, file: SocketFile, backlog: i32) -> Result<OwnedFd, ListenError> {
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
        .and_then(|()| own(new, file))
        .and_then(|()| std::fs::rename(new, path));
    if let Err(cause) = listening {
        let _ = std::fs::remove_file(new);
        return Err(failed("listen on", &shown)(cause));
    }
    Ok(socket.into())
}

/// What is not said is as the system makes it. What is right already is left alone: a process that has
/// given up its privileges may not touch it.
fn own(path: &Path, file: SocketFile) -> io::Result<()> {
    let is = std::fs::metadata(path)?;
    let mode = file.mode.map(|mode| mode & 0o7777);
    if let Some(mode) = mode.filter(|mode| is.mode() & 0o7777 != *mode) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let uid = file.uid.filter(|uid| is.uid() != *uid);
    let gid = file.gid.filter(|gid| is.gid() != *gid);
    if uid.is_some() || gid.is_some() {
        std::os::unix::fs::chown(path, uid, gid)?;
    }
    Ok(())
}

/// A name without a file: nobody else may hold it.
fn open_abstract(address: &UnixAddress, backlog: i32) -> Result<OwnedFd, ListenError> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
        .map_err(failed("create a socket for", address))?;
    let bound = socket.set_nonblocking(true).and_then(|()| {
        let name = super::target::name(address)?;
        Ok(rustix::net::bind(&socket, &name)?)
    });
    bound.map_err(failed("bind", address))?;
    socket
        .listen(backlog)
        .map_err(failed("listen on", address))?;
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
            defer_accept,
            ..Listener::new(ListenAddress::Tcp {
                ip: Ipv4Addr::LOCALHOST.into(),
                port: 0,
            })
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
