//! What is shown of sessions: `show sess`. Manual 1.4, section 9.2.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};
use haproxy_cfg_grammar::Dialect;

use super::Named;

/// A proxy that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u32,
    /// `http`, `tcp` or `health`.
    pub mode: &'static str,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionReport {
    /// What tells it from the others while it lives.
    pub key: u64,
    /// Its number.
    pub id: u64,
    /// The client; `None` on a Unix socket.
    pub peer: Option<SocketAddr>,
    /// The frontend.
    pub frontend: Party,
    /// Number of the listener.
    pub listener: u32,
    /// The backend, once one is chosen.
    pub backend: Option<Party>,
    /// The server, while it is connected to one.
    pub server: Option<Named>,
    /// When it began.
    pub accepted: SystemTime,
    /// Since then.
    pub age: Duration,
    /// How often it was woken.
    pub calls: u64,
    /// When it ends if nothing happens.
    pub expires: Option<Duration>,
    /// Descriptor of the client's connection.
    pub descriptor: i32,
}

impl SessionReport {
    /// Appends its line in the list.
    pub fn line(&self, dialect: Dialect, out: &mut String) {
        let v1_4 = dialect == Dialect::V1_4;
        // Writing to a String cannot fail.
        let _ = write!(out, "0x{:x}: proto={}", self.key, self.protocol());
        match (self.peer, v1_4) {
            (None, true) => {}
            (peer, _) => {
                let source = peer.map_or_else(
                    || format!("unix:{}", self.listener),
                    |peer| peer.to_string(),
                );
                let backend = self.backend.as_ref().map_or("<NONE>", |b| &b.name);
                let server = self.server.as_ref().map_or("<none>", |s| &s.name);
                let _ = write!(
                    out,
                    " src={source} fe={} be={backend} srv={server}",
                    self.frontend.name
                );
            }
        }
        let length = if v1_4 { "l" } else { "i" };
        let buffer = format!("[f=000000h,{length}=0,an=00h,rx=,wx=,ax=]");
        let _ = writeln!(
            out,
            " ts=00 age={} calls={} rq{buffer} rp{buffer} s0=[7,8h,fd={},ex=] s1=[7,0h,fd=-1,ex=] \
             exp={}",
            human(self.age),
            self.calls,
            self.descriptor,
            self.expires.map(human).unwrap_or_default(),
        );
    }

    /// Appends all that is known.
    pub fn details(&self, out: &mut String) {
        let when: DateTime<Local> = self.accepted.into();
        let party = |party: &Party| format!("{} (id={} mode={})", party.name, party.id, party.mode);
        let backend = self.backend.as_ref();
        let backend = backend.map_or_else(|| "<NONE> (id=-1 mode=-)".to_owned(), party);
        let server = self.server.as_ref();
        let server = server.map_or_else(
            || "<NONE> (id=-1)".to_owned(),
            |server| format!("{} (id={})", server.name, server.id),
        );
        let source = self.peer.map_or_else(
            || format!("unix:{}", self.listener),
            |peer| peer.to_string(),
        );
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "0x{:x}: [{}] id={} proto={} source={source}\n  frontend={}, listener=? (id={})\n  \
             backend={backend}\n  server={server}\n  task=0x{:x} (calls={} exp={} age={})\n  \
             si[0]=0x{:x} (fd={})",
            self.key,
            when.format("%d/%b/%Y:%H:%M:%S%.6f"),
            self.id,
            self.protocol(),
            party(&self.frontend),
            self.listener,
            self.key,
            self.calls,
            self.expires.map_or_else(|| "<NEVER>".to_owned(), human),
            human(self.age),
            self.key,
            self.descriptor,
        );
    }

    fn protocol(&self) -> &'static str {
        match self.peer {
            Some(SocketAddr::V4(_)) => "tcpv4",
            Some(SocketAddr::V6(_)) => "tcpv6",
            None => "unix_stream",
        }
    }
}

/// A time in its one or two largest units.
fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [
        (seconds / 86400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .filter(|(n, _)| *n != 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "0s"),
            (9, "9s"),
            (61, "1m1s"),
            (3600, "1h"),
            (90000, "1d1h"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn lines() {
        let mut report = SessionReport {
            key: 0x1234,
            id: 7,
            peer: Some(([127, 0, 0, 1], 4000).into()),
            frontend: Party {
                name: "web".into(),
                id: 1,
                mode: "http",
            },
            listener: 1,
            backend: None,
            server: None,
            accepted: SystemTime::UNIX_EPOCH,
            age: Duration::from_secs(3),
            calls: 2,
            expires: Some(Duration::from_secs(10)),
            descriptor: 9,
        };
        let mut out = String::new();
        report.line(Dialect::V1_4, &mut out);
        assert!(out.starts_with(
            "0x1234: proto=tcpv4 src=127.0.0.1:4000 fe=web be=<NONE> srv=<none> ts=00 age=3s calls=2"
        ));
        assert!(out.ends_with(" exp=10s\n"));
        report.peer = None;
        out.clear();
        report.line(Dialect::V1_4, &mut out);
        assert!(out.starts_with("0x1234: proto=unix_stream ts=00"));
    }
}
