//! One side of a session: a socket, what has come and gone there, and how it ends.

use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::buffer::Buffer;
use super::socket::{Socket, SpliceError};
use super::splice::Pipe;
use super::worker::Worker;

/// How a side of a session ends when there is nothing more to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// With a FIN.
    Fin,
    /// With a FIN, and with a RST when it is closed before the peer has sent a FIN too.
    FinThenReset,
    /// With a RST.
    Reset,
    /// With a RST, or with a FIN when the peer has sent one.
    ResetUnlessLeft,
}

impl Farewell {
    /// `option nolinger`, which 1.4 does not do in the same way to clients and servers.
    pub(crate) fn new(nolinger: bool, v1_4: bool, client: bool) -> Self {
        match (nolinger, v1_4, client) {
            (false, _, _) => Self::Fin,
            (true, true, true) => Self::FinThenReset,
            (true, true, false) => Self::Reset,
            (true, false, _) => Self::ResetUnlessLeft,
        }
    }
}

/// This socket is none that the system can splice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unspliceable;

/// How far a side has ended: one way, the other, by force, unnoticed.
pub(crate) type Ends = [bool; 4];

/// One side of a session: a socket and what is known about it.
#[derive(Debug)]
pub(crate) struct Side {
    /// The socket.
    pub(crate) socket: Socket,
    /// When bytes last moved here: inactivity timeouts count from then.
    pub(crate) active: Instant,
    /// When bytes last came from here: with `option independant-streams` they count from then.
    pub(crate) received: Instant,
    /// How it ends when there is nothing more to send.
    pub(crate) farewell: Farewell,
    /// The peer has sent its FIN, or the connection is broken.
    pub(crate) read_closed: bool,
    /// A FIN was sent, or the connection is broken.
    pub(crate) write_closed: bool,
    /// The connection is broken.
    pub(crate) broken: bool,
    /// Nothing is read any more because nothing came for too long.
    pub(crate) expired: bool,
    /// The peer has sent its FIN, but nobody has read up to it.
    pub(crate) left: bool,
    /// Bytes that have come and are not counted yet.
    pub(crate) taken: u64,
}

impl Side {
    /// A side on which nothing has happened.
    pub(crate) fn new(socket: Socket, now: Instant) -> Self {
        Self {
            socket,
            active: now,
            received: now,
            farewell: Farewell::Fin,
            read_closed: false,
            write_closed: false,
            broken: false,
            left: false,
            expired: false,
            taken: 0,
        }
    }

    /// How far it has ended.
    pub(crate) fn ends(&self) -> Ends {
        [self.read_closed, self.write_closed, self.broken, self.left]
    }

    /// Receives into a buffer up to `limit` bytes held. `Ready(0)` is the end of the stream, which
    /// is noted.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        worker: &Worker,
        limit: usize,
    ) -> Poll<usize> {
        if !buffer.has_room(limit) {
            return Poll::Pending;
        }
        let received = loop {
            match self.socket.poll_to_recv(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => break Err(error),
                Poll::Pending => {
                    buffer.release(&worker.pool);
                    return Poll::Pending;
                }
            }
            let received = self.socket.try_recv(buffer.room(&worker.pool, limit));
            if let Some(received) = received.transpose() {
                break received;
            }
        };
        match received {
            Ok(0) => self.read_closed = true,
            Ok(n) => {
                buffer.filled(n);
                self.taken += n as u64;
                self.active = worker.now();
                self.received = self.active;
                return Poll::Ready(n);
            }
            Err(_) => self.break_off(),
        }
        buffer.release(&worker.pool);
        Poll::Ready(0)
    }

    /// Moves bytes into a pipe, as [`Side::poll_fill`] does into a buffer.
    pub(crate) fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        wanted: usize,
        worker: &Worker,
    ) -> Poll<Result<usize, Unspliceable>> {
        match ready!(self.socket.poll_splice_in(cx, pipe, wanted)) {
            Ok(0) => self.read_closed = true,
            Ok(n) => {
                self.taken += n as u64;
                self.active = worker.now();
                self.received = self.active;
                return Poll::Ready(Ok(n));
            }
            Err(SpliceError::Unsupported) => return Poll::Ready(Err(Unspliceable)),
            Err(SpliceError::Broken) => self.break_off(),
        }
        Poll::Ready(Ok(0))
    }

    /// Sends what is in a pipe, as [`Side::poll_send`] does what is in a buffer.
    pub(crate) fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        worker: &Worker,
    ) -> Poll<usize> {
        let sent = ready!(self.socket.poll_splice_out(cx, pipe));
        Poll::Ready(self.sent(sent, worker))
    }

    /// Sends. An error is noted and answers 0. `more` says that more follows: bytes, or
    /// [`Side::finish`] at once.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
        worker: &Worker,
        more: bool,
    ) -> Poll<usize> {
        // What is held back for a FIN would be lost where a RST comes in its place.
        let more = more && matches!(self.farewell, Farewell::Fin | Farewell::FinThenReset);
        let sent = ready!(self.socket.poll_send(cx, first, second, more));
        Poll::Ready(self.sent(sent, worker))
    }

    /// Notes what has come of sending.
    fn sent<E>(&mut self, sent: Result<usize, E>, worker: &Worker) -> usize {
        if let Ok(n) = sent {
            self.active = worker.now();
            return n;
        }
        self.break_off();
        0
    }

    /// Looks after a peer that is not read from: notes that it has left, or that the connection is
    /// broken. Answers whether that is news.
    pub(crate) fn poll_watch(&mut self, cx: &mut Context<'_>) -> bool {
        if self.read_closed {
            return false;
        }
        let gone = if self.left {
            self.socket.poll_reset(cx).map(Err)
        } else {
            self.socket.poll_gone(cx)
        };
        match gone {
            Poll::Ready(Ok(())) => self.left = true,
            Poll::Ready(Err(_)) => self.break_off(),
            Poll::Pending => return false,
        }
        true
    }

    /// Sends a FIN once, or does what `option nolinger` has in its place.
    pub(crate) fn finish(&mut self) {
        if self.write_closed {
            return;
        }
        self.write_closed = true;
        let left = self.read_closed && !self.expired;
        let reset = match self.farewell {
            Farewell::Fin => false,
            Farewell::FinThenReset => {
                self.socket.shutdown_write();
                return self.socket.reset_on_close();
            }
            Farewell::Reset => true,
            Farewell::ResetUnlessLeft => !left,
        };
        if reset {
            self.read_closed = true;
            self.socket.reset_on_close();
        } else {
            self.socket.shutdown_write();
        }
    }

    fn break_off(&mut self) {
        self.read_closed = true;
        self.write_closed = true;
        self.broken = true;
    }
}
