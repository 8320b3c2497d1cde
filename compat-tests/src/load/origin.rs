//! A server that answers every request with the same bytes.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// A listening server.
#[derive(Debug)]
pub struct Origin {
    listener: TcpListener,
    port: u16,
    answer: Answer,
}

/// The bytes that every request is answered with.
#[derive(Debug)]
enum Answer {
    Small(Vec<u8>),
    /// So large that sending them from a file, which copies nothing, costs less.
    Large(OwnedFd, usize),
}

impl Answer {
    fn new(bytes: Vec<u8>) -> io::Result<Self> {
        if bytes.len() < LARGE {
            return Ok(Self::Small(bytes));
        }
        let file = memfd_create("answer", MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(file);
        file.write_all(&bytes)?;
        Ok(Self::Large(file.into(), bytes.len()))
    }

    async fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let (file, len) = match self {
            Self::Small(bytes) => return stream.write_all(bytes).await,
            Self::Large(file, len) => (file, *len as u64),
        };
        let mut sent = 0;
        while sent < len {
            let more = (len - sent) as usize;
            let call = || Ok(sendfile(&*stream, file, Some(&mut sent), more)?);
            stream.async_io(Interest::WRITABLE, call).await?;
        }
        Ok(())
    }
}

impl Origin {
    /// Listens on a free port; every response has this body.
    pub fn bind(body: &[u8]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Ok(Self {
            listener,
            port,
            answer: Answer::new([head.as_bytes(), body].concat())?,
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The listening socket and the bytes of a response, for whoever serves in another way.
    pub fn into_parts(self) -> io::Result<(TcpListener, Vec<u8>)> {
        let answer = match self.answer {
            Answer::Small(bytes) => bytes,
            Answer::Large(..) => return Err(io::ErrorKind::FileTooLarge.into()),
        };
        Ok((self.listener, answer))
    }

    /// Serves for as long as the local task set lives.
    pub async fn serve(self) -> io::Result<Infallible> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let answer = Rc::new(self.answer);
        loop {
            let (stream, _) = listener.accept().await?;
            spawn_local(answer_requests(stream, Rc::clone(&answer)));
        }
    }
}

/// Answers until the other side ends the connection, or asks for its end in a request.
async fn answer_requests(mut stream: TcpStream, answer: Rc<Answer>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(READ_SIZE);
    loop {
        while let Some(end) = head_end(&received) {
            let last = asks_to_close(&received[..end]);
            received.drain(..end);
            answer.send(&mut stream).await?;
            if last {
                return stream.shutdown().await;
            }
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

pub(super) fn head_end(bytes: &[u8]) -> Option<usize> {
    Some(bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4)
}

/// Whether a head has `Connection: close`.
pub(super) fn asks_to_close(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        line.len() > NAME.len()
            && line[..NAME.len()].eq_ignore_ascii_case(NAME)
            && line[NAME.len()..]
                .trim_ascii()
                .eq_ignore_ascii_case(b"close")
    })
}

const NAME: &[u8] = b"connection:";
const READ_SIZE: usize = 4096;
const LARGE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_are_recognised() {
        let cases: &[(&[u8], bool)] = &[
            (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", true),
            (b"GET / HTTP/1.1\r\nconnection:Close\r\n\r\n", true),
            (b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", false),
            (b"GET / HTTP/1.1\r\nX-Connection: close\r\n\r\n", false),
        ];
        for (head, expected) in cases {
            assert_eq!(
                asks_to_close(head),
                *expected,
                "{}",
                String::from_utf8_lossy(head)
            );
        }
    }
}
