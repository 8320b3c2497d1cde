//! The last invalid message of a proxy: `show errors`. Manual 1.4, section 9.2.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::SystemTime;

use chrono::{DateTime, Local};
use haproxy_cfg_grammar::Dialect;

/// A name and the number that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The number.
    pub id: u32,
}

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A request, kept by a frontend.
    Request,
    /// A response, kept by a backend.
    Response,
}

/// A message that was refused, or let through against the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Which message.
    pub direction: Direction,
    /// When.
    pub when: SystemTime,
    /// Who sent it, or to whom it should have gone; `None` on a Unix socket.
    pub source: Option<SocketAddr>,
    /// The proxy that keeps it.
    pub proxy: Named,
    /// The backend of a request, when one was chosen; the frontend of a response.
    pub other: Option<Named>,
    /// The server.
    pub server: Option<Named>,
    /// Number of the session.
    pub session: u64,
    /// How many were captured before in the process.
    pub event: u64,
    /// What was at hand of the message.
    pub bytes: Vec<u8>,
    /// Where in it the mistake is.
    pub position: usize,
    /// Bytes that have come altogether.
    pub total: u64,
    /// The length of the body, as far as it is known.
    pub body: u64,
    /// Size of the buffer.
    pub bufsize: u32,
}

impl Captured {
    /// Whether a number, of the proxy or of the one on the other side, is meant.
    pub fn concerns(&self, proxy: i64) -> bool {
        proxy < 0
            || i64::from(self.proxy.id) == proxy
            || self
                .other
                .as_ref()
                .is_some_and(|o| i64::from(o.id) == proxy)
    }

    /// Appends the report.
    pub fn report(&self, dialect: Dialect, out: &mut String) {
        let v1_4 = dialect == Dialect::V1_4;
        let named = |named: &Option<Named>| match named {
            Some(named) => format!("{} (#{})", named.name, named.id),
            None => "<NONE> (#-1)".to_owned(),
        };
        let (proxy, server) = (&self.proxy, named(&self.server));
        let kind = match self.direction {
            Direction::Request => {
                format!("frontend {} (#{}): invalid request", proxy.name, proxy.id)
            }
            // 1.4 has a space too many.
            Direction::Response => format!(
                "backend {} (#{}){}: invalid response",
                proxy.name,
                proxy.id,
                if v1_4 { " " } else { "" }
            ),
        };
        let side = match self.direction {
            Direction::Request => "backend",
            Direction::Response => "frontend",
        };
        let other = format!("{side} {}", named(&self.other));
        // Writing to a String cannot fail.
        let _ = writeln!(out, " \n[{}] {kind}", stamp(self.when));
        let (session, event, len) = (self.session, self.event, self.bytes.len());
        let position = self.position;
        if v1_4 {
            let source = self
                .source
                .map_or_else(|| "unix".to_owned(), |s| s.ip().to_string());
            let message = match self.direction {
                Direction::Request => "request",
                Direction::Response => "response",
            };
            let _ = write!(
                out,
                "  src {source}, session #{session}, {other}, server {server}\n  \
                 HTTP internal state 26, buffer flags 0x00000000, event #{event}\n  \
                 {message} length {len} bytes, error at position {position}:\n \n"
            );
        } else {
            let source = self
                .source
                .map_or_else(|| "unix:1".to_owned(), |s| s.to_string());
            let _ = write!(
                out,
                "  {other}, server {server}, event #{event}\n  \
                 src {source}, session #{session}, session flags 0x00000080\n  \
                 HTTP msg state MSG_ERROR(26), msg flags 0x00000000, tx flags 0x00000000\n  \
                 HTTP chunk len {} bytes, HTTP body len {} bytes\n  \
                 buffer flags 0x00000000, out 0 bytes, total {} bytes\n  \
                 pending {len} bytes, wrapping at {}, error at position {position}:\n \n",
                self.body, self.body, self.total, self.bufsize
            );
        }
        dump(&self.bytes, out);
    }
}

/// The first line of the report: when it is, and how many were captured.
pub fn heading(now: SystemTime, events: u64) -> String {
    format!("Total events captured on [{}] : {events}\n", stamp(now))
}

fn stamp(when: SystemTime) -> impl std::fmt::Display {
    let when: DateTime<Local> = when.into();
    when.format("%d/%b/%Y:%H:%M:%S%.3f")
}

/// How wide the text of a line may become.
const WIDTH: usize = 70;

/// Appends bytes line by line, with the offset of each; a `+` says that a line goes on.
fn dump(bytes: &[u8], out: &mut String) {
    let mut at = 0;
    let mut goes_on = false;
    while at < bytes.len() {
        let _ = write!(out, "  {at:05}{} ", if goes_on { '+' } else { ' ' });
        let mut width = 0;
        goes_on = true;
        while let Some(byte) = bytes.get(at) {
            let mut text = [0; 4];
            let text = escape(*byte, &mut text);
            if width + text.len() > WIDTH {
                break;
            }
            out.push_str(text);
            width += text.len();
            at += 1;
            if *byte == b'\n' {
                goes_on = false;
                break;
            }
        }
        out.push('\n');
    }
}

fn escape(byte: u8, room: &mut [u8; 4]) -> &str {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let len = match byte {
        b'\t' => put(room, b"\\t"),
        b'\n' => put(room, b"\\n"),
        b'\r' => put(room, b"\\r"),
        0x1b => put(room, b"\\e"),
        b'\\' => put(room, b"\\\\"),
        b' '..=b'~' => put(room, &[byte]),
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            put(room, &[b'\\', b'x', digits[0], digits[1]])
        }
    };
    // Only ASCII was put.
    std::str::from_utf8(&room[..len]).unwrap_or("?")
}

fn put(room: &mut [u8; 4], text: &[u8]) -> usize {
    room[..text.len()].copy_from_slice(text);
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_become_too_wide() {
        let mut out = String::new();
        let mut bytes = b"GET / HTTP/1.0\r\nHost: \x01".to_vec();
        bytes.extend_from_slice(&[b'a'; 59]);
        bytes.extend_from_slice(b"\x80b\\\r\n\r\n");
        dump(&bytes, &mut out);
        let a = "a".repeat(59);
        assert_eq!(
            out,
            format!(
                "  00000  GET / HTTP/1.0\\r\\n\n  00016  Host: \\x01{a}\n  00082+ \\x80b\\\\\\r\\n\n  \
                 00087  \\r\\n\n"
            )
        );
    }

    #[test]
    fn reports() {
        let captured = Captured {
            direction: Direction::Response,
            when: SystemTime::UNIX_EPOCH,
            source: Some(([127, 0, 0, 1], 4000).into()),
            proxy: Named {
                name: "app".into(),
                id: 4,
            },
            other: None,
            server: None,
            session: 7,
            event: 2,
            bytes: b"x\n".to_vec(),
            position: 0,
            total: 2,
            body: 0,
            bufsize: 16384,
        };
        assert!(captured.concerns(-1) && captured.concerns(4) && !captured.concerns(3));
        let mut old = String::new();
        captured.report(Dialect::V1_4, &mut old);
        assert!(
            old.contains("] backend app (#4) : invalid response\n  src 127.0.0.1, session #7, ")
        );
        assert!(old.ends_with("response length 2 bytes, error at position 0:\n \n  00000  x\\n\n"));
        let mut new = String::new();
        captured.report(Dialect::V1_8, &mut new);
        assert!(new.contains("] backend app (#4): invalid response\n  frontend <NONE> (#-1), "));
        assert!(new.contains("\n  src 127.0.0.1:4000, session #7, session flags"));
    }
}
