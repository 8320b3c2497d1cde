//! One check over its connection, or its connections.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, SocketFlags, SocketType};
use tokio::time::{Instant, timeout_at};

use crate::check::{Answer, Obstacle, Probe, Program, Report, Status, agent};
use crate::engine::socket::Socket;
use crate::engine::source::{self, Origin};
use crate::engine::target::{StartError, Target};
use crate::plan::{ProxyHeader, Source};
use crate::proxy_header;

/// Until when what must have happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// All of it.
    pub(super) whole: Instant,
    /// The connection stands.
    pub(super) connect: Instant,
    /// `timeout check`: how long an answer may take from then on, whatever `whole` says.
    pub(super) answer: Option<Duration>,
}

/// How a server goes on.
#[derive(Debug)]
enum Received {
    /// With bytes.
    More,
    /// Not at all.
    End,
    /// With a reset, after bytes that have come before it.
    Reset(Report),
}

/// A check that is to be made.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    pub(super) program: &'a Program,
    pub(super) target: Target,
    /// The address that it comes from, when that is said.
    pub(super) source: Option<Source>,
    pub(super) limits: Limits,
    /// How much of an answer is looked at.
    pub(super) room: usize,
    pub(super) v1_4: bool,
    /// The header that comes first.
    pub(super) send_proxy: Option<ProxyHeader>,
}

impl Conversation<'_> {
    /// Makes it. `state`, `now` and `is_up` are for [`Program::begin`]. What was `read` of an answer
    /// is left there; 1.4 takes what was there before for the beginning of the answer.
    pub(super) async fn run(
        &self,
        (state, now, is_up): (&[u8], u32, bool),
        read: &mut Vec<u8>,
    ) -> Report {
        let mut socket = match self.connect(&self.target, self.limits.connect).await {
            Ok(socket) => socket,
            Err(report) => return report,
        };
        if self.program.is_connect() && self.send_proxy.is_none() {
            socket.reset_on_close();
            return Report::new(Status::L4Ok);
        }
        let until = match self.limits.answer {
            Some(answer) => Instant::now() + answer,
            None => self.limits.whole,
        };
        let (mut probe, mut answer) = self.program.begin(state, now, is_up);
        if let Some(form) = self.send_proxy {
            let mut header = Vec::new();
            // The text form can only tell of a connection by its ends; the other one has a word for
            // those of the proxy itself.
            let ends = match form {
                ProxyHeader::V1 => socket.local_addr().zip(self.target.internet()),
                ProxyHeader::V2 => None,
            };
            proxy_header::write(form, ends, &mut header);
            if let Err(report) = self.send(&mut socket, &header, until).await {
                return report;
            }
        }
        loop {
            answer = match answer {
                Answer::Done(report) => return report,
                Answer::Send(bytes) => {
                    if !self.v1_4 {
                        read.clear();
                    }
                    match self.send(&mut socket, &bytes, until).await {
                        Ok(()) => probe.read(&[], false),
                        Err(report) => return self.located(report, &probe),
                    }
                }
                Answer::Connect(port) => {
                    read.clear();
                    let target = match port {
                        Some(port) => self.target.with_port(port),
                        None => self.target.clone(),
                    };
                    match self.connect(&target, until).await {
                        Ok(next) => socket = next,
                        Err(report) => return self.located(report, &probe),
                    }
                    probe.connected()
                }
                Answer::Wait => {
                    let received = match self.receive(&mut socket, read, until).await {
                        Ok(received) => received,
                        Err(report) => return self.located(report, &probe),
                    };
                    let more = matches!(received, Received::More);
                    let ended = !more || read.len() >= self.room;
                    match (probe.read(read, ended), received) {
                        (Answer::Wait, Received::Reset(report)) if !self.v1_4 => return report,
                        // Nothing more will come, and still it is not enough.
                        (Answer::Wait, _) if ended => {
                            if self.v1_4 {
                                drop(socket);
                            }
                            let silence = self.program.silence(read);
                            read.clear();
                            tokio::time::sleep_until(until).await;
                            return Report::new(silence);
                        }
                        (answer, _) => answer,
                    }
                }
            };
        }
    }

    /// A report with the place in the script where it failed.
    fn located(&self, report: Report, probe: &Probe<'_>) -> Report {
        let place = probe.place();
        if place.is_empty() {
            return report;
        }
        let words = [&report.said, place.as_bytes()].concat();
        let words = words.trim_ascii_start().to_vec();
        report.saying(&words)
    }

    async fn connect(&self, target: &Target, until: Instant) -> Result<Socket, Report> {
        let unix = target.internet().is_none();
        let mut socket = self.start(target).map_err(|error| match error {
            error if error.lacks_port() && (!self.v1_4 || self.has_range()) => {
                Report::not_begun(Obstacle::Port)
            }
            // 1.4 has no words for that.
            StartError::Source(_) if self.v1_4 => Report::new(Status::SocketError),
            StartError::Source(_) => Report::not_begun(Obstacle::Source),
            StartError::Connect(error) if self.v1_4 => refused(&error),
            StartError::Connect(error) => {
                let said = format!("General socket error ({})", words(&error));
                let status = if unix {
                    Status::SocketError
                } else {
                    refused(&error).status
                };
                Report::new(status).saying(said.as_bytes())
            }
        })?;
        // Within a machine the connection mostly stands by now: the poller need not hear of it.
        if net::getpeername(socket.fd()).is_ok_and(|peer| peer.is_some()) {
            return Ok(socket);
        }
        let connected = poll_fn(|cx| {
            socket
                .poll_writable(cx)
                .map(|ready| ready.and_then(|()| socket.take_error()))
        });
        match timeout_at(until, connected).await {
            Ok(Ok(())) => Ok(socket),
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(Report::new(Status::L4Timeout)),
        }
    }

    /// Whether it may come from one of several ports.
    fn has_range(&self) -> bool {
        let ports = self.source.as_ref().and_then(|source| source.ports);
        ports.is_some_and(|(low, high)| low != high)
    }

    fn start(&self, target: &Target) -> Result<Socket, StartError> {
        start(target, self.source.as_ref(), self.program.is_connect())
    }
}

/// Begins to connect. `unseen` keeps the last step of the handshake back.
fn start(target: &Target, source: Option<&Source>, unseen: bool) -> Result<Socket, StartError> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let new = net::socket_with(target.family(), SocketType::STREAM, flags, None);
    let fd = new.map_err(io::Error::from)?;
    let internet = target.internet().is_some();
    if let Some(source) = source.filter(|_| internet) {
        // A check belongs to no client.
        source::bind(fd.as_fd(), source, Origin::default()).map_err(StartError::Source)?;
    }
    if unseen && internet {
        // The server is spared the sight of a connection on which nothing comes: it is reset
        // before the last step of its handshake has left.
        let _ = net::sockopt::set_tcp_quickack(&fd, false);
    }
    match target.connect(&fd) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(Socket::new(fd)),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// What an agent has said, by the end of its line or of its connection.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) said: Vec<u8>,
    /// The connection ended with a reset.
    pub(super) reset: bool,
}

/// Asks an agent.
///
/// # Errors
/// Why it has not answered.
pub(super) async fn ask(target: &Target, question: &[u8], until: Instant) -> Result<Heard, Report> {
    let mut said = Vec::new();
    let mut connected = false;
    let conversation = async {
        let mut socket = start(target, None, false).map_err(io::Error::from)?;
        poll_fn(|cx| socket.poll_writable(cx)).await?;
        let error = socket.take_error();
        // Only a connection can be reset.
        let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        connected = error.as_ref().err().is_none_or(reset);
        error?;
        let mut rest = question;
        while !rest.is_empty() {
            let sent = poll_fn(|cx| socket.poll_send_now(cx, rest, &[], false)).await?;
            rest = &rest[sent..];
        }
        let mut room = [0; 512];
        while said.len() < AGENT_ROOM && agent::line(&said).is_none() {
            match poll_fn(|cx| socket.poll_recv(cx, &mut room)).await? {
                0 => break,
                n => said.extend_from_slice(&room[..n]),
            }
        }
        Ok::<(), io::Error>(())
    };
    match timeout_at(until, conversation).await {
        Ok(Ok(())) => Ok(Heard { said, reset: false }),
        Ok(Err(_)) if !said.is_empty() => Ok(Heard { said, reset: true }),
        Ok(Err(error)) if connected => {
            Err(Report::new(Status::SocketError).saying(words(&error).as_bytes()))
        }
        Ok(Err(error)) => Err(refused(&error)),
        Err(_) if connected => Err(Report::new(Status::L7Timeout)),
        Err(_) => Err(Report::new(Status::L4Timeout)),
    }
}

/// The report of a connection that could not be made.
fn refused(error: &io::Error) -> Report {
    let status = match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::TimedOut => Status::L4Refused,
        _ => Status::SocketError,
    };
    Report::new(status).saying(words(error).as_bytes())
}

/// How much of what an agent says is read.
const AGENT_ROOM: usize = 4096;

impl Conversation<'_> {
    async fn send(&self, socket: &mut Socket, bytes: &[u8], until: Instant) -> Result<(), Report> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = poll_fn(|cx| socket.poll_send_now(cx, rest, &[], false));
            match timeout_at(until, sent).await {
                Ok(Ok(n)) => rest = &rest[n..],
                Ok(Err(error)) => return Err(self.broken(&error)),
                Err(_) => return Err(Report::new(self.program.silence(&[]))),
            }
        }
        Ok(())
    }

    /// Reads once.
    async fn receive(
        &self,
        socket: &mut Socket,
        read: &mut Vec<u8>,
        until: Instant,
    ) -> Result<Received, Report> {
        let mut room = [0; 4096];
        let most = room.len().min(self.room - read.len().min(self.room)).max(1);
        let received = poll_fn(|cx| socket.poll_recv(cx, &mut room[..most]));
        match timeout_at(until, received).await {
            Ok(Ok(0)) => Ok(Received::End),
            Ok(Ok(n)) => {
                read.extend_from_slice(&room[..n]);
                Ok(Received::More)
            }
            Ok(Err(error)) if !read.is_empty() && self.program.ends_with_reset() => {
                Ok(Received::Reset(self.broken(&error)))
            }
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(Report::new(self.program.silence(read))),
        }
    }

    fn broken(&self, error: &io::Error) -> Report {
        let report = Report::new(Status::SocketError);
        if self.v1_4 {
            report
        } else {
            report.saying(words(error).as_bytes())
        }
    }
}

/// An error of the system in its own words.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
