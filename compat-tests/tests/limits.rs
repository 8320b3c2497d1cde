//! Limits hold under load and across reloads, and nobody is forgotten in a queue.
#![allow(clippy::print_stdout, reason = "the figures are part of the result")]

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use compat_tests::load::{Asking, Clients, Tally};
use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::{self, run};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{interval, sleep, timeout};

/// Eight workers, 100 clients that never stop asking, and a server that may have ten requests.
#[test]
fn a_full_server_never_has_one_more() {
    run(async {
        let (server, tally) = load(0).await;
        println!(
            "{} answers, {} at once at most",
            tally.answered,
            server.peak.get()
        );
        assert!(tally.answered > 1000, "only {} answers", tally.answered);
        assert_eq!(server.peak.get(), MAXCONN);
    });
}

/// The same while the file changes ten times a second.
#[test]
fn reloads_do_not_let_one_more_through() {
    run(async {
        let (server, tally) = load(30).await;
        println!(
            "{} answers over 30 reloads, {} at once at most",
            tally.answered,
            server.peak.get()
        );
        assert!(tally.answered > 1000, "only {} answers", tally.answered);
        assert_eq!(server.peak.get(), MAXCONN);
    });
}

/// Requests wait for two small servers while one of them goes down and comes back, three times:
/// every one is answered.
#[test]
fn a_server_that_goes_down_takes_no_queued_request_with_it() {
    run(async {
        let servers = [Server::start().await, Server::start().await];
        let file = move |port| {
            let line = |server: &Server, name| {
                format!(
                    "    server {name} 127.0.0.1:{} maxconn 3 check port {} inter 100 fall 1 rise 1\n",
                    server.port, server.check_port
                )
            };
            let lines = line(&servers[0], "a") + &line(&servers[1], "b");
            (
                format!(
                    "{}    option httpchk\n{lines}",
                    head(port, "balance roundrobin")
                ),
                servers,
            )
        };
        let port = free_port().expect("free");
        let (text, servers) = file(port);
        let stage = Stage::start(port, &text).await;
        let clients = Clients::start(40, &stage.asking());
        for _ in 0..3 {
            sleep(Duration::from_millis(400)).await;
            servers[0].healthy.set(false);
            sleep(Duration::from_millis(400)).await;
            servers[0].healthy.set(true);
        }
        sleep(Duration::from_millis(300)).await;
        let tally = stage.end(clients).await;
        let served = (servers[0].served.get(), servers[1].served.get());
        println!("{} answers, {served:?} by the servers", tally.answered);
        assert!(tally.answered > 500, "only {} answers", tally.answered);
        // It was down for a good part of the time, and up for the other.
        assert!(served.0 > 50 && served.1 > served.0 + 50, "{served:?}");
        assert!(servers.iter().all(|server| server.peak.get() <= 3));
    });
}

/// Loads one server through a proxy that is reloaded so many times.
async fn load(reloads: usize) -> (Rc<Server>, Tally) {
    let server = Server::start().await;
    let port = free_port().expect("free");
    let file = |number: usize| {
        // What changes is of all kinds: the frontend, the other server, the algorithm.
        let balance = ["roundrobin", "leastconn", "static-rr"][number % 3];
        let text = head(port, &format!("balance {balance}"));
        let spare = if number % 2 == 1 {
            "    server spare 127.0.0.1:1 weight 0\n"
        } else {
            ""
        };
        format!(
            "{text}    timeout tarpit {}s\n    server full 127.0.0.1:{} maxconn {MAXCONN}\n{spare}",
            number + 1,
            server.port
        )
    };
    let stage = Stage::start(port, &file(0)).await;
    let clients = Clients::start(100, &stage.asking());
    let mut every = interval(Duration::from_millis(100));
    for number in 1..=reloads {
        every.tick().await;
        stage.reload(&file(number));
    }
    if reloads == 0 {
        sleep(Duration::from_secs(3)).await;
    }
    let tally = stage.end(clients).await;
    (server, tally)
}

fn head(port: u16, balance: &str) -> String {
    format!(
        "global\n    maxconn 1000\n    nbthread 8\ndefaults\n    mode http\n    \
         option http-server-close\n    timeout connect 5s\n    timeout client 30s\n    \
         timeout server 30s\n    timeout queue 20s\nlisten app\n    bind 127.0.0.1:{port}\n    \
         {balance}\n"
    )
}

struct Stage {
    proxy: Proxy,
    folder: tempfile::TempDir,
    port: u16,
}

impl Stage {
    async fn start(port: u16, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let proxy = stand::serve(folder.path(), &[], text, &[port]).await;
        Self {
            proxy,
            folder,
            port,
        }
    }

    fn asking(&self) -> Asking {
        Asking {
            port: self.port,
            request: b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n".to_vec(),
            pace: None,
            latencies: false,
        }
    }

    fn reload(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, self.folder.path().join(FILE)).expect("moved");
        self.proxy.signal(Signal::SIGHUP).expect("it runs");
    }

    /// Lets every client finish; nobody waits for ever, and nobody got anything but an answer.
    async fn end(self, clients: Clients) -> Tally {
        let tally = timeout(Duration::from_secs(10), clients.stop())
            .await
            .expect("every request is answered");
        let output = self.proxy.output().expect("readable");
        assert!(tally.failures.is_empty(), "{:?}\n{output}", tally.failures);
        tally
    }
}

/// A server that takes a little time for each request, and says on another port how it is.
struct Server {
    port: u16,
    check_port: u16,
    healthy: Cell<bool>,
    now: Cell<u32>,
    peak: Cell<u32>,
    served: Cell<u32>,
}

impl Server {
    async fn start() -> Rc<Self> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (requests, checks) = (listen().await, listen().await);
        let (requests, checks) = (requests.expect("a port"), checks.expect("a port"));
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let server = Rc::new(Self {
            port: port(&requests),
            check_port: port(&checks),
            healthy: Cell::new(true),
            now: Cell::new(0),
            peak: Cell::new(0),
            served: Cell::new(0),
        });
        spawn_local(Rc::clone(&server).serve(requests));
        spawn_local(Rc::clone(&server).answer_checks(checks));
        server
    }

    async fn serve(self: Rc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(Rc::clone(&self).answer(stream));
        }
    }

    async fn answer(self: Rc<Self>, mut stream: TcpStream) {
        while read_head(&mut stream).await {
            self.now.set(self.now.get() + 1);
            self.peak.set(self.peak.get().max(self.now.get()));
            sleep(SERVICE).await;
            // What the proxy knows first is that the request is over.
            self.now.set(self.now.get() - 1);
            self.served.set(self.served.get() + 1);
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }

    async fn answer_checks(self: Rc<Self>, listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let server = Rc::clone(&self);
            spawn_local(async move {
                if read_head(&mut stream).await {
                    let answer: &[u8] = if server.healthy.get() {
                        b"HTTP/1.0 200 OK\r\n\r\n"
                    } else {
                        b"HTTP/1.0 500 No\r\n\r\n"
                    };
                    // A checker that has left has its verdict.
                    let _ = stream.write_all(answer).await;
                }
            });
        }
    }
}

/// Whether a request came.
async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

const MAXCONN: u32 = 10;
const SERVICE: Duration = Duration::from_millis(5);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const FILE: &str = "proxy.cfg";
