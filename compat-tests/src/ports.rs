//! Ports that are free at the moment.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, SockAddr, Socket, Type};

/// A port below the ephemeral range that nobody has bound.
///
/// A process comes by all of them before one is given for the second time: who asks for many before
/// any is bound would have two that are equal by chance, and a proxy binds both.
pub fn free_port() -> io::Result<u16> {
    static START: LazyLock<u32> = LazyLock::new(|| fastrand::u32(..PORTS));
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORT_TRIES {
        let turn = GIVEN.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = nth_port(*START, turn);
        if tcp_socket()?.bind(&loopback(port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// The port of that turn, fewer than [`PORTS`], when the turns begin at `start`.
fn nth_port(start: u32, turn: u32) -> u16 {
    FIRST_PORT + ((start + turn * STEP) % PORTS) as u16
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

const FIRST_PORT: u16 = 10_000;
const PORTS: u32 = 22_000;
/// Has no divisor in common with [`PORTS`], and is large, so that neighbours in time are none in
/// number: another process that walks beside this one does not meet it at every step.
const STEP: u32 = 7_919;
const PORT_TRIES: usize = 5_000;
const HANGING_CONNECTIONS: usize = 3;
const LOG_BUFFER: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_comes_twice_before_all_have_come() {
        let mut ports: Vec<u16> = (0..PORTS).map(|turn| nth_port(PORTS - 1, turn)).collect();
        ports.sort_unstable();
        let all: Vec<u16> = (0..PORTS).map(|port| FIRST_PORT + port as u16).collect();
        assert_eq!(ports, all);
    }
}
