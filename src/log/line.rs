//! The lines: one for a TCP session, one for an HTTP request. Manual 1.4, sections 8.2.2 and 8.2.3.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;

use chrono::{DateTime, Local};

use haproxy_cfg_grammar::Dialect;

use super::escape::{escape, escape_header};
use super::pen::Pen;
use super::termination::Termination;

/// Milliseconds; -1 for a step that was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// `Tq`: until the request was complete.
    pub request: i64,
    /// `Tw`: in queues.
    pub queue: i64,
    /// `Tc`: until the server accepted.
    pub connect: i64,
    /// `Tr`: until the server answered.
    pub response: i64,
    /// `Tt`: the whole.
    pub total: i64,
}

impl Default for Timers {
    /// No step was reached.
    fn default() -> Self {
        Self {
            request: -1,
            queue: -1,
            connect: -1,
            response: -1,
            total: 0,
        }
    }
}

/// Concurrent sessions when the line was written, and retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of the process.
    pub process: u32,
    /// Of the frontend.
    pub frontend: u32,
    /// Of the backend.
    pub backend: u32,
    /// Of the server.
    pub server: u32,
    /// Connection attempts after the first.
    pub retries: u32,
    /// Whether another server was tried (a `+` before the retries).
    pub redispatched: bool,
    /// Requests that went before this one in the server's queue.
    pub server_queue: u32,
    /// Requests that went before this one in the backend's queue.
    pub backend_queue: u32,
}

/// What only HTTP lines have.
#[derive(Clone, Copy, Debug)]
pub struct HttpPart<'a> {
    /// Status sent to the client; -1 when none was.
    pub status: i32,
    /// Request line; `None` when it was not understood.
    pub request: Option<&'a [u8]>,
    /// What the persistence cookies say: the last two letters of the termination state.
    pub cookie_letters: [u8; 2],
    /// What `capture` has kept.
    pub captured: HttpCaptures<'a>,
}

/// What `capture` has kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpCaptures<'a> {
    /// The cookie of the request; empty when there is none.
    pub request_cookie: &'a [u8],
    /// The cookie of the response.
    pub response_cookie: &'a [u8],
    /// Headers of the request; those that were not there are empty.
    pub request_headers: &'a [Vec<u8>],
    /// Headers of the response.
    pub response_headers: &'a [Vec<u8>],
    /// How many headers of each are asked for, whether a message has come or not.
    pub wanted: (usize, usize),
}

impl<'a> HttpCaptures<'a> {
    /// Values of the request's and of the response's headers, one for each that is asked for.
    fn headers(&self) -> [impl ExactSizeIterator<Item = &'a [u8]>; 2] {
        let all = |values: &'a [Vec<u8>], wanted: usize| {
            (0..wanted).map(move |n| values.get(n).map_or(&b""[..], |value| value))
        };
        [
            all(self.request_headers, self.wanted.0),
            all(self.response_headers, self.wanted.1),
        ]
    }
}

/// What stands in the place of a server when none was chosen.
const NO_SERVER: &str = "<NOSRV>";

/// Everything that a line says.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The client; `None` for a Unix socket.
    pub client: Option<SocketAddr>,
    /// The number of the listener, which stands for the client of a Unix socket.
    pub listener: u32,
    /// When it connected.
    pub accepted: DateTime<Local>,
    /// Name of the frontend.
    pub frontend: &'a str,
    /// Name of the backend.
    pub backend: &'a str,
    /// Name of the server; `None` when none was chosen.
    pub server: Option<&'a str>,
    /// Durations.
    pub timers: Timers,
    /// Bytes sent to the client.
    pub bytes: u64,
    /// How it ended.
    pub termination: Termination,
    /// Counters.
    pub counts: Counts,
    /// Whether the line is written before the end (`option logasap`).
    pub early: bool,
}

impl<'a> Record<'a> {
    /// What there is to say of a connection that has not got any further.
    pub fn of_connection(
        client: Option<SocketAddr>,
        listener: u32,
        accepted: DateTime<Local>,
        frontend: &'a str,
    ) -> Self {
        Self {
            client,
            listener,
            accepted,
            frontend,
            backend: frontend,
            server: None,
            timers: Timers::default(),
            bytes: 0,
            termination: Termination::default(),
            counts: Counts::default(),
            early: false,
        }
    }

    /// The line of a connection that ends before it is a session: the listener, and why.
    pub fn unannounced(&self, listener: &str, why: &dyn fmt::Display, out: &mut Vec<u8>) {
        self.client_and_time(out);
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{}/{listener}: {why}", self.frontend);
    }

    fn client_and_names(&self, out: &mut Vec<u8>) {
        self.client_and_time(out);
        Pen(out)
            .text(self.frontend)
            .byte(b' ')
            .text(self.backend)
            .byte(b'/')
            .text(self.server.unwrap_or(NO_SERVER))
            .byte(b' ');
    }

    fn client_and_time(&self, out: &mut Vec<u8>) {
        let mut pen = Pen(out);
        match self.client {
            Some(client) => pen.address(client),
            None => pen.text("unix:").number(self.listener),
        };
        let at = &self.accepted;
        pen.text(" [").date(at).byte(b':').time(at).byte(b'.');
        pen.padded(at.timestamp_subsec_millis(), 3, b'0').text("] ");
    }

    fn counters(&self, out: &mut Vec<u8>) {
        let counts = &self.counts;
        let mut pen = Pen(out);
        for count in [
            counts.process,
            counts.frontend,
            counts.backend,
            counts.server,
        ] {
            pen.number(count).byte(b'/');
        }
        if counts.redispatched {
            pen.byte(b'+');
        }
        pen.number(counts.retries).byte(b' ');
        pen.number(counts.server_queue).byte(b'/');
        pen.number(counts.backend_queue);
    }

    /// A `+` before what a line of `option logasap` cannot know the end of.
    fn early(&self) -> &'static str {
        if self.early { "+" } else { "" }
    }

    /// The line of `option tcplog`.
    pub fn tcp(&self, out: &mut Vec<u8>) {
        self.client_and_names(out);
        let (early, t) = (self.early(), &self.timers);
        let mut pen = Pen(out);
        pen.numbers([t.queue, t.connect]).byte(b'/').text(early);
        pen.number(t.total).byte(b' ').text(early);
        pen.number(self.bytes).byte(b' ');
        pen.text(self.termination.letters()).byte(b' ');
        self.counters(out);
    }

    /// The line of `option httplog`.
    pub fn http(&self, http: &HttpPart<'_>, out: &mut Vec<u8>) {
        self.client_and_names(out);
        let (early, t) = (self.early(), &self.timers);
        let mut pen = Pen(out);
        pen.numbers([t.request, t.queue, t.connect, t.response]);
        pen.byte(b'/').text(early).number(t.total).byte(b' ');
        pen.number(http.status).byte(b' ').text(early);
        pen.number(self.bytes).byte(b' ');
        for cookie in [http.captured.request_cookie, http.captured.response_cookie] {
            pen.text(if cookie.is_empty() { b"-" } else { cookie });
            pen.byte(b' ');
        }
        pen.text(self.termination.letters());
        pen.text(http.cookie_letters).byte(b' ');
        self.counters(out);
        for values in http.captured.headers() {
            if values.len() == 0 {
                continue;
            }
            out.extend_from_slice(b" {");
            for (n, value) in values.enumerate() {
                if n > 0 {
                    out.push(b'|');
                }
                escape_header(value, out);
            }
            out.push(b'}');
        }
        out.extend_from_slice(b" \"");
        match http.request {
            Some(line) => escape(line, out),
            None => out.extend_from_slice(b"<BADREQ>"),
        }
        out.push(b'"');
    }

    /// The line of `option httplog clf`.
    pub fn clf(&self, http: &HttpPart<'_>, dialect: Dialect, out: &mut Vec<u8>) {
        let v1_4 = dialect == Dialect::V1_4;
        let mut pen = Pen(out);
        match self.client {
            Some(client) => pen.ip(client.ip()),
            None => pen.text("unix"),
        };
        let at = &self.accepted;
        pen.text(" - - [").date(at).byte(b':').time(at);
        // Writing to a Vec cannot fail.
        let _ = write!(out, " {}] \"", at.format("%z"));
        match http.request {
            Some(line) => escape(line, out),
            None => out.extend_from_slice(b"<BADREQ>"),
        }
        let empty = if v1_4 { "-" } else { "" };
        let port = self.client.map_or(0, |client| client.port());
        let t = &self.timers;
        let quote = if v1_4 { "\"" } else { "" };
        let early = if v1_4 { "" } else { self.early() };
        let mut pen = Pen(out);
        pen.text("\" ").number(http.status).byte(b' ');
        pen.text(early).number(self.bytes);
        for _ in ["referrer", "user agent"] {
            pen.text(" \"").text(empty).byte(b'"');
        }
        pen.byte(b' ').number(port).byte(b' ');
        pen.padded(at.timestamp_subsec_millis(), 3, b'0');
        for name in [
            self.frontend,
            self.backend,
            self.server.unwrap_or(NO_SERVER),
        ] {
            pen.text(" \"").text(name).byte(b'"');
        }
        for timer in [t.request, t.queue, t.connect, t.response] {
            pen.byte(b' ').number(timer);
        }
        pen.byte(b' ').text(early).number(t.total).byte(b' ');
        pen.text(quote).text(self.termination.letters());
        pen.text(http.cookie_letters).text(quote);
        let counts = &self.counts;
        for count in [
            counts.process,
            counts.frontend,
            counts.backend,
            counts.server,
        ] {
            pen.byte(b' ').number(count);
        }
        pen.byte(b' ');
        if counts.redispatched {
            pen.byte(b'+');
        }
        pen.number(counts.retries);
        for count in [counts.server_queue, counts.backend_queue] {
            pen.byte(b' ').number(count);
        }
        for cookie in [http.captured.request_cookie, http.captured.response_cookie] {
            out.extend_from_slice(b" \"");
            out.extend_from_slice(if cookie.is_empty() {
                empty.as_bytes()
            } else {
                cookie
            });
            out.push(b'"');
        }
        for values in http.captured.headers() {
            for value in values {
                out.extend_from_slice(b" \"");
                if value.is_empty() {
                    out.extend_from_slice(empty.as_bytes());
                } else {
                    escape_header(value, out);
                }
                out.push(b'"');
            }
        }
        // Since 1.5 the place of the response's headers is kept when there are none.
        if !v1_4 && http.captured.wanted.1 == 0 {
            out.push(b' ');
        }
    }

    /// The line when neither `tcplog` nor `httplog` was asked for: that a client has connected.
    pub fn connect(&self, to: SocketAddr, mode: &str, out: &mut Vec<u8>) {
        let mut pen = Pen(out);
        pen.text("Connect from ");
        match self.client {
            Some(client) => pen.address(client).text(" to ").address(to),
            None => pen.text("unix"),
        };
        pen.text(" (").text(self.frontend).byte(b'/').text(mode);
        pen.byte(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::termination::{Cause, Stage};
    use chrono::TimeZone;

    fn record() -> Record<'static> {
        Record {
            client: Some("10.0.0.1:4000".parse().unwrap()),
            listener: 1,
            accepted: Local.with_ymd_and_hms(2026, 11, 20, 1, 2, 3).unwrap(),
            frontend: "www",
            backend: "app",
            server: Some("s1"),
            timers: Timers {
                request: 1,
                queue: 0,
                connect: 2,
                response: 3,
                total: 6,
            },
            bytes: 41,
            termination: Termination::default(),
            counts: Counts {
                process: 1,
                frontend: 1,
                backend: 1,
                server: 1,
                ..Counts::default()
            },
            early: false,
        }
    }

    #[test]
    fn lines() {
        let mut out = Vec::new();
        record().http(
            &HttpPart {
                status: 200,
                request: Some(b"GET / HTTP/1.1"),
                cookie_letters: *b"--",
                captured: HttpCaptures::default(),
            },
            &mut out,
        );
        assert_eq!(
            String::from_utf8_lossy(&out),
            "10.0.0.1:4000 [20/Nov/2026:01:02:03.000] www app/s1 1/0/2/3/6 200 41 - - ---- \
             1/1/1/1/0 0/0 \"GET / HTTP/1.1\""
        );
        out.clear();
        let mut failed = record();
        failed.server = None;
        failed.termination = Termination::new(Cause::ServerAbort, Stage::Connect);
        failed.counts.retries = 3;
        failed.counts.redispatched = true;
        failed.timers.connect = -1;
        failed.tcp(&mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "10.0.0.1:4000 [20/Nov/2026:01:02:03.000] www app/<NOSRV> 0/-1/6 41 SC \
             1/1/1/1/+3 0/0"
        );
    }
}
