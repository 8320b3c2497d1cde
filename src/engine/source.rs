//! Where connections to servers come from: `source`, of a backend or of one server. Manual 1.4,
//! section 4.2 "source" and section 5 "source".

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use socket2::SockRef;

use crate::plan::{Source, TransparentSource};

/// What `usesrc` may take from the session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    /// The client.
    pub(crate) client: Option<SocketAddr>,
    /// The address in the header that the plan names.
    pub(crate) header: Option<Ipv4Addr>,
}

/// How many ports of a range are tried for one connection.
const TRIES: u32 = 1024;

thread_local! {
    /// Where the search for a port goes on: neighbours in time get neighbours in number.
    static TURN: Cell<u32> = const { Cell::new(0) };
}

/// Gives a socket that is not connected yet its own end.
///
/// # Errors
/// When an address is not one of this machine, no port is free, or the privilege is missing that
/// `usesrc` needs.
pub(crate) fn bind(socket: BorrowedFd<'_>, source: &Source, origin: Origin) -> io::Result<()> {
    let options = SockRef::from(&socket);
    if let Some(interface) = &source.interface {
        // Without the privilege, or the interface, the system chooses one, as it does for HAProxy.
        let _ = options.bind_device(Some(interface.as_bytes()));
    }
    let foreign = source.transparent.as_ref().and_then(|what| match what {
        TransparentSource::Client => origin.client,
        TransparentSource::ClientIp => origin.client.map(|client| SocketAddr::new(client.ip(), 0)),
        TransparentSource::Header { .. } => origin.header.map(|ip| SocketAddr::new(ip.into(), 0)),
        TransparentSource::Address(address) => Some(*address),
    });
    if let Some(foreign) = foreign {
        options.set_reuse_address(true)?;
        // One flag for both families, whatever its name says.
        options.set_ip_transparent_v4(true)?;
        if foreign.port() == 0 {
            choose_port_later(socket);
        }
        return Ok(rustix::net::bind(socket, &foreign)?);
    }
    let Some(ip) = source.ip else {
        return Ok(());
    };
    match source.ports {
        None => {
            choose_port_later(socket);
            Ok(rustix::net::bind(socket, &SocketAddr::new(ip, 0))?)
        }
        Some((low, high)) => {
            options.set_reuse_address(true)?;
            bind_in_range(socket, ip, low, high)
        }
    }
}

/// The port is chosen by `connect`, which knows the other end: many more connections are possible
/// from one address so.
fn choose_port_later(socket: BorrowedFd<'_>) {
    // Old kernels do not know it, and choose now.
    let _ = setsockopt(&socket, sockopt::IpBindAddressNoPort, &true);
}

fn bind_in_range(socket: BorrowedFd<'_>, ip: IpAddr, low: u16, high: u16) -> io::Result<()> {
    let count = u32::from(high.saturating_sub(low)) + 1;
    for _ in 0..count.min(TRIES) {
        let turn = TURN.get();
        TURN.set(turn.wrapping_add(1));
        let port = u32::from(low) + turn % count;
        let address = SocketAddr::new(ip, u16::try_from(port).unwrap_or(high));
        match rustix::net::bind(socket, &address) {
            Err(Errno::ADDRINUSE) => {}
            other => return Ok(other?),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn source(ip: Option<[u8; 4]>, ports: Option<(u16, u16)>) -> Source {
        Source {
            ip: ip.map(IpAddr::from),
            ports,
            interface: None,
            transparent: None,
        }
    }

    fn bound(source: &Source) -> io::Result<SocketAddr> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        bind(socket.as_fd(), source, Origin::default())?;
        socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::ErrorKind::Other.into())
    }

    #[test]
    fn addresses_and_ranges() {
        assert_eq!(
            bound(&source(Some([127, 0, 0, 5]), None)).unwrap().ip(),
            IpAddr::from([127, 0, 0, 5])
        );
        let of_range = bound(&source(Some([127, 0, 0, 5]), Some((20_000, 20_003)))).unwrap();
        assert!((20_000..=20_003).contains(&of_range.port()), "{of_range}");
        assert!(bound(&source(Some([192, 0, 2, 1]), None)).is_err());
        assert!(bound(&source(None, None)).unwrap().ip().is_unspecified());
    }
}
