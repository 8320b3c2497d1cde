//! A reload under load loses nothing, and a broken file changes nothing.
#![allow(clippy::print_stdout, reason = "the figures are part of the result")]

use std::net::Ipv4Addr;
use std::time::Duration;

use compat_tests::load::{Asking, Clients, Origin};
use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::{self, run};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, interval, sleep, timeout};

/// 64 clients never stop asking while the file changes 20 times in 10 seconds: servers come and
/// go, connection modes and timeouts change, a second port opens and closes.
#[test]
fn twenty_reloads_under_load_lose_nothing() {
    run(async {
        let stage = Stage::set().await;
        let clients = Clients::start(64, &stage.asking());
        let mut every = interval(Duration::from_millis(500));
        every.tick().await;
        for number in 1..=RELOADS {
            every.tick().await;
            if number == RELOADS / 2 {
                stage.break_file().await;
            }
            stage.reload(number).await;
        }
        every.tick().await;
        let tally = clients.stop().await;
        println!(
            "{} answers over {} connections",
            tally.answered, tally.connections
        );
        assert!(
            tally.failures.is_empty(),
            "{:?}\n{}",
            tally.failures,
            stage.output()
        );
        // Fewer would mean that the load was none.
        assert!(tally.answered > 5_000, "only {} answers", tally.answered);
    });
}

/// A connection that waits for its next request when the file changes is answered once more.
#[test]
fn an_idle_connection_is_answered_after_a_reload() {
    run(async {
        let stage = Stage::set().await;
        let mut idle = stage.connect().await;
        assert_eq!(ask(&mut idle).await.as_deref(), Some("server 0"));
        stage.reload(1).await;
        assert!(ask(&mut idle).await.is_some(), "{}", stage.output());
    });
}

/// A response that is under way when the file changes comes whole, from the server it came from.
#[test]
fn a_request_under_way_finishes_under_the_old_file() {
    run(async {
        let slow = SlowOrigin::bind();
        let stage = Stage::with_first_server(slow.port).await;
        let mut client = stage.connect().await;
        client.write_all(REQUEST).await.expect("sent");
        let connection = slow.accept().await;
        stage.reload(1).await;
        connection.answer("server slow").await;
        assert_eq!(read_body(&mut client).await.as_deref(), Some("server slow"));
    });
}

struct Stage {
    proxy: Proxy,
    folder: tempfile::TempDir,
    port: u16,
    second_port: u16,
    servers: Vec<u16>,
}

impl Stage {
    async fn set() -> Self {
        let origin = Origin::bind(b"server 0").expect("a free port");
        let port = origin.port();
        spawn_local(origin.serve());
        Self::with_first_server(port).await
    }

    async fn with_first_server(first: u16) -> Self {
        let mut servers = vec![first];
        for number in 1..SERVERS {
            let origin = Origin::bind(format!("server {number}").as_bytes()).expect("a free port");
            servers.push(origin.port());
            spawn_local(origin.serve());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (port, second_port) = (free_port().expect("free"), free_port().expect("free"));
        let text = file(0, port, second_port, &servers);
        let proxy = stand::serve(folder.path(), &[], &text, &[port]).await;
        Self {
            proxy,
            folder,
            port,
            second_port,
            servers,
        }
    }

    fn asking(&self) -> Asking {
        Asking {
            port: self.port,
            request: REQUEST.to_vec(),
            pace: None,
            latencies: false,
        }
    }

    fn output(&self) -> String {
        self.proxy.output().expect("readable")
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .await
            .expect("it listens")
    }

    /// Changes the file and asks for a reload; returns when new connections follow it.
    async fn reload(&self, number: usize) {
        self.write(&file(number, self.port, self.second_port, &self.servers));
        self.proxy.signal(Signal::SIGHUP).expect("it runs");
        let expected = format!("server {}", number % SERVERS);
        self.wait(&expected).await;
    }

    /// Puts a file in place that is wrong, and sees that it is refused with a reason.
    async fn break_file(&self) {
        let before = self.output().len();
        self.write("defaults\n    mode http\nfrontend www\n    bind nowhere\n    no such thing\n");
        self.proxy.signal(Signal::SIGHUP).expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.output().split_off(before);
            // The line of the mistake, and that the running configuration stays.
            if said.contains(&format!("{FILE}:5]")) && said.contains("stays") {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the mistake was not named: {said}"
            );
            sleep(POLL).await;
        }
        let mut client = self.connect().await;
        assert!(ask(&mut client).await.is_some(), "{}", self.output());
    }

    fn write(&self, text: &str) {
        // As an editor does it, so that the proxy never reads half a file.
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, self.folder.path().join(FILE)).expect("moved");
    }

    /// Asks over new connections until the answer is the expected one.
    async fn wait(&self, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut client = self.connect().await;
            // Under the old file, the answer may be one that never comes.
            if let Ok(body) = timeout(ONE_ANSWER, ask(&mut client)).await {
                let body = body.unwrap_or_else(|| panic!("{}", self.output()));
                if body == expected {
                    return;
                }
            }
            assert!(
                Instant::now() < deadline,
                "no {expected}\n{}",
                self.output()
            );
            sleep(POLL).await;
        }
    }
}

/// The configuration after so many reloads: `server NUMBER` answers.
fn file(number: usize, port: u16, second_port: u16, servers: &[u16]) -> String {
    let mode = [
        "option http-keep-alive",
        "option http-server-close",
        "option forceclose",
    ][number % 3];
    let current = number % SERVERS;
    let mut text = format!(
        "global\n    maxconn 1000\ndefaults\n    mode http\n    timeout connect 5s\n    \
         timeout client {}s\n    timeout server 30s\n    timeout http-keep-alive 20s\n\
         frontend www\n    bind 127.0.0.1:{port}\n    {mode}\n    default_backend app\n",
        30 + number,
    );
    if number % 2 == 1 {
        text.push_str(&format!("    bind 127.0.0.1:{second_port}\n"));
    }
    text.push_str(&format!(
        "backend app\n    server s{current} 127.0.0.1:{}\n",
        servers[current]
    ));
    text
}

/// A server that answers when told to.
struct SlowOrigin {
    listener: tokio::net::TcpListener,
    port: u16,
}

struct SlowConnection {
    stream: TcpStream,
}

impl SlowOrigin {
    fn bind() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("bound").port();
        Self {
            listener: tokio::net::TcpListener::from_std(listener).expect("a socket"),
            port,
        }
    }

    /// A connection on which a request has come.
    async fn accept(&self) -> SlowConnection {
        let (mut stream, _) = self.listener.accept().await.expect("a connection");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.expect("a request");
        }
        SlowConnection { stream }
    }
}

impl SlowConnection {
    async fn answer(mut self, body: &str) {
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream
            .write_all(text.as_bytes())
            .await
            .expect("the proxy still reads");
    }
}

/// One request; the body of its response, or `None` when the connection ends first.
async fn ask(client: &mut TcpStream) -> Option<String> {
    client.write_all(REQUEST).await.ok()?;
    read_body(client).await
}

async fn read_body(client: &mut TcpStream) -> Option<String> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length
                .split_once("content-length: ")?
                .1
                .lines()
                .next()?
                .parse()
                .ok()?;
            if body.len() >= length {
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                return Some(body.to_owned());
            }
        }
        if client.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
}

const RELOADS: usize = 20;
const SERVERS: usize = 3;
const FILE: &str = "proxy.cfg";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(5);
const ONE_ANSWER: Duration = Duration::from_millis(300);
const POLL: Duration = Duration::from_millis(10);
