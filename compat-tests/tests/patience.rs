//! Whose silence is too long: a side that is not read from, because the other one does not take
//! what has come, cannot be late; and which side's bytes count for which timeout.

use std::net::Ipv4Addr;
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::{self, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

const BOUND: Duration = Duration::from_secs(60);
/// The timeout that must not strike, and a rest that is longer than it.
const SHORT: &str = "300ms";
const REST: Duration = Duration::from_millis(1200);
/// More than all buffers on the way hold.
const LENGTH: usize = 30 << 20;

struct Stand {
    proxy: Proxy,
    origin: TcpListener,
    log: UdpSocket,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Stand {
    async fn new(mode: &str, client: &str, server: &str, frontend: &str, backend: &str) -> Self {
        let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let log = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let port = free_port().expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "global\n    log {} local0\ndefaults\n    mode {mode}\n    log global\n    \
             option {mode}log\n    option dontlognull\n    timeout connect 20s\n    \
             timeout client {client}\n    timeout server {server}\n\
             frontend f\n    bind 127.0.0.1:{port}\n    {frontend}\n    default_backend b\n\
             backend b\n    {backend}\n    server s {}\n",
            log.local_addr().expect("bound"),
            origin.local_addr().expect("bound"),
        );
        let proxy = stand::serve(folder.path(), &[], &text, &[port]).await;
        Self {
            proxy,
            origin,
            log,
            port,
            _folder: folder,
        }
    }

    /// A client, and the server's end once the first bytes are there.
    async fn connect(&self, first: &[u8]) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .await
            .expect("it listens");
        client.write_all(first).await.expect("sent");
        loop {
            let accepted = timeout(BOUND, self.origin.accept()).await;
            let (mut server, _) = accepted.expect("a connection").expect("accepted");
            // Who only looks whether the proxy is ready goes without a word.
            if server.read_exact(&mut vec![0; first.len()]).await.is_ok() {
                return (client, server);
            }
        }
    }

    /// The letters of the next log line about the server.
    async fn letters(&self) -> String {
        let mut buffer = [0; 2048];
        loop {
            let got = timeout(BOUND, self.log.recv(&mut buffer)).await;
            let n = got.expect("a line").expect("received");
            let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let Some((_, rest)) = line.split_once(" b/s ") else {
                continue;
            };
            let words: Vec<&str> = rest.split(' ').collect();
            // Who only looked whether the proxy is ready has got nothing.
            if words[1] == "0" {
                continue;
            }
            return words[if rest.contains('"') { 5 } else { 2 }].to_owned();
        }
    }
}

/// Sends all of it and keeps the connection.
async fn pour(to: &mut TcpStream) {
    let block = vec![b'x'; 1 << 16];
    for _ in 0..LENGTH / block.len() {
        to.write_all(&block).await.expect("taken");
    }
}

async fn drink(from: &mut TcpStream, mut missing: usize) {
    let mut block = vec![0; 1 << 16];
    while missing > 0 {
        let n = from.read(&mut block).await.expect("received");
        assert!(n > 0, "{missing} bytes are missing");
        missing = missing.saturating_sub(n);
    }
}

#[test]
fn a_server_waits_for_a_client_that_does_not_read() {
    run(async {
        for mode in ["http", "tcp"] {
            let stand = Stand::new(mode, "60s", SHORT, "", "").await;
            let (mut client, mut server) =
                stand.connect(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            server.write_all(head.as_bytes()).await.expect("sent");
            let reader = async {
                sleep(REST).await;
                drink(&mut client, head.len() + LENGTH).await;
            };
            let both = async { tokio::join!(pour(&mut server), reader) };
            timeout(BOUND, both).await.expect("it gets through");
            drop((client, server));
            let letters = stand.letters().await;
            assert!(letters.starts_with("--"), "{mode}: {letters}");
            stand.proxy.stop().await.expect("stopped");
        }
    });
}

#[test]
fn a_client_waits_for_a_server_that_does_not_read() {
    run(async {
        for mode in ["http", "tcp"] {
            let stand = Stand::new(mode, SHORT, "60s", "", "").await;
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
            let (mut client, mut server) = stand.connect(head.as_bytes()).await;
            let reader = async {
                sleep(REST).await;
                drink(&mut server, LENGTH).await;
            };
            let both = async { tokio::join!(pour(&mut client), reader) };
            timeout(BOUND, both).await.expect("it gets through");
            stand.proxy.stop().await.expect("stopped");
        }
    });
}

/// A server that sends now and then to a client that says nothing: whether the client's timeout
/// strikes meanwhile.
#[test]
fn what_is_sent_counts_for_a_side_unless_its_streams_are_independent() {
    run(async {
        for (frontend, backend, letters) in [
            ("", "", "--"),
            ("option independant-streams", "", "cD"),
            ("", "option independant-streams", "--"),
        ] {
            let stand = Stand::new("tcp", "2s", "60s", frontend, backend).await;
            let (mut client, mut server) = stand.connect(b"hello").await;
            let trickle = async {
                // Twice the timeout; the pauses are short enough for a machine that is busy.
                for _ in 0..200 {
                    sleep(Duration::from_millis(20)).await;
                    if server.write_all(b"x").await.is_err() {
                        break;
                    }
                }
            };
            timeout(BOUND, trickle).await.expect("it ends");
            drop(server);
            let end = timeout(BOUND, client.read_to_end(&mut Vec::new())).await;
            end.expect("it ends").expect("in peace");
            drop(client);
            assert_eq!(stand.letters().await, letters, "{frontend}, {backend}");
            stand.proxy.stop().await.expect("stopped");
        }
    });
}

/// As most files have it: both timeouts are the same, and both sides fall silent together.
#[test]
fn the_client_is_said_to_be_late_when_both_are() {
    run(async {
        let stand = Stand::new("tcp", SHORT, SHORT, "", "").await;
        let (mut client, mut server) = stand.connect(b"hello").await;
        server.write_all(b"x").await.expect("sent");
        let mut got = Vec::new();
        let end = timeout(BOUND, client.read_to_end(&mut got)).await;
        end.expect("it ends").expect("in peace");
        drop((client, server));
        assert_eq!(stand.letters().await, "cD");
        stand.proxy.stop().await.expect("stopped");
    });
}
