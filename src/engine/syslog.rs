//! Sends log lines. A target that is full or gone never holds traffic up: the line is dropped and
//! counted.

use std::cell::RefCell;
use std::io::{self, Stderr, Stdout};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Local};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Map, Value};

use crate::log::{json, syslog};
use crate::plan::{Global, LogAddress, LogFrame, LogTarget, Severity};

/// Lines that could not be sent, in the whole process.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines that could not be sent since the start of the process.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The sockets of one thread, opened when first needed.
#[derive(Debug)]
pub(crate) struct Sender {
    /// One for each target: the way to it is looked up once.
    udp: RefCell<Vec<(SocketAddr, UdpSocket)>>,
    unix: RefCell<Option<UnixDatagram>>,
    stdout: Stdout,
    stderr: Stderr,
    /// What was last said, and the line that went to a target: kept for their room.
    text: RefCell<Vec<u8>>,
    line: RefCell<Vec<u8>>,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            udp: RefCell::default(),
            unix: RefCell::default(),
            stdout: io::stdout(),
            stderr: io::stderr(),
            text: RefCell::default(),
            line: RefCell::default(),
        }
    }
}

impl Sender {
    /// Sends a text to every target that wants its severity.
    pub(crate) fn send(
        &self,
        targets: &[LogTarget],
        global: &Global,
        severity: Severity,
        text: &[u8],
    ) {
        let compose = |out: &mut Vec<u8>| out.extend_from_slice(text);
        self.send_with(targets, global, severity, compose, Map::new);
    }

    /// The same for a text that is composed in place, and whose parts have names, which only some
    /// targets want to know.
    pub(crate) fn send_with(
        &self,
        targets: &[LogTarget],
        global: &Global,
        severity: Severity,
        compose: impl FnOnce(&mut Vec<u8>),
        fields: impl Fn() -> Map<String, Value>,
    ) {
        let (mut text, mut line) = (self.text.borrow_mut(), self.line.borrow_mut());
        text.clear();
        compose(&mut text);
        let now = Local::now();
        for target in targets {
            let Some(severity) = syslog::level(target, severity) else {
                continue;
            };
            line.clear();
            write(target, global, severity, now, &text, &fields, &mut line);
            if !self.transmit(&target.address, &line) {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn transmit(&self, address: &LogAddress, line: &[u8]) -> bool {
        match address {
            LogAddress::Udp(to) => self.transmit_udp(*to, line),
            LogAddress::Unix(path) => {
                let mut slot = self.unix.borrow_mut();
                if slot.is_none() {
                    *slot = UnixDatagram::unbound()
                        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
                        .ok();
                }
                slot.as_ref()
                    .is_some_and(|socket| socket.send_to(line, path).is_ok())
            }
            LogAddress::Stdout => print(self.stdout.as_fd(), line, &mut PRINTING.lock()[0]),
            LogAddress::Stderr => print(self.stderr.as_fd(), line, &mut PRINTING.lock()[1]),
        }
    }
}

/// The name of this host: what `log-send-hostname` shows when it does not give another.
fn own_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(super::statistics::host_name)
}

/// The number of this process. The first line is written by the process that stays.
fn pid() -> u32 {
    static PID: OnceLock<u32> = OnceLock::new();
    *PID.get_or_init(std::process::id)
}

impl Sender {
    fn transmit_udp(&self, to: SocketAddr, line: &[u8]) -> bool {
        let mut sockets = self.udp.borrow_mut();
        let known = sockets.iter().position(|(address, _)| *address == to);
        let place = match known {
            Some(place) => place,
            None => {
                let Ok(socket) = udp(to) else {
                    return false;
                };
                // Targets of plans that are gone.
                if sockets.len() >= KEPT {
                    sockets.clear();
                }
                sockets.push((to, socket));
                sockets.len() - 1
            }
        };
        let socket = &sockets[place].1;
        match socket.send(line) {
            // That is about the line before: nobody listened then.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                socket.send(line).is_ok()
            }
            result => result.is_ok(),
        }
    }
}

/// UDP sockets that a thread keeps.
const KEPT: usize = 32;

fn udp(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = match to {
        SocketAddr::V4(_) => "0.0.0.0:0",
        SocketAddr::V6(_) => "[::]:0",
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    Ok(socket)
}

/// What a target gets.
fn write(
    target: &LogTarget,
    global: &Global,
    severity: Severity,
    now: DateTime<Local>,
    text: &[u8],
    fields: impl Fn() -> Map<String, Value>,
    line: &mut Vec<u8>,
) {
    if target.frame == LogFrame::Json {
        let head = json::Head {
            time: now,
            severity,
            facility: target.facility,
            program: &global.log_tag,
            pid: pid(),
        };
        json::line(&head, text, fields(), line);
        // An object that is cut is none.
        line.push(b'\n');
        return;
    }
    let host = match global.log_send_hostname.as_deref() {
        Some("") => Some(own_name()),
        named => named,
    };
    let frame = syslog::Frame {
        facility: target.facility,
        severity,
        time: now,
        host,
        tag: &global.log_tag,
        pid: pid(),
    };
    match target.frame {
        LogFrame::Rfc5424 => frame.rfc5424(line),
        LogFrame::Short => frame.short(line),
        LogFrame::Raw | LogFrame::Json => {}
        LogFrame::Rfc3164 => frame.rfc3164(line),
    }
    line.extend_from_slice(text);
    line.truncate(target.len as usize - 1);
    line.push(b'\n');
}

/// Longest write to a pipe that goes as a whole or not at all.
const PIPE_BUF: usize = 4096;

/// Held while a line is printed: the room that one thread has seen must not be taken by another, and
/// lines must not mix. Says of both streams whether the last line was cut.
static PRINTING: Mutex<[bool; 2]> = Mutex::new([false; 2]);

/// Prints without ever waiting for whoever reads. What follows a line that was cut starts on a line
/// of its own.
fn print(to: BorrowedFd<'_>, line: &[u8], cut: &mut bool) -> bool {
    if *cut {
        if !print_pieces(to, b"\n").whole {
            return false;
        }
        *cut = false;
    }
    let printed = print_pieces(to, line);
    *cut = printed.begun && !printed.whole;
    printed.whole
}

/// How much of a line is out.
struct Printed {
    begun: bool,
    whole: bool,
}

fn print_pieces(to: BorrowedFd<'_>, line: &[u8]) -> Printed {
    let mut begun = false;
    for piece in line.chunks(PIPE_BUF) {
        let mut ready = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let writable = poll(&mut ready, Some(&now)).is_ok_and(|n| n > 0)
            && ready[0].revents().contains(PollFlags::OUT);
        let written = if writable {
            rustix::io::write(to, piece).unwrap_or(0)
        } else {
            0
        };
        begun |= written > 0;
        if written < piece.len() {
            return Printed {
                begun,
                whole: false,
            };
        }
    }
    Printed { begun, whole: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_sleeps_costs_lines_and_no_time() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let line = [b'x'; 1000];
        let sent = (0..1000)
            .filter(|_| print(writer.as_fd(), &line, &mut false))
            .count();
        assert!((15..=70).contains(&sent), "{sent}");
        drop(reader);
    }

    #[test]
    fn a_line_after_one_that_was_cut_starts_on_its_own() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut cut = false;
        // No pipe holds a whole number of these.
        let long = [b'x'; 3 * PIPE_BUF];
        while print(writer.as_fd(), &long, &mut cut) {}
        assert!(cut);
        let mut piece = [0; 2 * PIPE_BUF];
        let mut length = rustix::io::read(&reader, &mut piece).unwrap();
        assert!(print(writer.as_fd(), b"next\n", &mut cut));
        drop(writer);
        let mut seen = Vec::new();
        while length > 0 {
            seen.extend_from_slice(&piece[..length]);
            length = rustix::io::read(&reader, &mut piece).unwrap();
        }
        assert!(seen.ends_with(b"x\nnext\n"), "{}", seen.len());
    }
}
