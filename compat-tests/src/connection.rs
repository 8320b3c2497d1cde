//! One TCP connection of a scripted peer: all that it received, and how it ended.

use std::cell::{Ref, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// How the other side ended its half of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    Closed,
    Reset,
}

/// What is known about a connection at one moment.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) received: Vec<u8>,
    pub(crate) peer_end: Option<PeerEnd>,
    pub(crate) peer_ended_at: Option<Instant>,
    /// This side has sent its FIN.
    pub(crate) half_closed: bool,
    /// This side has given the socket up.
    pub(crate) gone: bool,
}

impl Seen {
    pub(crate) fn ended(&self) -> bool {
        self.peer_end.is_some() || self.gone
    }

    pub(crate) fn contains(&self, wanted: &[u8]) -> bool {
        wanted.is_empty()
            || self
                .received
                .windows(wanted.len())
                .any(|window| window == wanted)
    }
}

/// A connection; shared by the task that reads it and the script that acts on it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: RefCell<Option<TcpStream>>,
    seen: RefCell<Seen>,
    changed: watch::Sender<()>,
}

impl Connection {
    /// Takes over a connected stream and starts to read everything it gets.
    pub(crate) fn start(stream: TcpStream) -> Rc<Self> {
        // Only latency is lost when the option is refused, as it is on a connection already reset.
        let _ = stream.set_nodelay(true);
        let connection = Rc::new(Self {
            stream: RefCell::new(Some(stream)),
            seen: RefCell::default(),
            changed: watch::Sender::new(()),
        });
        tokio::task::spawn_local(Rc::clone(&connection).read_until_end());
        connection
    }

    pub(crate) fn seen(&self) -> Ref<'_, Seen> {
        self.seen.borrow()
    }

    /// Waits until the condition holds; `false` when it still does not after that time.
    pub(crate) async fn wait(&self, condition: impl Fn(&Seen) -> bool, at_most: Duration) -> bool {
        let deadline = Instant::now() + at_most;
        let mut changes = self.changed.subscribe();
        loop {
            if condition(&self.seen()) {
                return true;
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return condition(&self.seen());
            }
        }
    }

    /// Waits until the other side has ended the connection, or this side has given it up.
    pub(crate) async fn wait_for_end(&self) {
        let mut changes = self.changed.subscribe();
        while !self.seen().ended() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until this side has given the connection up.
    pub(crate) async fn wait_until_gone(&self) {
        let mut changes = self.changed.subscribe();
        while !self.seen().gone {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Sends all of it, unless the connection fails or stays blocked.
    pub(crate) async fn send(&self, mut bytes: &[u8]) {
        let all = async {
            while !bytes.is_empty() {
                match poll_fn(|cx| self.poll_send(cx, bytes)).await {
                    Ok(sent) => bytes = &bytes[sent..],
                    Err(_) => return,
                }
            }
        };
        // A proxy that takes no more is part of what is tested; the script goes on.
        let _ = timeout(SEND_PATIENCE, all).await;
    }

    /// Sends FIN and goes on reading.
    pub(crate) fn half_close(&self) {
        self.seen.borrow_mut().half_closed = true;
        if let Some(stream) = &*self.stream.borrow() {
            // Fails when the other side has reset; that is recorded where it is read.
            let _ = SockRef::from(stream).shutdown(Shutdown::Write);
        }
    }

    /// Gives the socket up; what was received unread makes the system answer with a reset.
    pub(crate) fn close(&self) {
        self.give_up();
    }

    /// Gives the socket up with a reset.
    pub(crate) fn reset(&self) {
        if let Some(stream) = &*self.stream.borrow() {
            // Without the option the connection is closed, and the case shows the difference.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.give_up();
    }

    /// Whether the other side ended with a reset, before or after its FIN.
    pub(crate) fn was_reset(&self) -> bool {
        let seen = self.seen();
        match seen.peer_end {
            Some(PeerEnd::Reset) => true,
            Some(PeerEnd::Closed) if !seen.half_closed && !seen.gone => {
                // With its FIN read and ours not sent the socket waits to be closed. A reset
                // behind the FIN takes it to the closed state, in which it has no peer.
                match &*self.stream.borrow() {
                    Some(stream) => stream.peer_addr().is_err(),
                    None => false,
                }
            }
            Some(PeerEnd::Closed) | None => false,
        }
    }

    fn give_up(&self) {
        self.stream.borrow_mut().take();
        self.seen.borrow_mut().gone = true;
        self.changed.send_replace(());
    }

    async fn read_until_end(self: Rc<Self>) {
        let mut buffer = vec![0; READ_SIZE];
        loop {
            let end = match poll_fn(|cx| self.poll_receive(cx, &mut buffer)).await {
                None => return,
                Some(Ok(0)) => PeerEnd::Closed,
                Some(Ok(size)) => {
                    self.seen
                        .borrow_mut()
                        .received
                        .extend_from_slice(&buffer[..size]);
                    self.changed.send_replace(());
                    continue;
                }
                Some(Err(_)) => PeerEnd::Reset,
            };
            {
                let mut seen = self.seen.borrow_mut();
                seen.peer_end = Some(end);
                seen.peer_ended_at = Some(Instant::now());
            }
            self.changed.send_replace(());
            return;
        }
    }

    /// `None` when this side has given the socket up.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Option<io::Result<usize>>> {
        let stream = self.stream.borrow();
        let Some(stream) = &*stream else {
            return Poll::Ready(None);
        };
        loop {
            if let Err(error) = ready!(stream.poll_read_ready(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
            match stream.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(Some(done)),
            }
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.stream.borrow();
        let Some(stream) = &*stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

const READ_SIZE: usize = 64 * 1024;
const SEND_PATIENCE: Duration = Duration::from_secs(5);
