//! What a change of plan means for listening sockets: a pure comparison, then opening what is new.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use crate::plan::{ListenAddress, Listener, Proxy};

/// What makes two `bind` lines the same socket. A socket whose key is unchanged is never closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListenerKey {
    address: ListenAddress,
    interface: Option<String>,
    transparent: bool,
}

impl ListenerKey {
    /// The key of a listener.
    pub(crate) fn of(listener: &Listener) -> Self {
        Self {
            address: listener.address.clone(),
            interface: listener.interface.clone(),
            transparent: listener.transparent,
        }
    }
}

/// Which sockets to open and which to close.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListenerChange {
    /// In the new plan only.
    pub(crate) open: Vec<ListenerKey>,
    /// In the old plan only.
    pub(crate) close: Vec<ListenerKey>,
}

/// Compares the listening sockets that are there with those that are wanted.
pub(crate) fn compare<'a>(
    present: impl IntoIterator<Item = &'a ListenerKey>,
    wanted: impl IntoIterator<Item = &'a ListenerKey>,
) -> ListenerChange {
    let present: Vec<&ListenerKey> = present.into_iter().collect();
    let wanted: Vec<&ListenerKey> = wanted.into_iter().collect();
    let without = |from: &[&ListenerKey], what: &[&ListenerKey]| {
        from.iter()
            .filter(|key| !what.contains(key))
            .map(|key| (*key).clone())
            .collect()
    };
    ListenerChange {
        open: without(&wanted, &present),
        close: without(&present, &wanted),
    }
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {address}: {cause}")]
pub struct ListenError {
    step: &'static str,
    address: String,
    cause: io::Error,
}

/// Opens and binds one socket for every worker, all of them before any listens.
pub(crate) fn open(
    proxy: &Proxy,
    listener: &Listener,
    workers: usize,
) -> Result<Vec<OwnedFd>, ListenError> {
    let address = match &listener.address {
        ListenAddress::Tcp { ip, port } => SocketAddr::new(*ip, *port),
        ListenAddress::Unix(path) => {
            return Err(ListenError {
                step: "listen on",
                address: path.display().to_string(),
                cause: io::ErrorKind::Unsupported.into(),
            });
        }
    };
    let fail = |step: &'static str| {
        move |cause: io::Error| ListenError {
            step,
            address: address.to_string(),
            cause,
        }
    };
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )
        .map_err(fail("create a socket for"))?;
        prepare(&socket, listener).map_err(fail("set the options of"))?;
        socket.bind(&address.into()).map_err(fail("bind"))?;
        sockets.push(socket);
    }
    let backlog = if proxy.backlog != 0 {
        proxy.backlog
    } else if proxy.maxconn != 0 {
        proxy.maxconn
    } else {
        2000
    };
    for socket in &sockets {
        socket
            .listen(i32::try_from(backlog).unwrap_or(i32::MAX))
            .map_err(fail("listen on"))?;
    }
    Ok(sockets.into_iter().map(OwnedFd::from).collect())
}

fn prepare(socket: &Socket, listener: &Listener) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit it, which saves a call for each connection.
    socket.set_tcp_nodelay(true)?;
    if let Some(interface) = &listener.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if let Some(mss) = listener.mss {
        socket.set_tcp_mss(u32::from(mss))?;
    }
    if listener.transparent {
        socket.set_ip_transparent_v4(true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> ListenerKey {
        let ip = [127, 0, 0, 1].into();
        ListenerKey {
            address: ListenAddress::Tcp { ip, port },
            interface: None,
            transparent: false,
        }
    }

    #[test]
    fn only_what_changed_is_opened_and_closed() {
        let change = compare([&key(1), &key(2)], [&key(2), &key(3)]);
        assert_eq!(
            change,
            ListenerChange {
                open: vec![key(3)],
                close: vec![key(1)]
            }
        );
    }
}
