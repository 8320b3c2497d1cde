//! Clients: each sends one request, and says in a word what it got.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use regex::bytes::Regex as BytesRegex;
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use super::script::Visit;
use super::stage::Stage;
use crate::connection::{Connection, PeerEnd, Seen};
use crate::text::from_bytes;

/// The clients of one case.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// One has connected: from now on a refused connection is a result.
    connected: Cell<bool>,
    all: RefCell<Vec<Rc<Connection>>>,
}

impl Clients {
    pub(super) fn leave(&self) {
        self.all.borrow().iter().for_each(|client| client.close());
    }
}

impl Stage {
    /// Plays one request; the word that says what came of it.
    pub(super) async fn visit(&self, frontend: &str, visit: &Visit, show: &[String]) -> String {
        let (source, text) = match FROM.captures(&visit.req) {
            Some(found) => {
                let (whole, [source]) = found.extract();
                (source.parse().ok(), &visit.req[whole.len()..])
            }
            None => (None, visit.req.as_str()),
        };
        let Some(client) = self.connect(frontend, source).await else {
            return "refused".to_owned();
        };
        client.send(&self.request(text)).await;
        if let Some(ms) = visit.shut_ms {
            sleep(Duration::from_millis(ms)).await;
            client.half_close();
        }
        if let Some(ms) = visit.abort_ms {
            if !client.wait(Seen::ended, Duration::from_millis(ms)).await {
                client.close();
                return "aborted".to_owned();
            }
        } else {
            await_answer(&client, Duration::from_millis(visit.max_ms)).await;
        }
        let word = self.word(&client.seen(), show);
        client.close();
        word
    }

    /// Connects to the proxy. Until somebody has, it may not be ready yet.
    pub(super) async fn connect(
        &self,
        frontend: &str,
        source: Option<Ipv4Addr>,
    ) -> Option<Rc<Connection>> {
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.places.port(frontend)?);
        for _ in 0..CONNECT_TRIES {
            let attempt = async {
                let socket = TcpSocket::new_v4()?;
                if let Some(source) = source {
                    socket.bind(SocketAddrV4::new(source, 0).into())?;
                }
                socket.connect(to.into()).await
            };
            if let Ok(Ok(stream)) = timeout(CONNECT_PATIENCE, attempt).await {
                self.clients.connected.set(true);
                let client = Connection::start(stream);
                self.clients.all.borrow_mut().push(Rc::clone(&client));
                return Some(client);
            }
            if self.clients.connected.get() {
                return None;
            }
            sleep(CONNECT_PAUSE).await;
        }
        None
    }

    /// The bytes that a request's text stands for: `/path|Header: value`, or `RAW:` and bytes.
    pub(super) fn request(&self, text: &str) -> Vec<u8> {
        if let Some(raw) = text.strip_prefix("RAW:") {
            return self.places.expand(raw);
        }
        let (line, headers) = text.split_once('|').unwrap_or((text, ""));
        let mut request = format!("GET {line} HTTP/1.1\r\n");
        let headers: Vec<&str> = headers.split('|').filter(|h| !h.is_empty()).collect();
        if !headers
            .iter()
            .any(|h| h.to_lowercase().starts_with("host:"))
        {
            request.push_str("Host: t\r\n");
        }
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("Connection: close\r\n\r\n");
        self.places.expand(&request)
    }

    /// What a client got: the server's name for a 200, else the status; and what is odd about it.
    fn word(&self, seen: &Seen, show: &[String]) -> String {
        if seen.received.is_empty() {
            return match seen.peer_end {
                Some(PeerEnd::Reset) => "reset",
                Some(PeerEnd::Closed) => "closed",
                None => "silence",
            }
            .to_owned();
        }
        let text = from_bytes(&seen.received);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let Some(status) = STATUS.captures(head).map(|found| found[1].to_owned()) else {
            return format!("got<{}>", self.normalised(&text));
        };
        let mut word = match SERVER.captures(head) {
            Some(name) if status == "200" => name[1].to_owned(),
            Some(name) => format!("{status}:{}", &name[1]),
            None => status,
        };
        let length = LENGTH
            .captures(head)
            .and_then(|n| n[1].parse::<usize>().ok());
        if length.is_some_and(|length| body.chars().count() < length) {
            word.push_str("(cut)");
        }
        for name in show {
            for line in head.lines().skip(1) {
                if let Some((found, value)) = line.split_once(':')
                    && found.eq_ignore_ascii_case(name)
                {
                    let value = self.normalised(value.trim_start_matches(' '));
                    word.push_str(&format!(" {{{name}: {value}}}"));
                }
            }
        }
        if !seen.ended() {
            word.push_str("(open)");
        }
        word
    }
}

/// Waits for an answer with a length, or for the end; then a moment longer for the end.
pub(super) async fn await_answer(client: &Connection, at_most: Duration) {
    let answered = |seen: &Seen| seen.ended() || is_complete(&seen.received);
    client.wait(answered, at_most).await;
    client.wait(Seen::ended, SETTLE).await;
}

fn is_complete(answer: &[u8]) -> bool {
    let Some(end) = HEAD_END.find(answer).map(|found| found.end()) else {
        return false;
    };
    let length = BYTES_LENGTH
        .captures(&answer[..end])
        .and_then(|found| std::str::from_utf8(&found[1]).ok()?.parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + length)
}

const CONNECT_TRIES: usize = 30;
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
const CONNECT_PAUSE: Duration = Duration::from_millis(30);
const SETTLE: Duration = Duration::from_millis(300);

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

fn bytes_pattern(text: &str) -> BytesRegex {
    BytesRegex::new(text).expect("a constant pattern")
}

static FROM: LazyLock<Regex> = LazyLock::new(|| pattern(r"^<([\d.]+)>"));
static STATUS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^HTTP/1\.\d (\d+)"));
static SERVER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?im)^x-s: *(\S+)"));
static LENGTH: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?im)^content-length: *(\d+)"));
static HEAD_END: LazyLock<BytesRegex> = LazyLock::new(|| bytes_pattern(r"\r?\n\r?\n"));
static BYTES_LENGTH: LazyLock<BytesRegex> =
    LazyLock::new(|| bytes_pattern(r"(?im)^content-length: *(\d+)"));
