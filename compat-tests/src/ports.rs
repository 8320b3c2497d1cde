//! Ports that are free at the moment.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, SockAddr, Socket, Type};

/// A port below the ephemeral range that nobody has bound.
pub fn free_port() -> io::Result<u16> {
    for _ in 0..PORT_TRIES {
        let port = fastrand::u16(PORT_RANGE);
        if tcp_socket()?.bind(&loopback(port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// A socket bound to such a port; another socket that also sets `SO_REUSEADDR` can bind it too.
pub(crate) fn bound() -> io::Result<(Socket, u16)> {
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        let socket = tcp_socket()?;
        socket.set_reuse_address(true)?;
        if socket.bind(&loopback(port)).is_ok() {
            return Ok((socket, port));
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

pub(crate) fn tcp_socket() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, None)
}

pub(crate) fn loopback(port: u16) -> SockAddr {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()
}

const PORT_RANGE: std::ops::RangeInclusive<u16> = 10_000..=31_999;
const PORT_TRIES: usize = 5_000;
