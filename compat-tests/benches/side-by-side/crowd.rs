//! Clients and an origin server that cost as little as the system allows.
//!
//! With small messages on kept connections, two sends and two receives are nearly all there is to a request,
//! for whoever asks and answers as well as for the proxy. A load generator that costs more than the
//! proxy is what is measured then. So this one is a single loop on one thread: it receives from all
//! connections that have something, and then sends to all of them. Between two measurements it rests, so
//! that several proxies can be asked in turns while all of them run.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use compat_tests::load::Tally;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// The loop, on a thread of its own, at work when it is told to.
pub(crate) struct Crowd {
    orders: Sender<Duration>,
    tallies: Receiver<io::Result<Tally>>,
    thread: JoinHandle<()>,
}

/// What is asked and answered.
pub(crate) struct Talk {
    /// Where the proxy listens.
    pub(crate) port: u16,
    pub(crate) clients: usize,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    /// The time between two requests of all clients together; `None` is as soon as they are answered.
    pub(crate) pace: Option<Duration>,
}

/// One end of a connection.
struct End {
    stream: TcpStream,
    is_client: bool,
    /// Bytes of the message that is on its way.
    received: usize,
    /// When the request left, or with a pace when it was due.
    asked_at: Instant,
}

impl Crowd {
    /// Connects the clients, and answers whoever connects to the listening socket.
    ///
    /// # Errors
    /// When the thread cannot be created.
    pub(crate) fn start(origin: TcpListener, talk: Talk) -> io::Result<Self> {
        let (orders, told) = channel();
        let (tell, tallies) = channel();
        let thread = std::thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || {
                let mut crowd = Loop::new(origin, talk);
                for time in told {
                    let tally = match &mut crowd {
                        Ok(crowd) => crowd.run(time),
                        Err(error) => Err(error.kind().into()),
                    };
                    if tell.send(tally).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            orders,
            tallies,
            thread,
        })
    }

    /// Has the clients ask for so long, and waits for the last answer.
    ///
    /// # Errors
    /// When connections fail, or answers are missing.
    pub(crate) fn ask(&self, time: Duration) -> Result<Tally, Box<dyn Error>> {
        self.orders.send(time)?;
        Ok(self.tallies.recv()??)
    }

    /// Closes the connections.
    ///
    /// # Errors
    /// When the thread has panicked.
    pub(crate) fn stop(self) -> Result<(), Box<dyn Error>> {
        drop(self.orders);
        self.thread
            .join()
            .map_err(|_| "the crowd has panicked".into())
    }
}

struct Loop {
    talk: Talk,
    origin: TcpListener,
    epoll: OwnedFd,
    ends: Vec<Option<End>>,
    /// Who is to be sent something.
    due: Vec<usize>,
    /// Clients that have asked nothing.
    idle: VecDeque<usize>,
    /// The size of a response, once one was seen.
    response: Option<usize>,
}

impl Loop {
    fn new(origin: TcpListener, talk: Talk) -> io::Result<Self> {
        origin.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &origin, EventData::new_u64(ORIGIN), EventFlags::IN)?;
        let mut crowd = Self {
            talk,
            origin,
            epoll,
            ends: Vec::new(),
            due: Vec::new(),
            idle: VecDeque::new(),
            response: None,
        };
        for _ in 0..crowd.talk.clients {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, crowd.talk.port))?;
            let place = crowd.add(stream, true)?;
            crowd.idle.push_back(place);
        }
        Ok(crowd)
    }

    fn add(&mut self, stream: TcpStream, is_client: bool) -> io::Result<usize> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let place = self.ends.len();
        let data = EventData::new_u64(place as u64);
        epoll::add(&self.epoll, &stream, data, EventFlags::IN | EventFlags::ET)?;
        self.ends.push(Some(End {
            stream,
            is_client,
            received: 0,
            asked_at: Instant::now(),
        }));
        Ok(place)
    }

    fn run(&mut self, time: Duration) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let mut events: Vec<Event> = Vec::with_capacity(ROUND);
        let mut room = [0; ROOM];
        let begin = Instant::now();
        let (end, mut next) = (begin + time, begin);
        loop {
            let now = Instant::now();
            let asks = now < end;
            while asks
                && (self.talk.pace.is_none() || next <= now)
                && let Some(place) = self.idle.pop_front()
            {
                if let Some(client) = &mut self.ends[place] {
                    client.asked_at = self.talk.pace.map_or(now, |_| next);
                }
                next += self.talk.pace.unwrap_or_default();
                self.due.push(place);
            }
            self.send_due()?;
            let all = self.ends.iter().flatten().filter(|end| end.is_client);
            if !asks && self.idle.len() >= all.count() {
                return Ok(tally);
            }
            if now > end + PATIENCE {
                return Err(io::Error::other("answers are missing"));
            }
            // At a fixed rate nobody sleeps: a core that does may wake up too late for the next request, and
            // that would be taken for the proxy's fault.
            let wait = match self.talk.pace {
                Some(_) if asks => Duration::ZERO,
                _ => REST,
            };
            events.clear();
            let space = rustix::buffer::spare_capacity(&mut events);
            let wait = Timespec::try_from(wait).unwrap_or_default();
            match epoll::wait(&self.epoll, space, Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let now = Instant::now();
            for event in &events {
                match event.data.u64() {
                    ORIGIN => self.accept()?,
                    place => self.receive(place as usize, &mut room, now, &mut tally),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.origin.accept() {
                Ok((stream, _)) => drop(self.add(stream, false)?),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives from one end; a whole message makes an answer, or the next request, due.
    fn receive(&mut self, place: usize, room: &mut [u8; ROOM], now: Instant, tally: &mut Tally) {
        let Some(end) = self.ends.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        let begins = end.received == 0;
        let size = match recv(&end.stream, &mut room[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok((_, size)) if size > 0 => size,
            _ => {
                if end.is_client {
                    tally.failures.push("closed".to_owned());
                }
                self.ends[place] = None;
                return;
            }
        };
        end.received += size;
        let bytes = &room[..size];
        if !end.is_client {
            // A request has no body, and the next one waits for the answer.
            if bytes.ends_with(b"\r\n\r\n") {
                end.received = 0;
                self.due.push(place);
            }
            return;
        }
        if begins && !bytes.starts_with(b"HTTP/1.1 200 ") {
            tally
                .failures
                .push(String::from_utf8_lossy(&bytes[..size.min(20)]).into_owned());
        }
        // All responses are alike: only the first head is read.
        self.response = self.response.or_else(|| whole(bytes, &self.talk.answer));
        let Some(expected) = self.response else {
            tally.failures.push("a head in pieces".to_owned());
            return;
        };
        if end.received >= expected {
            end.received = 0;
            tally.answered += 1;
            tally.latencies.push(now - end.asked_at);
            self.idle.push_back(place);
        }
    }

    fn send_due(&mut self) -> io::Result<()> {
        for place in self.due.drain(..) {
            let Some(end) = &self.ends[place] else {
                continue;
            };
            let message = if end.is_client {
                &self.talk.request
            } else {
                &self.talk.answer
            };
            // A connection that is broken says so when it is received from.
            if matches!(send(&end.stream, message, SendFlags::NOSIGNAL), Ok(sent) if sent < message.len())
            {
                return Err(io::Error::other("a message does not fit into a socket"));
            }
        }
        Ok(())
    }
}

/// The size of a response of which the head is seen: the proxy may have edited that. `None` when the
/// head is not whole.
fn whole(bytes: &[u8], answer: &[u8]) -> Option<usize> {
    let head = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
    Some(head(bytes)? + answer.len() - head(answer)?)
}

const ORIGIN: u64 = u64::MAX;
/// How long nothing may happen.
const REST: Duration = Duration::from_millis(50);
/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);
const ROUND: usize = 256;
const ROOM: usize = 4096;
