//! Sends log lines. A target that is full or gone never holds traffic up: the line is dropped and
//! counted.

use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Local;

use crate::log::syslog;
use crate::plan::{Global, LogAddress, LogTarget, Severity};

/// Lines that could not be sent, in the whole process.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines that could not be sent since the start of the process.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The sockets of one thread, opened when first needed.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    v4: RefCell<Option<UdpSocket>>,
    v6: RefCell<Option<UdpSocket>>,
    unix: RefCell<Option<UnixDatagram>>,
    line: RefCell<Vec<u8>>,
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
        let mut line = self.line.borrow_mut();
        for target in targets {
            let Some(severity) = syslog::level(target, severity) else {
                continue;
            };
            line.clear();
            syslog::frame(
                target.facility,
                severity,
                Local::now(),
                global.log_send_hostname.as_deref(),
                &global.log_tag,
                std::process::id(),
                &mut line,
            );
            line.extend_from_slice(text);
            line.truncate(syslog::MAX_LINE - 1);
            line.push(b'\n');
            if !self.transmit(&target.address, &line) {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn transmit(&self, address: &LogAddress, line: &[u8]) -> bool {
        match address {
            LogAddress::Udp(to) => {
                let (slot, any) = match to {
                    SocketAddr::V4(_) => (&self.v4, "0.0.0.0:0"),
                    SocketAddr::V6(_) => (&self.v6, "[::]:0"),
                };
                let mut slot = slot.borrow_mut();
                if slot.is_none() {
                    *slot = UdpSocket::bind(any)
                        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
                        .ok();
                }
                slot.as_ref()
                    .is_some_and(|socket| socket.send_to(line, to).is_ok())
            }
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
        }
    }
}
