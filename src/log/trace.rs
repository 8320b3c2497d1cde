//! The trace of debug mode (`-d`, `debug`): a line for each step of a session and for each header.
//!
//! A line begins with the number of the session, a section, the step, and the descriptors of both
//! sides: `00000001:www.clireq[0007:ffff]: GET / HTTP/1.1`.

use std::fmt;

use haproxy_cfg_grammar::Dialect;

use crate::http1::{Head, Kind};

/// What becomes of one side of a session, as far as the trace shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is none.
    None,
    /// A socket, by its descriptor.
    Open(i32),
    /// A socket that is about to be closed: since 1.5 its number means nothing any more.
    Closed(i32),
}

/// What every line of a session begins with.
#[derive(Clone, Copy, Debug)]
pub struct Prefix<'a> {
    /// Whose form.
    pub dialect: Dialect,
    /// The number of the session, in the order of their starts.
    pub number: u32,
    /// The section that serves the session now.
    pub section: &'a str,
    /// The client.
    pub client: End,
    /// The server.
    pub server: End,
}

impl Prefix<'_> {
    /// A connection was accepted on a listening socket.
    pub fn accepted(&self, listening: i32, from: &dyn fmt::Display) -> Vec<u8> {
        let descriptor = match self.client {
            End::None => -1,
            End::Open(fd) | End::Closed(fd) => fd,
        };
        let protocol = match self.dialect {
            Dialect::V1_4 => "",
            _ => " ALPN=<none>",
        };
        format!(
            "{:08x}:{}.accept({listening:04x})={descriptor:04x} from [{from}]{protocol}\n",
            self.number, self.section
        )
        .into_bytes()
    }

    /// A side was closed, or the session is over: `srvcls`, `clicls`, `closed`.
    pub fn step(&self, step: &str) -> Vec<u8> {
        let mut line = self.begin(step);
        line.push(b'\n');
        line
    }

    /// A head as it was received, as far as it was understood.
    pub fn head(&self, head: &Head, bytes: &[u8]) -> Vec<u8> {
        let (start, header) = match head.kind() {
            Kind::Request => ("clireq", "clihdr"),
            Kind::Response => ("srvrep", "srvhdr"),
        };
        let mut out = self.text(start, head.received_start_line(bytes));
        for index in head.lines() {
            out.extend(self.text(header, head.line(bytes, index)));
        }
        out
    }

    /// The head of an answer that the proxy has written itself.
    pub fn own_answer(&self, message: &[u8]) -> Vec<u8> {
        let lines = message.split(|b| *b == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let steps = std::iter::once("srvrep").chain(std::iter::repeat("srvhdr"));
        let mut out = Vec::new();
        for (step, line) in steps.zip(lines.take_while(|line| !line.is_empty())) {
            out.extend(self.text(step, line));
        }
        out
    }

    fn begin(&self, step: &str) -> Vec<u8> {
        let (client, server) = (self.descriptor(self.client), self.descriptor(self.server));
        let (number, section) = (self.number, self.section);
        format!("{number:08x}:{section}.{step}[{client}:{server}]").into_bytes()
    }

    fn text(&self, step: &str, text: &[u8]) -> Vec<u8> {
        let mut line = self.begin(step);
        line.extend_from_slice(b": ");
        line.extend_from_slice(text);
        line.push(b'\n');
        line
    }

    fn descriptor(&self, end: End) -> String {
        match (end, self.dialect) {
            (End::None, Dialect::V1_4) => "ffff".to_owned(),
            (End::None, _) => "ffffffff".to_owned(),
            (End::Open(fd), _) | (End::Closed(fd), Dialect::V1_4) => format!("{fd:04x}"),
            (End::Closed(_), _) => "adfd".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Tolerance;

    fn prefix(dialect: Dialect) -> Prefix<'static> {
        Prefix {
            dialect,
            number: 27,
            section: "www",
            client: End::Open(12),
            server: End::None,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn steps_in_the_form_of_each_version() {
        let old = prefix(Dialect::V1_4);
        let late = prefix(Dialect::V1_8);
        let from = "127.0.0.1:4000";
        assert_eq!(
            text(old.accepted(4, &from)),
            "0000001b:www.accept(0004)=000c from [127.0.0.1:4000]\n"
        );
        assert_eq!(
            text(late.accepted(4, &from)),
            "0000001b:www.accept(0004)=000c from [127.0.0.1:4000] ALPN=<none>\n"
        );
        assert_eq!(text(old.step("clicls")), "0000001b:www.clicls[000c:ffff]\n");
        let closed = |dialect| Prefix {
            client: End::Closed(12),
            server: End::Closed(13),
            ..prefix(dialect)
        };
        for (dialect, line) in [
            (Dialect::V1_4, "0000001b:www.closed[000c:000d]\n"),
            (Dialect::V1_8, "0000001b:www.closed[adfd:adfd]\n"),
        ] {
            assert_eq!(text(closed(dialect).step("closed")), line);
        }
    }

    #[test]
    fn heads_line_by_line_as_they_came() {
        let mut bytes = b"\r\nGET /x HTTP/1.1\r\nHost: a\r\n b\r\nempty:\r\n\r\n".to_vec();
        let mut head = Head::new(Kind::Request);
        head.scan(&mut bytes, Tolerance::default());
        head.append(b"added: 1");
        let lines = text(prefix(Dialect::V1_8).head(&head, &bytes));
        let begin = "0000001b:www.cli";
        let end = "[000c:ffffffff]: ";
        assert_eq!(
            lines.lines().take(3).collect::<Vec<_>>(),
            [
                format!("{begin}req{end}GET /x HTTP/1.1"),
                format!("{begin}hdr{end}Host: a   b"),
                format!("{begin}hdr{end}empty:"),
            ]
        );
        let answer = b"HTTP/1.1 303 See Other\r\nLocation: /;st=DONE\r\n\r\nbody: 1\r\n";
        assert_eq!(
            text(prefix(Dialect::V1_4).own_answer(answer)),
            "0000001b:www.srvrep[000c:ffff]: HTTP/1.1 303 See Other\n\
             0000001b:www.srvhdr[000c:ffff]: Location: /;st=DONE\n"
        );
    }
}
