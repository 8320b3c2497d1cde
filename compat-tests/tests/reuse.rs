//! `http-reuse` and `option prefer-last-server`: which connection carries which request. With
//! `--compat 1.8` what is expected was seen with HAProxy 1.8.0.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::{self, run};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::timeout;

/// Name, dialect, options, servers, requests, and where they arrive.
///
/// A request is the letter of its client and a path; `POST` before it is said with `!`, and `x`
/// alone closes the client's connection. Where it arrives is the letter of the server and the
/// number of the connection there; `-` is a client connection that is closed without an answer.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    usize,
    &'static str,
    &'static str,
);

const CASES: &[Case] = &[
    (
        "never",
        "1.8",
        "http-reuse never",
        1,
        "a b a b c c",
        "a1 a2 a1 a2 a3 a3",
    ),
    (
        "safe",
        "1.8",
        "http-reuse safe",
        1,
        "a b a b c c",
        "a1 a2 a1 a2 a3 a3",
    ),
    (
        "aggressive",
        "1.8",
        "http-reuse aggressive",
        1,
        "a b a b c c",
        "a1 a2 a1 a2 a2 a2",
    ),
    (
        "always",
        "1.8",
        "http-reuse always",
        1,
        "a b a b c c",
        "a1 a1 a1 a1 a1 a1",
    ),
    (
        "client gone",
        "1.8",
        "http-reuse always",
        1,
        "a ax b b",
        "a1 a2 a2",
    ),
    (
        "client gone",
        "hapax",
        "http-reuse always",
        1,
        "a ax b b",
        "a1 a1 a1",
    ),
    (
        "safe, client gone",
        "hapax",
        "http-reuse safe",
        1,
        "a ax b b",
        "a1 a2 a2",
    ),
    (
        "in turn",
        "1.8",
        "http-reuse always",
        2,
        "a a a a",
        "a1 b1 a2 b2",
    ),
    (
        "in turn",
        "hapax",
        "http-reuse always",
        2,
        "a a a a",
        "a1 b1 a1 b1",
    ),
    ("never, in turn", "hapax", "", 2, "a a a a", "a1 b1 a2 b2"),
    (
        "prefer",
        "1.8",
        "option prefer-last-server",
        2,
        "a a a a",
        "a1 a1 a1 a1",
    ),
    (
        "prefer, shared",
        "1.8",
        "option prefer-last-server\n    http-reuse safe",
        2,
        "a a a a",
        "a1 a1 a1 a1",
    ),
    (
        "prefer, shared",
        "hapax",
        "option prefer-last-server\n    http-reuse safe",
        2,
        "a a a a",
        "a1 a1 a1 a1",
    ),
    (
        "password",
        "1.8",
        "http-reuse always",
        2,
        "a401 a a a",
        "a1 a1 b1 a2",
    ),
    (
        "password, shared with nobody",
        "hapax",
        "http-reuse always",
        1,
        "a401 a b",
        "a1 a1 a2",
    ),
    (
        "proxy header",
        "hapax",
        "http-reuse always\n    default-server send-proxy",
        1,
        "a b",
        "a1 a2",
    ),
    (
        "a connection that ends is not asked again",
        "hapax",
        "http-reuse always",
        1,
        "a adie b",
        "a1 a1+a2 a3",
    ),
    (
        "what is not harmless is not repeated",
        "hapax",
        "http-reuse safe",
        1,
        "a !adie",
        "a1 a1-",
    ),
    (
        "what is not harmless is not repeated",
        "1.8",
        "",
        1,
        "a !adie",
        "a1 a1-",
    ),
];

#[test]
fn requests_travel_on_the_connections_that_http_reuse_allows() {
    run(async {
        for case in CASES {
            let stage = Stage::set(case.1, case.2, case.3).await;
            let got = timeout(Duration::from_secs(60), stage.play(case.4)).await;
            let got = got.unwrap_or_else(|_| format!("nothing more: {:?}", stage.origin));
            assert_eq!(got, case.5, "{}, {}: {}", case.0, case.1, case.2);
        }
    });
}

/// A server that stays keeps its connections over a reload.
#[test]
fn idle_connections_survive_a_reload() {
    run(async {
        let mut stage = Stage::set("hapax", "http-reuse always", 1).await;
        assert_eq!(stage.play("a ax").await, "a1");
        stage.reload().await;
        assert_eq!(stage.play("b c").await, "a1 a1");
    });
}

/// What servers have seen.
#[derive(Debug, Default)]
struct Seen {
    /// Where the requests arrived, since the last look.
    arrived: RefCell<Vec<String>>,
}

struct Stage {
    proxy: Proxy,
    folder: tempfile::TempDir,
    text: String,
    port: u16,
    origin: Rc<Seen>,
}

impl Stage {
    async fn set(dialect: &str, options: &str, servers: usize) -> Self {
        let origin = Rc::<Seen>::default();
        let port = free_port().expect("a free port");
        let mut text = format!(
            "global\n    nbthread 1\ndefaults\n    mode http\n    timeout connect 20s\n    \
             timeout client 20s\n    timeout server 20s\n    {options}\nlisten l\n    \
             bind 127.0.0.1:{port}\n"
        );
        for name in ["a", "b"].iter().take(servers) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .expect("a port");
            let there = listener.local_addr().expect("bound");
            text.push_str(&format!("    server {name} {there}\n"));
            spawn_local(serve(name, listener, Rc::clone(&origin)));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let proxy = stand::serve(folder.path(), &["--compat", dialect], &text, &[port]).await;
        Self {
            proxy,
            folder,
            text,
            port,
            origin,
        }
    }

    /// Sends requests one after the other, and tells where they have arrived.
    async fn play(&self, requests: &str) -> String {
        let mut clients: [Option<TcpStream>; 3] = Default::default();
        let mut told = Vec::new();
        for word in requests.split(' ') {
            let (method, word) = match word.strip_prefix('!') {
                Some(rest) => ("POST", rest),
                None => ("GET", word),
            };
            let number = usize::from(word.as_bytes()[0] - b'a');
            let path = &word[1..];
            if path == "x" {
                clients[number] = None;
                self.settle().await;
                continue;
            }
            let mut client = match clients[number].take() {
                Some(client) => client,
                None => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                    .await
                    .expect("it listens"),
            };
            let request = format!("{method} /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
            client.write_all(request.as_bytes()).await.expect("sent");
            let answered = read_head(&mut client).await;
            let mut places = self.origin.arrived.take().join("+");
            if answered == Some(true) {
                clients[number] = Some(client);
            } else if answered.is_none() {
                places.push('-');
            }
            told.push(places);
        }
        told.join(" ")
    }

    /// Waits until the proxy has seen what happened before: it serves one connection after the
    /// other in the order in which things happen.
    async fn settle(&self) {
        for _ in 0..2 {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .expect("it listens");
            stream.write_all(b"bad\r\n\r\n").await.expect("sent");
            assert!(read_head(&mut stream).await.is_some(), "it is refused");
        }
    }

    /// Writes another file and waits until the proxy works by it.
    async fn reload(&mut self) {
        let second = free_port().expect("a free port");
        self.text
            .push_str(&format!("listen m\n    bind 127.0.0.1:{second}\n"));
        std::fs::write(self.folder.path().join(stand::FILE), &self.text).expect("written");
        self.proxy.signal(Signal::SIGHUP).expect("alive");
        assert!(self.proxy.ready([second].into_iter()).await.expect("alive"));
    }
}

/// Receives a response with a body of one byte. `None` when there is none, `Some(false)` when the
/// connection ends with it.
async fn read_head(stream: &mut TcpStream) -> Option<bool> {
    let mut got = Vec::new();
    loop {
        if stream.read_buf(&mut got).await.unwrap_or(0) == 0 {
            return (!got.is_empty()).then_some(false);
        }
        if let Some(at) = got.windows(4).position(|four| four == b"\r\n\r\n")
            && got.len() > at + 4
        {
            let head = String::from_utf8_lossy(&got[..at]).to_ascii_lowercase();
            return Some(!head.contains("connection: close"));
        }
    }
}

/// Answers requests, and ends the connection in place of an answer for `/die`.
async fn serve(name: &'static str, listener: TcpListener, seen: Rc<Seen>) {
    let count = Cell::new(0);
    while let Ok((stream, _)) = listener.accept().await {
        count.set(count.get() + 1);
        spawn_local(answer(
            format!("{name}{}", count.get()),
            stream,
            Rc::clone(&seen),
        ));
    }
}

async fn answer(place: String, mut stream: TcpStream, seen: Rc<Seen>) {
    let mut got = Vec::new();
    while stream.read_buf(&mut got).await.unwrap_or(0) > 0 {
        while let Some(at) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&got[..at]).into_owned();
            got.drain(..at + 4);
            seen.arrived.borrow_mut().push(place.clone());
            if head.contains("/die") {
                return;
            }
            let status = if head.contains("/401") {
                "401 No"
            } else {
                "200 OK"
            };
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 1\r\n\r\nx");
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
