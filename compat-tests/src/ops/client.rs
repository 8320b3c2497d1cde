//! The client's end of a connection.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::ports::{loopback, tcp_socket};

/// A connection, with what came of it.
#[derive(Debug)]
pub(super) struct Client {
    socket: Option<Socket>,
    pub(super) name: String,
    received: Vec<u8>,
    /// How much of it was looked at.
    seen: usize,
    /// How it ended.
    pub(super) end: Option<&'static str>,
}

/// Connects to a port; why not, otherwise.
pub(super) fn to_port(port: u16) -> Result<Socket, &'static str> {
    let socket = tcp_socket().map_err(|_| "no socket")?;
    let patience = Duration::from_secs(2);
    socket
        .connect_timeout(&loopback(port), patience)
        .map_err(|error| reason(error.kind()))?;
    // Latency is all that could be lost.
    let _ = socket.set_tcp_nodelay(true);
    Ok(socket)
}

/// Connects to a socket in the file system.
pub(super) fn to_file(path: &Path) -> Result<Socket, &'static str> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(|_| "no socket")?;
    let address = SockAddr::unix(path).map_err(|_| "no address")?;
    let connected = socket
        .set_nonblocking(true)
        .and_then(|()| socket.connect(&address))
        .and_then(|()| socket.set_nonblocking(false));
    connected.map_err(|error| reason(error.kind()))?;
    Ok(socket)
}

/// In the words of the recordings.
fn reason(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::TimedOut => "timed out",
        ErrorKind::NotFound => "FileNotFoundError",
        ErrorKind::PermissionDenied => "PermissionError",
        ErrorKind::WouldBlock => "BlockingIOError",
        _ => "OSError",
    }
}

impl Client {
    pub(super) fn new(socket: Socket, name: &str) -> Self {
        // A client that waits for ever is the case's limit to deal with.
        let _ = socket.set_write_timeout(Some(Duration::from_secs(3)));
        Self {
            socket: Some(socket),
            name: name.to_owned(),
            received: Vec::new(),
            seen: 0,
            end: None,
        }
    }

    /// Sends all of it; `false` when that failed.
    pub(super) fn send(&self, bytes: &[u8]) -> bool {
        let mut socket = self.socket.as_ref();
        socket
            .as_mut()
            .is_some_and(|socket| socket.write_all(bytes).is_ok())
    }

    /// Waits until something holds, the other side has ended, or the time is over.
    pub(super) fn wait(&mut self, millis: u64, done: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + Duration::from_millis(millis);
        loop {
            if done(self) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.end.is_some() || left.is_zero() {
                return false;
            }
            self.pull(left);
        }
    }

    /// Waits for the end.
    pub(super) fn wait_for_end(&mut self, millis: u64) {
        self.wait(millis, |_| false);
    }

    fn pull(&mut self, patience: Duration) {
        let Some(socket) = &mut self.socket else {
            self.end = Some("reset");
            return;
        };
        let patience = patience.max(Duration::from_millis(1));
        let mut buffer = [0; 65536];
        let read = socket
            .set_read_timeout(Some(patience))
            .and_then(|()| socket.read(&mut buffer));
        match read {
            Ok(0) => self.end = Some("closed"),
            Ok(n) => self.received.extend_from_slice(&buffer[..n]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => self.end = Some("reset"),
            },
        }
    }

    /// What was not looked at yet.
    pub(super) fn unseen(&self) -> &[u8] {
        &self.received[self.seen..]
    }

    /// The same; it counts as seen from now on.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let taken = self.received[self.seen..].to_vec();
        self.seen = self.received.len();
        taken
    }

    /// The next response, when it is whole; otherwise what is there.
    pub(super) fn take_response(&mut self) -> Vec<u8> {
        match self.response_length() {
            Some(length) => {
                let taken = self.received[self.seen..self.seen + length].to_vec();
                self.seen += length;
                taken
            }
            None => self.take(),
        }
    }

    /// How long the next response is, once it is whole.
    pub(super) fn response_length(&self) -> Option<usize> {
        let bytes = self.unseen();
        let head = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        let found = LENGTH.captures(&bytes[..head])?;
        let length: usize = std::str::from_utf8(&found[1]).ok()?.parse().ok()?;
        let whole = head + 4 + length;
        (bytes.len() >= whole).then_some(whole)
    }

    pub(super) fn shut(&self) {
        if let Some(socket) = &self.socket {
            // Fails when the other side has reset; what is read shows it.
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
    }

    /// Gives it up, with a reset when asked to.
    pub(super) fn close(&mut self, reset: bool) {
        if let Some(socket) = self.socket.take()
            && reset
        {
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        self.end = Some("closed by us");
    }
}

static LENGTH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\r\ncontent-length: *(\d+)").expect("a constant pattern"));
