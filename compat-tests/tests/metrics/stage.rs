//! A proxy with servers behind it, hapax or HAProxy, and what can be asked of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compat_tests::exposition::{self, Family};
use compat_tests::load::Origin;
use compat_tests::ports::free_port;
use compat_tests::process::{Proxy, ProxyCommand};
use compat_tests::stand;
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use Who::{Ours, Theirs};

/// Who runs.
pub(crate) enum Who {
    /// hapax.
    Ours,
    /// HAProxy 2.6, whose exporter is a service of a frontend.
    Theirs(ProxyCommand),
}

pub(crate) struct Stage {
    pub(crate) proxy: Option<Proxy>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) tcp: u16,
    pub(crate) metrics: u16,
    pub(crate) server: u16,
    pub(crate) slow: u16,
    pub(crate) nobody: u16,
}

impl Stage {
    pub(crate) async fn set(who: Who) -> Self {
        let origin = Origin::bind(b"hello").expect("a free port");
        let slow = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let slow = slow.expect("a free port");
        let port = || free_port().expect("free");
        let mut stage = Self {
            proxy: None,
            folder: tempfile::tempdir().expect("a folder"),
            port: port(),
            tcp: port(),
            metrics: port(),
            server: origin.port(),
            slow: slow.local_addr().expect("it is bound").port(),
            nobody: port(),
        };
        spawn_local(origin.serve());
        spawn_local(think(slow));
        std::fs::write(stage.file(), stage.configuration(&who)).expect("written");
        let command = match who {
            Ours => stand::command(&[]),
            Theirs(command) => command,
        };
        let mut proxy =
            Proxy::start(&command, Path::new(FILE), stage.folder.path()).expect("it starts");
        // Not the port of `mode tcp`: who only looks at it may, or may not, be shown to a server.
        let ready = proxy
            .ready([stage.metrics].into_iter())
            .await
            .expect("it runs");
        assert!(ready, "{}", proxy.output().expect("readable"));
        stage.proxy = Some(proxy);
        // The checks have seen what there is to see.
        stage
            .until(|families| {
                let status = families.iter().find(|f| f.name == "haproxy_server_status");
                let is = |server, state| {
                    let labels = [("proxy", "be"), ("server", server), ("state", state)];
                    status.and_then(|f| f.value(&labels)) == Some(1.0)
                };
                let checked = families
                    .iter()
                    .find(|f| f.name == "haproxy_server_check_status");
                let labels = [("proxy", "be"), ("server", "s1"), ("state", "L4OK")];
                let s1 = checked.and_then(|f| f.value(&labels)) == Some(1.0);
                is("s1", "UP") && is("gone", "DOWN") && s1
            })
            .await;
        stage
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    pub(crate) fn configuration(&self, who: &Who) -> String {
        let Self {
            port,
            tcp,
            metrics,
            server,
            slow,
            nobody,
            ..
        } = self;
        let (global, section) = match who {
            Ours => (format!("metrics bind 127.0.0.1:{metrics}"), String::new()),
            Theirs(_) => (
                String::new(),
                format!(
                    "frontend metrics\n  bind 127.0.0.1:{metrics}\n  mode http\n  \
                     http-request use-service prometheus-exporter if {{ path /metrics }}\n"
                ),
            ),
        };
        format!(
            "global
  maxconn 1000
  stats socket {folder}/socket level admin
  {global}
defaults
  mode http
  maxconn 500
  timeout client 9s
  timeout server 9s
  timeout connect 3s
frontend www
  bind 127.0.0.1:{port} name pub
  option socket-stats
  acl secret path_beg /secret
  http-request deny if secret
  acl slow path /slow
  use_backend slow if slow
  default_backend be
backend slow
  server only 127.0.0.1:{slow}
backend be
  balance roundrobin
  server s1 127.0.0.1:{server} check inter 500 maxconn 100 maxqueue 7
  server gone 127.0.0.1:{nobody} check inter 500 fall 1
  server off 127.0.0.1:{server} disabled
  server spare 127.0.0.1:{server} backup weight 5
backend sticky
  stick-table type ip size 1k
  server only 127.0.0.1:{server}
listen relay
  mode tcp
  bind 127.0.0.1:{tcp}
  server t1 127.0.0.1:{server}
{section}",
            folder = self.folder.path().display(),
        )
    }

    /// Requests one after the other: five that are served, two that are refused, one that is none.
    pub(crate) async fn traffic(&self) {
        for target in ["/a", "/b", "/c", "/d", "/e", "/secret", "/secret"] {
            let mut stream = self.connect(self.port).await;
            let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            let status = if target == "/secret" { "403" } else { "200" };
            assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
        }
        let mut stream = self.connect(self.port).await;
        stream
            .write_all(b"this is no request\r\n\r\n")
            .await
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        // A session is counted to its end once its connection is closed on both sides.
        drop(stream);
        self.until(|families| {
            let sessions = families
                .iter()
                .find(|f| f.name == "haproxy_frontend_current_sessions");
            sessions.and_then(|f| f.value(&[("proxy", "www")])) == Some(0.0)
        })
        .await;
    }

    pub(crate) async fn connect(&self, port: u16) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .expect("it listens")
    }

    /// A request for metrics, and all that comes back.
    pub(crate) async fn ask(&self, line: &str) -> String {
        let mut stream = self.connect(self.metrics).await;
        let request = format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // A connection that is given up is seen by what is missing.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("text")
    }

    pub(crate) async fn scrape(&self, query: &str) -> Vec<Family> {
        let answer = self.ask(&format!("GET /metrics{query} HTTP/1.1")).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let body = if head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
        {
            unchunked(body)
        } else {
            body.to_owned()
        };
        match exposition::read(&body) {
            Ok(families) => families,
            Err(mistake) => panic!("{mistake}"),
        }
    }

    /// Scrapes until something holds.
    pub(crate) async fn until(&self, holds: impl Fn(&[Family]) -> bool) -> Vec<Family> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let families = self.scrape("").await;
            if holds(&families) {
                return families;
            }
            assert!(Instant::now() < deadline, "{families:#?}");
            sleep(POLL).await;
        }
    }

    /// Asks for a reload, and waits until it is seen.
    pub(crate) async fn reload_until(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        value: f64,
    ) -> Vec<Family> {
        let proxy = self.proxy.as_ref().expect("it runs");
        proxy.signal(Signal::SIGHUP).expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.metrics))
            .await
            .is_err()
        {
            assert!(Instant::now() < deadline, "nobody listens");
            sleep(POLL).await;
        }
        self.until(|families| {
            let found = families.iter().find(|f| f.name == name);
            found.and_then(|f| f.value(labels)) == Some(value)
        })
        .await
    }

    /// The answer to `show stat`, by column.
    pub(crate) async fn show_stat(&self) -> Vec<BTreeMap<String, String>> {
        let path = self.folder.path().join("socket");
        let mut stream = UnixStream::connect(path).await.expect("it listens");
        stream.write_all(b"show stat\n").await.expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        let (header, rows) = text.split_once('\n').expect("a header");
        let names: Vec<&str> = header.trim_start_matches("# ").split(',').collect();
        rows.lines()
            .filter(|row| !row.is_empty())
            .map(|row| {
                let cells = row.split(',').map(str::to_owned);
                names.iter().map(|n| (*n).to_owned()).zip(cells).collect()
            })
            .collect()
    }
}

/// A server that takes its time.
async fn think(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut head).await {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
        sleep(THOUGHT).await;
        // The proxy may have given up.
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            .await;
    }
}

fn unchunked(body: &str) -> String {
    let (mut rest, mut out) = (body, String::new());
    loop {
        let (size, after) = rest.split_once("\r\n").expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return out;
        }
        out.push_str(&after[..size]);
        rest = after[size..]
            .strip_prefix("\r\n")
            .expect("the end of a chunk");
    }
}

const FILE: &str = "proxy.cfg";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// How long the slow server thinks.
pub(crate) const THOUGHT: Duration = Duration::from_millis(150);
