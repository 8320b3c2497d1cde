//! A stream socket that is registered with the poller only when it must wait.
//!
//! Most system calls of a short connection succeed at once: the request is there when the
//! connection is accepted, the send to a server works right after `connect` although that said
//! "in progress". So a call is tried first, and only one that would block registers the socket.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, Waker, ready};

use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::poller;

/// A connected, or connecting, non-blocking stream socket.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: Inner,
    /// The last receive took all there was: another one would only say that it would block.
    drained: bool,
}

#[derive(Debug)]
enum Inner {
    /// Not known to the poller.
    Bare(OwnedFd),
    /// Registered for both directions, edge-triggered.
    Registered(AsyncFd<OwnedFd>),
    /// Only while one becomes the other.
    Moving,
}

impl Socket {
    /// Wraps a non-blocking socket.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            inner: Inner::Bare(fd),
            drained: false,
        }
    }

    /// The descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match &self.inner {
            Inner::Bare(fd) => fd.as_fd(),
            Inner::Registered(fd) => fd.get_ref().as_fd(),
            Inner::Moving => unreachable!("the state is replaced before anybody can look"),
        }
    }

    fn register(&mut self) -> io::Result<&AsyncFd<OwnedFd>> {
        if let Inner::Bare(_) = self.inner {
            let Inner::Bare(fd) = std::mem::replace(&mut self.inner, Inner::Moving) else {
                unreachable!("just matched");
            };
            match poller::register(fd, Interest::READABLE.add(Interest::WRITABLE)) {
                Ok(registered) => self.inner = Inner::Registered(registered),
                Err(error) => {
                    let (fd, cause) = error.into_parts();
                    self.inner = Inner::Bare(fd);
                    return Err(cause);
                }
            }
        }
        match &self.inner {
            Inner::Registered(fd) => Ok(fd),
            _ => Err(io::Error::other("socket is not registered")),
        }
    }

    /// Receives into `room`; 0 is the end of the stream. `room` must not be empty.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Inner::Bare(fd) = &self.inner {
            if !self.drained {
                match net::recv(fd, &mut *room, RecvFlags::empty()) {
                    Ok((_, n)) => {
                        self.drained = n > 0 && n < room.len();
                        return Poll::Ready(Ok(n));
                    }
                    Err(Errno::AGAIN) => {}
                    Err(Errno::INTR) => return self.poll_recv(cx, room),
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
            self.register()?;
        }
        let Inner::Registered(fd) = &self.inner else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            let mut guard = ready!(fd.poll_read_ready(cx))?;
            match net::recv(fd.get_ref(), &mut *room, RecvFlags::empty()) {
                Ok((_, n)) => {
                    if n > 0 && n < room.len() {
                        guard.clear_ready();
                    } else {
                        guard.retain_ready();
                    }
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => guard.retain_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Sends from two slices, in order. `more` says that more will follow at once.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        if let Inner::Bare(fd) = &self.inner {
            match send(fd.as_fd(), first, second, more) {
                Err(Errno::AGAIN) => {}
                Err(Errno::INTR) => return self.poll_send(cx, first, second, more),
                result => return Poll::Ready(result.map_err(Into::into)),
            }
            self.register()?;
        }
        let Inner::Registered(fd) = &self.inner else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            let mut guard = ready!(fd.poll_write_ready(cx))?;
            match send(fd.get_ref().as_fd(), first, second, more) {
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => guard.retain_ready(),
                result => {
                    guard.retain_ready();
                    return Poll::Ready(result.map_err(Into::into));
                }
            }
        }
    }

    /// Waits until a send would not block: how the end of a `connect` is known.
    pub(crate) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let fd = self.register()?;
        let mut guard = ready!(fd.poll_write_ready(cx))?;
        guard.retain_ready();
        Poll::Ready(Ok(()))
    }

    /// The pending error of the socket, cleared.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        match net::sockopt::socket_error(self.fd()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(error.into()),
        }
    }

    /// What a peer that nobody reads from has done, without taking anything: `Ready` when it has
    /// ended its stream (`Ok`) or the connection is broken (`Err`).
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let fd = self.register()?;
        let mut guard = ready!(fd.poll_read_ready(cx))?;
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match net::recv(fd.get_ref(), &mut byte, flags) {
            Ok((_, 0)) => {
                guard.retain_ready();
                Poll::Ready(Ok(()))
            }
            // What waits there is for the next request; its readiness must not be lost.
            Ok(_) => {
                guard.retain_ready();
                Poll::Pending
            }
            Err(Errno::AGAIN | Errno::INTR) => {
                guard.clear_ready();
                fd.poll_read_ready(cx).map(|_| Ok(()))
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// Whether the peer has ended its stream and everything before was read.
    pub(crate) fn has_ended(&self) -> bool {
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(net::recv(self.fd(), &mut byte, flags), Ok((_, 0)))
    }

    /// Whether the connection is idle and open: nothing to read and no end of stream. The poller
    /// knows it of a registered socket without a system call.
    pub(crate) fn is_quiet(&self) -> bool {
        if let Inner::Registered(fd) = &self.inner
            && fd
                .poll_read_ready(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        {
            return true;
        }
        let mut byte = [0];
        matches!(
            net::recv(self.fd(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT),
            Err(Errno::AGAIN)
        )
    }

    /// Sends a FIN; receiving goes on.
    pub(crate) fn shutdown_write(&self) {
        // The peer may be gone already, which comes to the same.
        let _ = net::shutdown(self.fd(), Shutdown::Write);
    }

    /// Makes the close that follows send a RST and leave no TIME_WAIT behind.
    pub(crate) fn reset_on_close(&self) {
        let _ = net::sockopt::set_socket_linger(self.fd(), Some(std::time::Duration::ZERO));
    }

    /// Receives and drops what is waiting, so that a close sends a FIN and not a RST which would
    /// take what the peer has not yet read with it. Bounded: a peer that keeps sending gets its
    /// RST.
    pub(crate) fn drain(&self) {
        let mut scratch = [0; 4096];
        for _ in 0..4 {
            match net::recv(self.fd(), &mut scratch, RecvFlags::DONTWAIT) {
                Ok((_, n)) if n == scratch.len() => {}
                _ => return,
            }
        }
    }

    /// Turns Nagle's algorithm off.
    pub(crate) fn set_nodelay(&self) {
        let _ = net::sockopt::set_tcp_nodelay(self.fd(), true);
    }

    /// The address that the peer connected to.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        let address = net::getsockname(self.fd()).ok()?;
        SocketAddr::try_from(address).ok()
    }
}

fn send(fd: BorrowedFd<'_>, first: &[u8], second: &[u8], more: bool) -> Result<usize, Errno> {
    let mut flags = SendFlags::NOSIGNAL;
    if more {
        flags |= SendFlags::MORE;
    }
    if second.is_empty() {
        net::send(fd, first, flags)
    } else if first.is_empty() {
        net::send(fd, second, flags)
    } else {
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        net::sendmsg(fd, &slices, &mut SendAncillaryBuffer::default(), flags)
    }
}
