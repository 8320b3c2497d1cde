//! The demo's client: sends requests as they would be typed, and keeps what comes back.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::exchange::{Closer, next_message};

/// A request and its response, with the connection they went over.
#[derive(Debug)]
pub(super) struct Answered {
    /// Number of the connection, from 1.
    pub(super) connection: usize,
    /// The request's head by lines.
    pub(super) request: Vec<String>,
    /// The response's head by lines.
    pub(super) response: Vec<String>,
}

/// What a client did with one frontend.
#[derive(Debug, Default)]
pub(super) struct Visit {
    pub(super) answered: Vec<Answered>,
    /// How each of its connections ended.
    pub(super) ends: Vec<Option<Closer>>,
    /// The connection that nobody has ended; dropping it does.
    open: Option<Connection>,
}

/// Sends requests one after the other, over one connection for as long as that lives.
pub(super) async fn visit(port: u16, paths: &[String]) -> io::Result<Visit> {
    let mut visit = Visit::default();
    for path in paths {
        let mut connection = match visit.open.take() {
            Some(connection) => connection,
            None => {
                visit.ends.push(None);
                Connection::open(port).await?
            }
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: hapax-demo\r\n\r\n"
        );
        let response = timeout(PATIENCE, connection.ask(&request)).await??;
        visit.answered.push(Answered {
            connection: visit.ends.len(),
            request: request
                .trim_end()
                .split("\r\n")
                .map(str::to_owned)
                .collect(),
            response,
        });
        if connection.closes_within(SETTLE).await {
            *visit.ends.last_mut().expect("a connection was opened") = Some(Closer::Proxy);
        } else {
            visit.open = Some(connection);
        }
    }
    Ok(visit)
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Sends a request; the head of the response to it.
    async fn ask(&mut self, request: &str) -> io::Result<Vec<String>> {
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            if let Some((head, end)) = next_message(&self.received) {
                self.received.drain(..end);
                return Ok(head);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether the other side ends the connection soon.
    async fn closes_within(&mut self, time: Duration) -> bool {
        match timeout(time, self.stream.read_buf(&mut self.received)).await {
            Err(_) => false,
            Ok(Ok(size)) => size == 0,
            Ok(Err(_)) => true,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
/// Long enough to see a close that follows a response, on one machine.
const SETTLE: Duration = Duration::from_millis(150);
