//! Sockets whose connection to a server has ended with a RST, to be connected again.
//!
//! Where connections to servers are not kept, every request makes a socket and closes one, which
//! costs more than connecting it. Linux can take a socket back: connecting it to nowhere sends
//! the same RST as a close without lingering does, and leaves a socket as good as new, options
//! and registration with the poller included.
//!
//! A socket goes back to the server that it came from and to no other: its next sequence number
//! follows from the last, which nobody else should know.

use std::cell::RefCell;
use std::net::SocketAddr;

use super::socket::Socket;

/// Spare sockets of one worker.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    kept: RefCell<Vec<(SocketAddr, Socket)>>,
}

/// Most that a worker keeps: what one round of its poller may give back.
const KEPT: usize = 128;

impl Spares {
    /// A socket that can be connected to that address.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<Socket> {
        let mut kept = self.kept.borrow_mut();
        let index = kept.iter().rposition(|(to, _)| *to == address)?;
        let (_, mut socket) = kept.swap_remove(index);
        socket.renew();
        Some(socket)
    }

    /// Ends a connection to that address with a RST, and keeps the socket.
    pub(crate) fn keep(&self, address: SocketAddr, mut socket: Socket) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT && socket.disconnect() {
            // Who waited for the last connection is let go now.
            socket.renew();
            kept.push((address, socket));
        } else {
            socket.reset_on_close();
        }
    }

    /// Closes all of them: descriptors have run out.
    pub(crate) fn clear(&self) {
        self.kept.borrow_mut().clear();
    }
}
