//! Log lines as JSON, one object on each line: `log stdout format json local0`.
//!
//! `docs/logs.md` has the schema; a test holds it against what is written.

use std::net::SocketAddr;

use chrono::{DateTime, Local, SecondsFormat};
use serde_json::{Map, Value};

use super::line::{HttpPart, Record};
use crate::plan::{Facility, Severity};

/// What every line has.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// When.
    pub time: DateTime<Local>,
    /// How bad.
    pub severity: Severity,
    /// For whom.
    pub facility: Facility,
    /// Who writes: `log-tag`.
    pub program: &'a str,
    /// The process.
    pub pid: u32,
}

/// Appends an object, without the end of its line.
pub fn line(head: &Head<'_>, message: &[u8], fields: Map<String, Value>, out: &mut Vec<u8>) {
    let mut object = fields;
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put(
        "time",
        head.time
            .to_rfc3339_opts(SecondsFormat::Millis, true)
            .into(),
    );
    put("severity", name_of(&SEVERITIES, head.severity.0).into());
    put("facility", name_of(&FACILITIES, head.facility.0).into());
    put("program", head.program.into());
    put("pid", head.pid.into());
    put("message", text(message));
    // A map of strings and numbers can always be written.
    let _ = serde_json::to_writer(out, &Value::Object(object));
}

impl Record<'_> {
    fn common_fields(&self, kind: &str) -> Map<String, Value> {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("kind", kind.into());
        if let Some(client) = self.client {
            put("client", client.ip().to_string().into());
            put("client_port", client.port().into());
        }
        put(
            "accepted",
            self.accepted
                .to_rfc3339_opts(SecondsFormat::Millis, true)
                .into(),
        );
        put("frontend", self.frontend.into());
        object
    }

    /// What the line about a connection to `to` says, by name.
    pub fn connect_fields(&self, to: SocketAddr) -> Map<String, Value> {
        let mut object = self.common_fields("connect");
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("local", to.ip().to_string().into());
        put("local_port", to.port().into());
        object
    }

    /// What the line of a session or request says, by name.
    pub fn fields(&self, http: Option<&HttpPart<'_>>) -> Map<String, Value> {
        let mut object = self.common_fields(if http.is_some() { "http" } else { "tcp" });
        let mut put = |name: &str, value: Value| {
            object.insert(name.to_owned(), value);
        };
        put("backend", self.backend.into());
        if let Some(server) = self.server {
            put("server", server.into());
        }
        let t = &self.timers;
        let timers = [
            ("request", t.request),
            ("queue", t.queue),
            ("connect", t.connect),
            ("response", t.response),
            ("total", t.total),
        ];
        let reached = timers.into_iter().filter(|(_, ms)| *ms >= 0);
        put(
            "timers",
            reached
                .map(|(name, ms)| (name.to_owned(), ms.into()))
                .collect::<Map<_, _>>()
                .into(),
        );
        put("bytes", self.bytes.into());
        let mut letters = self.termination.letters().to_vec();
        letters.extend(http.map(|http| http.cookie_letters).into_iter().flatten());
        put("termination", text(&letters));
        let counts = &self.counts;
        put("retries", counts.retries.into());
        put("redispatched", counts.redispatched.into());
        put(
            "sessions",
            numbers([
                ("process", counts.process),
                ("frontend", counts.frontend),
                ("backend", counts.backend),
                ("server", counts.server),
            ]),
        );
        put(
            "queues",
            numbers([
                ("server", counts.server_queue),
                ("backend", counts.backend_queue),
            ]),
        );
        let Some(http) = http else {
            return object;
        };
        if http.status >= 0 {
            put("status", http.status.into());
        }
        if let Some(request) = http.request {
            put("request", text(request));
        }
        let captured = &http.captured;
        for (name, cookie) in [
            ("request_cookie", captured.request_cookie),
            ("response_cookie", captured.response_cookie),
        ] {
            if !cookie.is_empty() {
                put(name, text(cookie));
            }
        }
        for (name, headers) in [
            ("request_headers", captured.request_headers),
            ("response_headers", captured.response_headers),
        ] {
            if !headers.is_empty() {
                put(name, headers.iter().map(|h| text(h)).collect());
            }
        }
        object
    }
}

fn numbers<const N: usize>(pairs: [(&str, u32); N]) -> Value {
    let pairs = pairs
        .into_iter()
        .map(|(name, n)| (name.to_owned(), Value::from(n)));
    Value::Object(pairs.collect())
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn name_of<'n>(names: &[&'n str], number: u8) -> &'n str {
    names.get(usize::from(number)).copied().unwrap_or("unknown")
}

const SEVERITIES: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2",
    "ftp", "ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;

    #[test]
    fn lines() {
        let head = Head {
            time: Local.with_ymd_and_hms(2026, 2, 3, 4, 5, 6).unwrap(),
            severity: Severity(5),
            facility: Facility(16),
            program: "haproxy",
            pid: 42,
        };
        let mut out = Vec::new();
        line(&head, b"Proxy \"a\" started.", Map::new(), &mut out);
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["severity"], "notice");
        assert_eq!(value["facility"], "local0");
        assert_eq!(value["message"], "Proxy \"a\" started.");
        assert!(!out.contains(&b'\n'));
    }
}
