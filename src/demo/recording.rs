//! A stream that keeps a copy of all that passes it, and notes who ended it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::exchange::Closer;

/// What passed a connection between the proxy and a server.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// The server's name.
    pub(super) server: String,
    pub(super) from_proxy: Vec<u8>,
    pub(super) to_proxy: Vec<u8>,
    /// Who ended it first.
    pub(super) end: Option<Closer>,
}

/// The connections to servers, in the order they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Recordings {
    all: Arc<Mutex<Vec<Arc<Mutex<Recording>>>>>,
}

impl Recordings {
    /// Forgets what was recorded so far.
    pub(super) fn clear(&self) {
        self.all.lock().clear();
    }

    /// What was recorded so far.
    pub(super) fn list(&self) -> Vec<Arc<Mutex<Recording>>> {
        self.all.lock().clone()
    }

    /// Records a connection that a server accepted.
    pub(super) fn record(&self, server: &str, stream: TcpStream) -> RecordedStream {
        let recording = Arc::new(Mutex::new(Recording {
            server: server.to_owned(),
            ..Recording::default()
        }));
        self.all.lock().push(Arc::clone(&recording));
        RecordedStream {
            stream,
            recording,
            linger: None,
        }
    }
}

/// A server's connection.
#[derive(Debug)]
pub(super) struct RecordedStream {
    stream: TcpStream,
    recording: Arc<Mutex<Recording>>,
    /// Runs while this server has yet to close.
    linger: Option<Pin<Box<Sleep>>>,
}

impl RecordedStream {
    fn ended_by(&self, closer: Closer) {
        self.recording.lock().end.get_or_insert(closer);
    }
}

impl AsyncRead for RecordedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        let read = &buffer.filled()[before..];
        if read.is_empty() {
            self.ended_by(Closer::Proxy);
        } else {
            self.recording.lock().from_proxy.extend_from_slice(read);
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for RecordedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        match result {
            Ok(written) => self
                .recording
                .lock()
                .to_proxy
                .extend_from_slice(&bytes[..written]),
            Err(_) => self.ended_by(Closer::Proxy),
        }
        Poll::Ready(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends the connection after a moment, so that a proxy that closes by itself is seen to.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        if Pin::new(&mut self.stream)
            .poll_read(cx, &mut buffer)
            .is_ready()
        {
            // The proxy has no request in flight: this is its end of the connection.
            self.ended_by(Closer::Proxy);
        } else {
            let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
            ready!(linger.as_mut().poll(cx));
            self.ended_by(Closer::Peer);
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for RecordedStream {
    fn drop(&mut self) {
        self.ended_by(Closer::Peer);
    }
}

/// How long a server takes to close a connection after it was asked to.
const LINGER: Duration = Duration::from_millis(50);
