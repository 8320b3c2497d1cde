//! Scripted servers: what they do is told by the request's query string.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use regex::bytes::Regex;
use socket2::Socket;

use super::pause;
use crate::ports::{loopback, tcp_socket};

/// A server.
#[derive(Debug)]
pub(super) struct Origin {
    name: String,
    mode: String,
    /// Whole answers, by name.
    raw: Vec<(String, Vec<u8>)>,
    pub(super) port: u16,
    /// The status that checks get.
    pub(super) check: AtomicU16,
    pub(super) requests: AtomicU32,
    listening: Mutex<Option<Socket>>,
    live: Mutex<Vec<Arc<Socket>>>,
}

impl Origin {
    /// A server on a port that is bound already.
    pub(super) fn new(
        name: &str,
        mode: &str,
        (socket, port): (Socket, u16),
        raw: Vec<(String, Vec<u8>)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            mode: mode.to_owned(),
            raw,
            port,
            check: AtomicU16::new(200),
            requests: AtomicU32::new(0),
            listening: Mutex::new(Some(socket)),
            live: Mutex::default(),
        })
    }

    /// Begins to serve.
    pub(super) fn listen(self: &Arc<Self>) -> io::Result<()> {
        let mut listening = self.listening.lock();
        let socket = match listening.take() {
            Some(socket) => socket,
            None => {
                let socket = tcp_socket()?;
                socket.set_reuse_address(true)?;
                socket.bind(&loopback(self.port))?;
                socket
            }
        };
        socket.listen(64)?;
        let accepting = socket.try_clone()?;
        *listening = Some(socket);
        let origin = Arc::clone(self);
        std::thread::spawn(move || {
            while let Ok((connection, _)) = accepting.accept() {
                let connection = Arc::new(connection);
                origin.live.lock().push(Arc::clone(&connection));
                let origin = Arc::clone(&origin);
                std::thread::spawn(move || {
                    // A proxy that resets or is slow is part of what is tested.
                    let _ = origin.serve(&connection);
                    origin.live.lock().retain(|c| !Arc::ptr_eq(c, &connection));
                });
            }
        });
        Ok(())
    }

    /// Refuses connections, and drops those that it has.
    pub(super) fn stop(&self) {
        if let Some(socket) = self.listening.lock().take() {
            // One that never listened has nothing to shut.
            let _ = socket.shutdown(Shutdown::Both);
        }
        for connection in self.live.lock().iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn serve(&self, socket: &Socket) -> io::Result<()> {
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        socket.set_tcp_nodelay(true)?;
        match self.mode.as_str() {
            "http" => self.http(socket),
            "echo" => echo(socket),
            "rst" => socket.set_linger(Some(Duration::ZERO)),
            _ => Ok(()),
        }
    }

    fn http(&self, mut socket: &Socket) -> io::Result<()> {
        let mut buffer: Vec<u8> = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                    break end;
                }
                if !more(socket, &mut buffer)? {
                    return Ok(());
                }
            };
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            let length = LENGTH.captures(&head).and_then(|found| number(&found[1]));
            while buffer.len() < length.unwrap_or(0) {
                if !more(socket, &mut buffer)? {
                    return Ok(());
                }
            }
            buffer.drain(..length.unwrap_or(0));
            let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line).into_owned();
            let mut words = line.split(' ');
            let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let close = CLOSE.is_match(&head) || !line.ends_with(" HTTP/1.1");
            if method == "OPTIONS" {
                let status = self.check.load(Ordering::Relaxed);
                let answer = format!(
                    "HTTP/1.0 {status} Check\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                return socket.write_all(answer.as_bytes());
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            if !self.answer(socket, method, &Orders(target), close)? {
                return Ok(());
            }
        }
    }

    /// Answers one request; `false` when the connection is over.
    fn answer(
        &self,
        mut socket: &Socket,
        method: &str,
        orders: &Orders<'_>,
        close: bool,
    ) -> io::Result<bool> {
        if let Some(delay) = orders.number("d") {
            pause(delay);
        }
        let act = orders.get("do").unwrap_or("");
        match act {
            "empty" => return Ok(false),
            "rst" => {
                socket.set_linger(Some(Duration::ZERO))?;
                return Ok(false);
            }
            "hang" => {
                drain(socket)?;
                return Ok(false);
            }
            _ => {}
        }
        if let Some(wanted) = orders.get("raw") {
            let found = self.raw.iter().find(|(name, _)| name == wanted);
            socket.write_all(found.map_or(&[], |(_, answer)| answer))?;
            if act == "keep" {
                return Ok(true);
            }
            finish(socket)?;
            return Ok(false);
        }
        let status = orders.number("st").unwrap_or(200);
        let length = orders.number("n").unwrap_or(10) as usize;
        let mut head = format!(
            "HTTP/1.1 {status} Text\r\nContent-Length: {length}\r\nX-Origin: {}\r\n",
            self.name
        );
        for header in orders.get("h").unwrap_or("").split(',') {
            if !header.is_empty() {
                head.push_str(&header.replace(':', ": "));
                head.push_str("\r\n");
            }
        }
        if close {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut answer = head.into_bytes();
        let body = match (method, status) {
            ("HEAD", _) | (_, 204 | 304) => Vec::new(),
            _ => vec![b'x'; length],
        };
        let (first, rest) = body.split_at(body.len().min(length / 2));
        match act {
            "part" => {
                answer.extend_from_slice(first);
                socket.write_all(&answer)?;
                pause(orders.number("pd").unwrap_or(0));
                return Ok(false);
            }
            "slowbody" => {
                answer.extend_from_slice(first);
                socket.write_all(&answer)?;
                pause(orders.number("pd").unwrap_or(400));
                socket.write_all(rest)?;
            }
            _ => {
                answer.extend_from_slice(&body);
                socket.write_all(&answer)?;
            }
        }
        if close {
            finish(socket)?;
        }
        Ok(!close)
    }
}

/// What a request asks the server to do.
struct Orders<'a>(&'a str);

impl<'a> Orders<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let (_, query) = self.0.split_once('?')?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn more(mut socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 65536];
    let n = socket.read(&mut chunk)?;
    buffer.extend_from_slice(&chunk[..n]);
    Ok(n > 0)
}

fn echo(mut socket: &Socket) -> io::Result<()> {
    let mut chunk = [0; 65536];
    loop {
        match socket.read(&mut chunk)? {
            0 => return Ok(()),
            n => socket.write_all(&chunk[..n])?,
        }
    }
}

/// Sends FIN and waits a while for the other one's.
fn finish(socket: &Socket) -> io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    drain(socket)
}

fn drain(mut socket: &Socket) -> io::Result<()> {
    let mut chunk = [0; 65536];
    while socket.read(&mut chunk)? > 0 {}
    Ok(())
}

static LENGTH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?im)^content-length: *(\d+)").expect("a constant pattern"));
static CLOSE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?im)^connection: *close").expect("a constant pattern"));
