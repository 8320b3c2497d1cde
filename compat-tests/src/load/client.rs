//! Clients that ask again as soon as they have an answer.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

use super::origin::{asks_to_close, head_end};

/// Clients at work; each has one connection at a time.
#[derive(Debug)]
pub struct Clients {
    tasks: Vec<JoinHandle<()>>,
    stopped: Rc<Cell<bool>>,
    tally: Rc<RefCell<Tally>>,
}

/// What clients have seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Responses with status 200, complete.
    pub answered: u64,
    /// Connections made.
    pub connections: u64,
    /// What went wrong, in words.
    pub failures: Vec<String>,
    /// How long each answer took, when that was asked for.
    pub latencies: Vec<Duration>,
}

impl Tally {
    /// The time within which this share (0 to 1) of the answers came.
    pub fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let index = (share * last as f64).round() as usize;
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// How clients ask.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Where.
    pub port: u16,
    /// The bytes of a request.
    pub request: Vec<u8>,
    /// The time between two requests of all clients together; `None` is none at all.
    pub pace: Option<Duration>,
    /// Whether to note how long each answer takes.
    pub latencies: bool,
}

impl Clients {
    /// Starts so many clients, in the current local task set.
    pub fn start(count: usize, asking: &Asking) -> Self {
        Self::start_with(count, asking, false)
    }

    /// Starts clients that ask once and then keep their connections.
    pub fn start_once(count: usize, asking: &Asking) -> Self {
        Self::start_with(count, asking, true)
    }

    fn start_with(count: usize, asking: &Asking, once: bool) -> Self {
        let clients = Self {
            tasks: Vec::with_capacity(count),
            stopped: Rc::default(),
            tally: Rc::default(),
        };
        let tasks = (0..count).map(|number| {
            let client = Client {
                asking: asking.clone(),
                once,
                // With a pace, every client asks in turn.
                every: asking
                    .pace
                    .map(|pace| pace * u32::try_from(count).unwrap_or(u32::MAX)),
                first: asking
                    .pace
                    .map(|pace| pace * u32::try_from(number).unwrap_or(0)),
                stopped: Rc::clone(&clients.stopped),
                tally: Rc::clone(&clients.tally),
            };
            spawn_local(client.ask_for_ever())
        });
        Self {
            tasks: tasks.collect(),
            ..clients
        }
    }

    /// What they have seen so far; starts to count anew.
    pub fn take(&self) -> Tally {
        self.tally.take()
    }

    /// Lets every client finish its request; what they have seen since the last count.
    pub async fn stop(self) -> Tally {
        self.stopped.set(true);
        for task in self.tasks {
            task.await.expect("a client does not panic");
        }
        self.tally.take()
    }
}

struct Client {
    asking: Asking,
    once: bool,
    every: Option<Duration>,
    first: Option<Duration>,
    stopped: Rc<Cell<bool>>,
    tally: Rc<RefCell<Tally>>,
}

impl Client {
    async fn ask_for_ever(self) {
        let mut open: Option<TcpStream> = None;
        let mut buffer = Vec::with_capacity(READ_SIZE);
        let mut next = self.first.map(|first| Instant::now() + first);
        while !self.stopped.get() {
            if let (Some(at), Some(every)) = (next, self.every) {
                tokio::time::sleep_until(at).await;
                next = Some(at + every);
            }
            let asked_at = Instant::now();
            let stream = match open.take() {
                Some(stream) => Ok(stream),
                None => self.connect().await,
            };
            let outcome = match stream {
                Ok(stream) => self.ask(stream, &mut buffer).await,
                Err(error) => Err(format!("connect: {error}")),
            };
            open = self.note(outcome, asked_at);
            if self.once {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Counts an outcome; the connection for the next request, if there still is one.
    fn note(
        &self,
        outcome: Result<Option<TcpStream>, String>,
        asked_at: Instant,
    ) -> Option<TcpStream> {
        let mut tally = self.tally.borrow_mut();
        match outcome {
            Ok(stream) => {
                tally.answered += 1;
                if self.asking.latencies {
                    tally.latencies.push(asked_at.elapsed());
                }
                stream
            }
            Err(trouble) => {
                tally.failures.push(trouble);
                None
            }
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.asking.port)).await?;
        stream.set_nodelay(true)?;
        self.tally.borrow_mut().connections += 1;
        Ok(stream)
    }

    /// One request and its response; the connection, unless the proxy said that it ends.
    async fn ask(
        &self,
        mut stream: TcpStream,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<TcpStream>, String> {
        buffer.clear();
        stream
            .write_all(&self.asking.request)
            .await
            .map_err(|error| format!("send: {error}"))?;
        loop {
            match stream.read_buf(buffer).await {
                Ok(0) => return Err(format!("closed after {} bytes of a response", buffer.len())),
                Err(error) => return Err(format!("receive: {error}")),
                Ok(_) => {}
            }
            let Some(head_end) = head_end(buffer) else {
                continue;
            };
            let head = &buffer[..head_end];
            if !head.starts_with(b"HTTP/1.1 200 ") {
                return Err(String::from_utf8_lossy(head)
                    .lines()
                    .next()
                    .unwrap_or("")
                    .to_owned());
            }
            let length = content_length(head).ok_or("a response without length")?;
            let closes = asks_to_close(head);
            let missing = (head_end + length).saturating_sub(buffer.len());
            drop_bytes(&stream, missing).await?;
            return Ok((!closes).then_some(stream));
        }
    }
}

/// Has the system drop so many bytes, which are counted and not copied: a client that costs more than the
/// proxy would be what is measured.
async fn drop_bytes(stream: &TcpStream, mut missing: usize) -> Result<(), String> {
    if missing == 0 {
        return Ok(());
    }
    // Nothing is written to it, so that it takes no memory.
    let mut room = vec![0; missing.min(DROPPED_AT_ONCE)];
    while missing > 0 {
        let most = missing.min(room.len());
        let room = &mut room[..most];
        let received = stream.async_io(Interest::READABLE, || {
            Ok(recv(stream, &mut *room, RecvFlags::TRUNC)?)
        });
        match received.await {
            Ok((_, 0)) => return Err(format!("closed with {missing} bytes missing")),
            Err(error) => return Err(format!("receive: {error}")),
            Ok((_, size)) => missing = missing.saturating_sub(size),
        }
    }
    Ok(())
}

fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)?;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    })
}

const NAME: &[u8] = b"content-length:";
const READ_SIZE: usize = 64 * 1024;
const DROPPED_AT_ONCE: usize = 1 << 20;
