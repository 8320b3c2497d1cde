//! A stream socket that is registered with the poller only when it must wait.
//!
//! Most system calls of a short connection succeed at once: the request is there when the
//! connection is accepted, the send to a server works right after `connect` although that said
//! "in progress". So a call is tried first, and only one that would block registers the socket.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use rustix::pipe::{SpliceFlags, splice};

use super::poller::{self, Direction, Watch};
use super::splice::Pipe;

/// A connected, or connecting, non-blocking stream socket.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Shared with the poller, which may send and receive for it.
    fd: Rc<OwnedFd>,
    /// Its place in the poller, once it has had to wait.
    watch: Option<Watch>,
    /// The next receive would only say that it would block: the last one took all there was, or
    /// the peer was just asked.
    drained: bool,
    /// The last send took nothing: the next waits for the poller.
    full: bool,
    /// A receive waits for a round of the poller before it is tried.
    patient: bool,
    /// The last receive has brought more than the poller receives for a task.
    streams: bool,
}

/// Why nothing went into a pipe.
#[derive(Debug)]
pub(crate) enum SpliceError {
    /// The system cannot do that with this socket.
    Unsupported,
    /// The connection is broken.
    Broken,
}

const SPLICE: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

impl Drop for Socket {
    fn drop(&mut self) {
        // To close a socket with something unread resets the connection, wherever that is.
        if self.watch.as_ref().is_some_and(Watch::forget) {
            let _ = net::sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
        }
    }
}

impl Socket {
    /// Wraps a non-blocking socket.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            fd: Rc::new(fd),
            watch: None,
            drained: false,
            full: false,
            patient: false,
            streams: false,
        }
    }

    /// The descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Says that the peer has to be asked something before it will say anything.
    pub(crate) fn expect_answer(&mut self) {
        self.patient = true;
    }

    /// Receives into `room`; 0 is the end of the stream. `room` must not be empty.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_to_recv(cx))?;
            if let Some(n) = self.try_recv(room)? {
                return Poll::Ready(Ok(n));
            }
        }
    }

    /// Ready when a receive is worth a try. To be asked before room is made: most receives have to
    /// wait first.
    pub(crate) fn poll_to_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watch.is_none() {
            if std::mem::take(&mut self.patient) {
                if poller::later(cx) {
                    return Poll::Pending;
                }
                self.drained = true;
            }
            if !self.drained {
                return Poll::Ready(Ok(()));
            }
        }
        let watch = watch(&mut self.watch, &self.fd, Direction::Read)?;
        // Of a stream the poller would take the first part, and leave the task as much to do.
        watch.poll_arrival(cx, &*self.fd, !self.streams)
    }

    /// Receives what is there into `room`, which must not be empty; 0 is the end of the stream.
    /// `None` when nothing is there: then [`Socket::poll_to_recv`] is to be asked again.
    pub(crate) fn try_recv(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let mut held = 0;
        if let Some(watch) = &self.watch
            && let Some(taken) = watch.arrived(room)?
        {
            held = taken.len;
            if !taken.more || held == room.len() {
                return Ok(Some(held));
            }
        }
        let room = &mut room[held..];
        loop {
            match net::recv(&self.fd, &mut *room, RecvFlags::empty()) {
                Ok((_, n)) => {
                    let drained = n > 0 && n < room.len();
                    match &self.watch {
                        Some(watch) if drained => watch.drained(),
                        Some(_) => {}
                        None => self.drained = drained,
                    }
                    self.streams = held + n > poller::AHEAD;
                    return Ok(Some(held + n));
                }
                Err(Errno::AGAIN) => {
                    match &self.watch {
                        Some(watch) => watch.blocked(Direction::Read),
                        None => self.drained = true,
                    }
                    return Ok((held > 0).then_some(held));
                }
                Err(Errno::INTR) => {}
                Err(error) => match &self.watch {
                    Some(watch) if held > 0 => {
                        watch.fail(error);
                        return Ok(Some(held));
                    }
                    _ => return Err(error.into()),
                },
            }
        }
    }

    /// Sends from two slices, in order, or leaves that to the next round of the poller. `more` says
    /// that more will follow at once.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        if let Some(watch) = &self.watch
            && !more
            && !self.full
        {
            if ready!(watch.poll_post(cx, first, second))? {
                return Poll::Ready(Ok(first.len() + second.len()));
            }
        } else if !self.poll_posted(cx) {
            return Poll::Pending;
        }
        self.poll_send_now(cx, first, second, more)
    }

    /// Sends from two slices, in order, so that it is known at once whether that works. `more` says
    /// that more will follow at once.
    pub(crate) fn poll_send_now(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.full {
                ready!(self.poll_writable(cx))?;
            }
            match send(self.fd.as_fd(), first, second, more) {
                Err(Errno::AGAIN) => {
                    self.full = true;
                    let watch = watch(&mut self.watch, &self.fd, Direction::Write)?;
                    watch.blocked(Direction::Write);
                }
                Err(Errno::INTR) => {}
                result => return Poll::Ready(result.map_err(Into::into)),
            }
        }
    }

    /// Moves up to `wanted` bytes from the socket into a pipe; 0 is the end of the stream. Pending
    /// as well when the pipe has no room: then it is who empties it that goes on.
    pub(crate) fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        wanted: usize,
    ) -> Poll<Result<usize, SpliceError>> {
        let watch =
            watch(&mut self.watch, &self.fd, Direction::Read).map_err(|_| SpliceError::Broken)?;
        loop {
            ready!(watch.poll_ready(cx, &*self.fd, Direction::Read))
                .map_err(|_| SpliceError::Broken)?;
            match splice(&self.fd, None, pipe.entry(), None, wanted, SPLICE) {
                Ok(n) => {
                    pipe.held += n;
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::AGAIN) if pipe.held > 0 => return Poll::Pending,
                Err(Errno::AGAIN) => watch.blocked(Direction::Read),
                Err(Errno::INTR) => {}
                Err(Errno::INVAL | Errno::NOSYS) => {
                    return Poll::Ready(Err(SpliceError::Unsupported));
                }
                Err(_) => return Poll::Ready(Err(SpliceError::Broken)),
            }
        }
    }

    /// Has what was posted leave. `false` when it waits for the kernel.
    fn poll_posted(&self, cx: &Context<'_>) -> bool {
        self.watch
            .as_ref()
            .is_none_or(|watch| watch.poll_posted(cx))
    }

    /// Moves what is in a pipe to the socket.
    pub(crate) fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<io::Result<usize>> {
        if !self.poll_posted(cx) {
            return Poll::Pending;
        }
        loop {
            if self.full {
                ready!(self.poll_writable(cx))?;
            }
            match splice(pipe.exit(), None, &self.fd, None, pipe.held, SPLICE) {
                Ok(n) => {
                    pipe.held -= n.min(pipe.held);
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::AGAIN) => {
                    self.full = true;
                    let watch = watch(&mut self.watch, &self.fd, Direction::Write)?;
                    watch.blocked(Direction::Write);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Waits until a send would not block: how the end of a `connect` is known.
    pub(crate) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watch = watch(&mut self.watch, &self.fd, Direction::Write)?;
        ready!(watch.poll_ready(cx, &*self.fd, Direction::Write))?;
        self.full = false;
        Poll::Ready(Ok(()))
    }

    /// The pending error of the socket, cleared.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        if let Some(error) = self.watch.as_ref().and_then(Watch::take_failure) {
            return Err(error);
        }
        match net::sockopt::socket_error(&self.fd) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(error.into()),
        }
    }

    /// What a peer that nobody reads from has done, without taking anything: `Ready` when it has
    /// ended its stream (`Ok`), whatever waits before its end, or the connection is broken (`Err`).
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watch = watch(&mut self.watch, &self.fd, Direction::Read)?;
        loop {
            ready!(watch.poll_ready(cx, &*self.fd, Direction::Read))?;
            match peek(&self.fd, Some(watch)) {
                Ok(0) => return Poll::Ready(Ok(())),
                // What waits there is for the next request; its readiness must not be lost.
                Ok(_) if watch.has_ended() => return Poll::Ready(Ok(())),
                Ok(_) => {
                    watch.await_news(cx);
                    return Poll::Pending;
                }
                Err(Errno::AGAIN | Errno::INTR) => watch.blocked(Direction::Read),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// `Ready` when a peer that has ended its stream has reset the connection. The end of its stream
    /// can still be received.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let watch = match watch(&mut self.watch, &self.fd, Direction::Read) {
            Ok(watch) => watch,
            Err(error) => return Poll::Ready(error),
        };
        watch.await_news(cx);
        self.take_error().err().map_or(Poll::Pending, Poll::Ready)
    }

    /// Receives without taking anything away; 0 is the end of the stream.
    pub(crate) fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let watch = watch(&mut self.watch, &self.fd, Direction::Read)?;
        loop {
            ready!(watch.poll_ready(cx, &*self.fd, Direction::Read))?;
            match net::recv(&self.fd, &mut *room, RecvFlags::PEEK) {
                Ok((_, n)) => return Poll::Ready(Ok(n)),
                Err(Errno::AGAIN) => watch.blocked(Direction::Read),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Takes what was seen before.
    pub(crate) fn take(&self, room: &mut [u8]) -> io::Result<usize> {
        Ok(net::recv(&self.fd, room, RecvFlags::DONTWAIT).map(|(_, n)| n)?)
    }

    /// Whether bytes were received already that nobody has taken.
    pub(crate) fn has_arrived(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::has_arrived)
    }

    /// Whether the peer has ended its stream, whatever waits before its end.
    pub(crate) fn has_left(&self) -> bool {
        let mut polled = [PollFd::new(&self.fd, PollFlags::RDHUP)];
        let now = Timespec::default();
        rustix::event::poll(&mut polled, Some(&now)).is_ok_and(|n| n > 0)
    }

    /// Whether the connection is idle and open: nothing to read and no end of stream. The poller
    /// knows it of a registered socket without a system call.
    pub(crate) fn is_quiet(&self) -> bool {
        let known = self
            .watch
            .as_ref()
            .is_some_and(|watch| !watch.is_ready(Direction::Read));
        known || matches!(peek(&self.fd, self.watch.as_ref()), Err(Errno::AGAIN))
    }

    /// Lets the poller look after a connection that nobody waits for. `false` when it cannot be
    /// watched, or is not quiet.
    pub(crate) fn rest(&mut self) -> bool {
        let Ok(watch) = watch(&mut self.watch, &self.fd, Direction::Read) else {
            return false;
        };
        watch.release();
        !watch.is_ready(Direction::Read)
    }

    /// Sends a FIN; receiving goes on.
    pub(crate) fn shutdown_write(&self) {
        if self.watch.as_ref().is_some_and(Watch::end) {
            return;
        }
        // The peer may be gone already, which comes to the same.
        let _ = net::shutdown(self.fd(), Shutdown::Write);
    }

    /// Makes the close that follows send a RST and leave no TIME_WAIT behind.
    pub(crate) fn reset_on_close(&self) {
        if let Some(watch) = &self.watch {
            watch.abandon();
        }
        let _ = net::sockopt::set_socket_linger(self.fd(), Some(Duration::ZERO));
    }

    /// Ends the connection with a RST; the socket can be connected again. `false` when the system
    /// does not know how to.
    pub(crate) fn disconnect(&mut self) -> bool {
        if let Some(watch) = &self.watch {
            watch.abandon();
        }
        net::connect_unspec(&self.fd).is_ok()
    }

    /// Forgets what was found out about the last connection.
    pub(crate) fn renew(&mut self) {
        self.drained = false;
        self.full = false;
        self.patient = false;
        self.streams = false;
        if let Some(watch) = &self.watch {
            watch.renew();
        }
    }

    /// Turns Nagle's algorithm off.
    pub(crate) fn set_nodelay(&self) {
        let _ = net::sockopt::set_tcp_nodelay(self.fd(), true);
    }

    /// Sets how much the system keeps of what has come, and of what is to go, in bytes. Zero leaves
    /// it to the system, which also has the last word on the others.
    pub(crate) fn set_buffers(&self, received: Option<u32>, sent: Option<u32>) {
        if let Some(size) = sent.filter(|size| *size != 0) {
            let _ = net::sockopt::set_socket_send_buffer_size(self.fd(), size as usize);
        }
        if let Some(size) = received.filter(|size| *size != 0) {
            let _ = net::sockopt::set_socket_recv_buffer_size(self.fd(), size as usize);
        }
    }

    /// Acknowledges what has come at once, and what comes next: a peer that sends a message in
    /// pieces may wait for that (Nagle's algorithm), for as long as the system would delay it.
    pub(crate) fn acknowledge(&self) {
        // Only a matter of time.
        let _ = net::sockopt::set_tcp_quickack(self.fd(), true);
    }

    /// The address that the peer connected to.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        let address = net::getsockname(self.fd()).ok()?;
        SocketAddr::try_from(address).ok()
    }
}

/// The socket's place in the poller, which it gets when it has to wait for the first time.
#[inline]
fn watch<'a>(
    place: &'a mut Option<Watch>,
    fd: &Rc<OwnedFd>,
    direction: Direction,
) -> io::Result<&'a Watch> {
    match place {
        Some(watch) => Ok(watch),
        None => Ok(place.insert(Watch::stream(fd, direction)?)),
    }
}

/// How many bytes could be received, as far as one tells: 0 is the end of the stream.
fn peek(fd: &OwnedFd, watch: Option<&Watch>) -> Result<usize, Errno> {
    if watch.is_some_and(Watch::has_arrived) {
        return Ok(1);
    }
    let mut byte = [0];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    net::recv(fd, &mut byte, flags).map(|(_, n)| n)
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
