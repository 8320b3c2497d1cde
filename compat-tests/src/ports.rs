//! Ports that are free at the moment.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

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

/// Sockets that only have to exist, for as long as this does.
#[derive(Debug, Default)]
pub(crate) struct Held(pub(crate) Vec<Socket>);

impl Held {
    /// A port that is bound and refuses connections.
    pub(crate) fn hold(&mut self) -> io::Result<u16> {
        let (socket, port) = bound()?;
        self.0.push(socket);
        Ok(port)
    }

    /// A listener whose queue is full: connections to it are neither accepted nor refused.
    pub(crate) fn hang(&mut self) -> io::Result<u16> {
        let (socket, port) = bound()?;
        socket.listen(0)?;
        self.0.push(socket);
        for _ in 0..HANGING_CONNECTIONS {
            let filler = tcp_socket()?;
            filler.set_nonblocking(true)?;
            // Connects in the background, or waits for ever: both fill the queue.
            let _ = filler.connect(&loopback(port));
            self.0.push(filler);
        }
        Ok(port)
    }
}

/// Where a proxy may send its log lines, with room for those of a whole run.
pub(crate) fn log_socket() -> io::Result<(UdpSocket, u16)> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(LOG_BUFFER)?;
    socket.bind(&loopback(0))?;
    socket.set_nonblocking(true)?;
    let socket: UdpSocket = socket.into();
    let port = socket.local_addr()?.port();
    Ok((socket, port))
}

pub(crate) fn tcp_socket() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, None)
}

pub(crate) fn loopback(port: u16) -> SockAddr {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()
}

const PORT_RANGE: std::ops::RangeInclusive<u16> = 10_000..=31_999;
const PORT_TRIES: usize = 5_000;
const HANGING_CONNECTIONS: usize = 3;
const LOG_BUFFER: usize = 1 << 20;
