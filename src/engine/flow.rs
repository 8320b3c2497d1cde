//! One direction of an exchange: bytes received, how many of them may leave, and the progress
//! through the body of the message.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use super::buffer::{Buffer, LARGE};
use super::side::{Side, Unspliceable};
use super::socket::Socket;
use super::splice::{Pipe, Splicing};
use super::worker::Worker;
use crate::http1::{BadChunk, Body};

/// One direction.
#[derive(Debug)]
pub(crate) struct Flow {
    /// What was received and has not left.
    pub(crate) buffer: Buffer,
    /// Rewritten heads, which leave before what is in `buffer`.
    pub(crate) head: Vec<u8>,
    head_sent: usize,
    /// How many bytes at the start of `buffer` may leave.
    pub(crate) scheduled: usize,
    /// Progress through the message.
    pub(crate) body: Body,
    /// Bytes that have left.
    pub(crate) sent: u64,
    /// Bytes that have come, or were put in by the proxy: what the log calls bytes read.
    pub(crate) read: u64,
    /// How many of them the statistics know of.
    pub(crate) counted: Cell<u64>,
    /// Bytes of the body that go from socket to socket, after those in `buffer`.
    pipe: Option<Pipe>,
    splicing: Splicing,
    /// How often in a row what came filled the buffer.
    full_reads: u32,
    /// Nothing is received for want of room: who is not read from cannot be late.
    pub(crate) stuck: bool,
    /// Something could not leave.
    pub(crate) lost: bool,
    /// What comes does not leave yet: no more of it is taken than a buffer holds.
    pub(crate) held: bool,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            buffer: Buffer::default(),
            head: Vec::new(),
            head_sent: 0,
            scheduled: 0,
            body: Body::Done,
            sent: 0,
            read: 0,
            counted: Cell::new(0),
            pipe: None,
            splicing: Splicing::Never,
            full_reads: 0,
            stuck: false,
            lost: false,
            held: false,
        }
    }
}

/// Bodies shorter than this are copied: a splice takes two calls where a copy takes two as well.
const WORTH_SPLICING: u64 = 16 << 10;

/// What a splice asks for at once. The pipe takes what it has room for.
const SPLICED_AT_ONCE: u64 = 1 << 20;

impl Flow {
    /// Forgets everything but allocations.
    pub(crate) fn reset(&mut self, worker: &Worker) {
        self.buffer.clear(&worker.pool);
        if self.pipe.is_some() {
            self.give_pipe(worker);
        }
        self.restart();
    }

    /// Makes ready for the next message; what was received and has not left stays.
    pub(crate) fn restart(&mut self) {
        self.head.clear();
        self.head_sent = 0;
        self.scheduled = 0;
        self.body = Body::Done;
        self.sent = 0;
        self.read = 0;
        self.counted.set(0);
        self.splicing = Splicing::Never;
        self.full_reads = 0;
        self.stuck = false;
        self.lost = false;
        self.held = false;
    }

    /// Says when bytes may go from socket to socket.
    pub(crate) fn splice(&mut self, splicing: Splicing) {
        self.splicing = splicing;
    }

    /// From now on everything leaves as it comes.
    pub(crate) fn tunnel(&mut self) {
        self.body = Body::UntilClose;
    }

    /// Lets what belongs to the body leave. A line of a chunked body must fit into `limit` bytes.
    #[inline]
    pub(crate) fn schedule(&mut self, limit: usize) -> Result<(), BadChunk> {
        if self.excess() == 0 {
            return Ok(());
        }
        self.schedule_waiting(limit)
    }

    fn schedule_waiting(&mut self, limit: usize) -> Result<(), BadChunk> {
        let waiting = &self.buffer.bytes()[self.scheduled..];
        let taken = self.body.advance(waiting)?;
        if taken == 0 && waiting.len() >= limit && self.body.is_awaited() {
            return Err(BadChunk { sound: 0 });
        }
        self.scheduled += taken;
        Ok(())
    }

    /// Lets leave what comes before a mistake in the body: all that is sound, or only the rest of
    /// the data that had begun before.
    pub(super) fn schedule_before(&mut self, mistake: BadChunk, begun: Body, all: bool) {
        let data = usize::try_from(begun.opaque()).unwrap_or(usize::MAX);
        self.scheduled += mistake.sound.min(if all { usize::MAX } else { data });
    }

    /// Bytes that have come after the end of the message.
    pub(crate) fn excess(&self) -> usize {
        self.buffer.len() - self.scheduled
    }

    /// Lets all leave that has come.
    pub(crate) fn pass_on(&mut self) {
        self.scheduled = self.buffer.len();
    }

    /// Whether something may leave.
    pub(crate) fn is_pending(&self) -> bool {
        self.has_bytes() || self.pipe.is_some()
    }

    /// Whether something may leave that is not in a pipe.
    fn has_bytes(&self) -> bool {
        self.scheduled > 0 || self.head_sent < self.head.len()
    }

    /// Receives once, up to `limit` bytes held, or more where they belong to a long body. Answers
    /// how many bytes have come; `Ready(0)` is the end of the stream, which is noted.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Side,
        worker: &Worker,
        limit: usize,
    ) -> Poll<usize> {
        if self.may_splice()
            && !from.socket.has_arrived()
            && let Some(result) = self.poll_splice(cx, from, worker)
        {
            return result;
        }
        // What is in the pipe comes first.
        if self.pipe.is_some() {
            self.stuck = true;
            return Poll::Pending;
        }
        let long = self.full_reads > 0 && !self.held && self.body.opaque() >= LARGE as u64;
        let limit = if long { limit.max(LARGE) } else { limit };
        self.note_room(self.buffer.len() < limit, from, worker);
        let result = from.poll_fill(cx, &mut self.buffer, worker, limit);
        if let Poll::Ready(n) = result {
            self.full_reads = if n > 0 && self.buffer.len() >= limit {
                self.full_reads + 1
            } else {
                0
            };
        }
        result
    }

    fn may_splice(&self) -> bool {
        let wanted = match self.splicing {
            Splicing::Never => false,
            Splicing::WhenStreaming => self.full_reads > 1,
            Splicing::Always => true,
        };
        wanted
            && !self.held
            && self.buffer.is_empty()
            && !self.has_bytes()
            && (self.pipe.is_some() || self.body.opaque() >= WORTH_SPLICING)
    }

    /// Moves bytes into a pipe. `None` when there is no pipe or nothing can be spliced here.
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Side,
        worker: &Worker,
    ) -> Option<Poll<usize>> {
        let wanted = self.body.opaque().min(SPLICED_AT_ONCE) as usize;
        if wanted == 0 {
            return None;
        }
        if self.pipe.is_none() {
            self.pipe = Some(worker.take_pipe()?);
        }
        let pipe = self.pipe.as_mut()?;
        match from.poll_splice_in(cx, pipe, wanted, worker) {
            Poll::Ready(Ok(n)) => {
                self.body.skip(n as u64);
                // A trickle is copied: what it saves is less than what a pipe costs.
                if (n as u64) < WORTH_SPLICING / 4 {
                    self.full_reads = 0;
                }
                if n == 0 {
                    self.give_empty_pipe(worker);
                }
                Some(Poll::Ready(n))
            }
            Poll::Ready(Err(Unspliceable)) => {
                self.splicing = Splicing::Never;
                self.give_empty_pipe(worker);
                None
            }
            Poll::Pending => {
                self.give_empty_pipe(worker);
                self.note_room(self.pipe.is_none(), from, worker);
                Some(Poll::Pending)
            }
        }
    }

    /// Notes whether there is room to receive. The time of a side that was not read from begins
    /// when there is.
    fn note_room(&mut self, room: bool, from: &mut Side, worker: &Worker) {
        if self.stuck && room {
            from.active = worker.now();
            from.received = from.active;
        }
        self.stuck = !room;
    }

    fn give_empty_pipe(&mut self, worker: &Worker) {
        if self.pipe.as_ref().is_some_and(|pipe| pipe.held == 0) {
            self.give_pipe(worker);
        }
    }

    fn give_pipe(&mut self, worker: &Worker) {
        if let Some(pipe) = self.pipe.take() {
            worker.pipes.give(pipe);
        }
    }

    /// Sends what may leave, once. `Ready(true)` when bytes have left. `more` says that more
    /// follows, a FIN at least, which may leave in the same segment.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Side,
        worker: &Worker,
        more: bool,
    ) -> Poll<bool> {
        if !self.has_bytes()
            && let Some(pipe) = &mut self.pipe
        {
            let n = ready!(to.poll_splice_out(cx, pipe, worker));
            self.sent += n as u64;
            self.give_empty_pipe(worker);
            return Poll::Ready(n > 0);
        }
        let (head, body) = self.pending();
        let Poll::Ready(n) = to.poll_send(cx, head, body, worker, more) else {
            return Poll::Pending;
        };
        self.has_left(n);
        // The next one to receive gets a block that is still in the caches.
        self.buffer.release(&worker.pool);
        Poll::Ready(n > 0)
    }

    /// Sends for the first time on a connection that may not stand yet.
    pub(crate) fn poll_first_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Socket,
    ) -> Poll<io::Result<()>> {
        let (head, body) = self.pending();
        let n = ready!(to.poll_send_now(cx, head, body, false))?;
        self.has_left(n);
        Poll::Ready(Ok(()))
    }

    /// What may leave, in two pieces.
    pub(crate) fn pending(&self) -> (&[u8], &[u8]) {
        (
            &self.head[self.head_sent..],
            &self.buffer.bytes()[..self.scheduled],
        )
    }

    fn has_left(&mut self, n: usize) {
        self.sent += n as u64;
        let from_head = n.min(self.head.len() - self.head_sent);
        self.head_sent += from_head;
        if self.head_sent == self.head.len() {
            self.head.clear();
            self.head_sent = 0;
        }
        self.buffer.consume(n - from_head);
        self.scheduled -= n - from_head;
    }

    /// Drops what could not leave.
    pub(super) fn abandon(&mut self) {
        self.lost |= self.is_pending();
        // A pipe that is not empty is of no use to others.
        self.pipe = None;
        self.head.clear();
        self.head_sent = 0;
        self.buffer.consume(self.scheduled);
        self.scheduled = 0;
    }
}
