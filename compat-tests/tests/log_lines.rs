//! What clients do, and the lines that HAProxy logs of it: requests that are waited for before a server
//! is asked (`option http-buffer-request`, `balance url_param ... check_post`), connections that bring
//! none (`option http-ignore-probes`), and where a session still counts itself when its line is written.

use std::net::Ipv4Addr;
use std::time::Duration;

use compat_tests::hapax;
use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::{self, run};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

const BUFFER: &str = "option http-buffer-request";
const CHECK_POST: &str = "balance url_param id check_post 5";
const PROBES: &str = "option http-ignore-probes";
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const LENGTH: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
const EXPECT: &str =
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What a client does.
#[derive(Clone, Copy)]
enum Step {
    Send(&'static str),
    /// Waits for an answer that begins so.
    Read(&'static str),
    /// Waits until the request must have got to a server, were it not waited for.
    Rest,
    /// Sends no more.
    Close,
    /// Leaves the connection open, and goes on on another.
    Another,
}
use Step::{Another, Close, Read, Rest, Send};

struct Case {
    name: &'static str,
    dialect: &'static str,
    setting: &'static str,
    steps: &'static [Step],
    /// What the client has received in all begins so.
    answer: &'static str,
    /// What of the body came with the head to the server, if one was asked.
    served: Option<&'static str>,
    /// The backend and server, the status, the termination flags and the counters of the log.
    logged: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        name: "a body is waited for",
        dialect: "1.8",
        setting: BUFFER,
        steps: &[Send(LENGTH), Rest, Send("0123456789")],
        answer: "HTTP/1.1 200 ",
        served: Some("0123456789"),
        logged: Some("b/s 200 ---- 1/1/0/0/0"),
    },
    Case {
        name: "the first chunk is waited for",
        dialect: "1.8",
        setting: BUFFER,
        steps: &[
            Send(CHUNKED),
            Rest,
            Send("3\r\nabc\r\n"),
            Rest,
            Send("0\r\n\r\n"),
        ],
        answer: "HTTP/1.1 200 ",
        served: Some("3\r\nabc\r\n"),
        logged: Some("b/s 200 ---- 1/1/0/0/0"),
    },
    Case {
        name: "no body comes",
        dialect: "1.8",
        setting: BUFFER,
        steps: &[Send(LENGTH), Send("012")],
        answer: "HTTP/1.0 408 ",
        served: None,
        logged: Some("f/<NOSRV> 408 cD-- 1/1/0/0/0"),
    },
    Case {
        name: "what comes is no chunk",
        dialect: "1.8",
        setting: BUFFER,
        steps: &[Send(CHUNKED), Rest, Send("zz\r\n")],
        answer: "HTTP/1.0 400 ",
        served: None,
        logged: Some("f/<NOSRV> 400 PR-- 1/1/0/0/0"),
    },
    Case {
        name: "the body ends early",
        dialect: "1.8",
        setting: BUFFER,
        steps: &[Send(LENGTH), Send("01"), Close],
        answer: "",
        served: None,
        logged: Some("b/<NOSRV> -1 CH-- 1/1/0/0/3"),
    },
    Case {
        name: "the client asks whether to send",
        dialect: "1.8",
        setting: BUFFER,
        steps: &[Send(EXPECT), Read("HTTP/1.1 100 "), Send("0123456789")],
        answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ",
        served: Some("0123456789"),
        logged: Some("b/s 200 ---- 1/1/0/0/0"),
    },
    Case {
        name: "a parameter is waited for",
        dialect: "1.4",
        setting: CHECK_POST,
        steps: &[Send(LENGTH), Rest, Send("id=3456789")],
        answer: "HTTP/1.1 200 ",
        served: Some("id=3456789"),
        logged: Some("b/s 200 ---- 0/0/0/0/0"),
    },
    Case {
        name: "since 1.5 it is waited for in any case, and all of the body",
        dialect: "1.8",
        setting: "balance url_param id",
        steps: &[Send(LENGTH), Send("id=3"), Rest, Send("456789")],
        answer: "HTTP/1.1 200 ",
        served: Some("id=3456789"),
        logged: Some("b/s 200 ---- 1/1/0/0/0"),
    },
    Case {
        name: "no parameter comes",
        dialect: "1.4",
        setting: CHECK_POST,
        steps: &[Send(LENGTH), Send("id=")],
        answer: "HTTP/1.0 408 ",
        served: None,
        logged: Some("b/<NOSRV> 408 cD-- 0/0/0/0/0"),
    },
    Case {
        name: "the parameter ends early",
        dialect: "1.4",
        setting: CHECK_POST,
        steps: &[Send(LENGTH), Send("id="), Close],
        answer: "",
        served: None,
        logged: Some("b/<NOSRV> -1 CH-- 0/0/0/0/0"),
    },
    Case {
        name: "a probe",
        dialect: "1.8",
        setting: PROBES,
        steps: &[Close],
        answer: "",
        served: None,
        logged: None,
    },
    Case {
        name: "half a request, then nothing",
        dialect: "1.8",
        setting: PROBES,
        steps: &[Send("GET / HT"), Rest],
        answer: "",
        served: None,
        logged: None,
    },
    Case {
        name: "no request at all",
        dialect: "1.8",
        setting: PROBES,
        steps: &[Send("hello\r\n\r\n")],
        answer: "HTTP/1.0 400 ",
        served: None,
        logged: Some("f/<NOSRV> 400 PR-- 1/1/0/0/0"),
    },
    Case {
        name: "1.4 leaves before it writes",
        dialect: "1.4",
        setting: "option forceclose",
        steps: &[Send(GET), Read("HTTP/1.1 200 ")],
        answer: "HTTP/1.1 200 ",
        served: Some(""),
        logged: Some("b/s 200 ---- 0/0/0/0/0"),
    },
    Case {
        name: "1.4 parts with the server after the line, between two requests",
        dialect: "1.4",
        setting: "option http-server-close",
        steps: &[Send(GET), Read("HTTP/1.1 200 "), Close],
        answer: "HTTP/1.1 200 ",
        served: Some(""),
        logged: Some("b/s 200 ---- 1/1/0/1/0"),
    },
    Case {
        name: "1.8 parts with the server before",
        dialect: "1.8",
        setting: "option http-server-close",
        steps: &[Send(GET), Read("HTTP/1.1 200 "), Close],
        answer: "HTTP/1.1 200 ",
        served: Some(""),
        logged: Some("b/s 200 ---- 1/1/0/0/0"),
    },
    Case {
        name: "the line comes early",
        dialect: "1.4",
        setting: "option forceclose\n    option logasap",
        steps: &[Send(GET), Read("HTTP/1.1 200 ")],
        answer: "HTTP/1.1 200 ",
        served: Some(""),
        logged: Some("b/s 200 ---- 1/1/1/1/0"),
    },
    Case {
        name: "another client is there",
        dialect: "1.4",
        setting: "option forceclose\n    option dontlognull",
        steps: &[Another, Send(GET), Read("HTTP/1.1 200 ")],
        answer: "HTTP/1.1 200 ",
        served: Some(""),
        logged: Some("b/s 200 ---- 1/1/0/0/0"),
    },
];

#[test]
fn lines_are_as_from_haproxy() {
    // It may have to be built first, which is not to count as a case that hangs.
    hapax::binary();
    run(async {
        for case in CASES {
            let played = timeout(Duration::from_secs(30), play(case)).await;
            assert!(played.is_ok(), "{}: it hangs", case.name);
        }
    });
}

/// A proxy with one server, and where its log lines go.
struct Stage {
    log: UdpSocket,
    origin: TcpListener,
    port: u16,
    proxy: Proxy,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// `defaults` and `backend` are lines of those sections.
    async fn set(dialect: &str, defaults: &str, backend: &str) -> Self {
        let here = (Ipv4Addr::LOCALHOST, 0);
        let log = UdpSocket::bind(here).await.expect("a port");
        let origin = TcpListener::bind(here).await.expect("a port");
        let (logs, server) = (log.local_addr(), origin.local_addr());
        let (logs, server) = (logs.expect("bound"), server.expect("bound"));
        let port = free_port().expect("a free port");
        let text = format!(
            "global\n    log {logs} local0\n    nbproc 1\n\
             defaults\n{defaults}    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n\
             frontend f\n    bind 127.0.0.1:{port}\n    default_backend b\n\
             backend b\n{backend}    server s {server}\n"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let proxy = stand::serve(folder.path(), &["--compat", dialect], &text, &[port]).await;
        Self {
            log,
            origin,
            port,
            proxy,
            _folder: folder,
        }
    }

    /// The first line of which that holds.
    async fn line(&self, holds: impl Fn(&str) -> bool) -> String {
        let mut line = [0; 2048];
        loop {
            let received = timeout(Duration::from_secs(20), self.log.recv(&mut line)).await;
            let got = received.expect("in time").expect("a line");
            let text = String::from_utf8_lossy(&line[..got]).into_owned();
            if holds(&text) {
                return text;
            }
        }
    }
}

/// `mode tcp`: whoever has left by the time that the proxy looks, and has said nothing, is not shown to a
/// server.
#[tokio::test]
async fn who_only_looks_troubles_no_server() {
    for dialect in ["1.4", "1.8"] {
        let defaults = "    mode tcp\n    log global\n    option tcplog\n";
        let stage = Stage::set(dialect, defaults, "").await;
        stage.proxy.pause().expect("stopped");
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).await;
        let stream = stream.expect("the system accepts");
        let client = stream.local_addr().expect("connected").to_string();
        drop(stream);
        stage.proxy.signal(Signal::SIGCONT).expect("continued");
        let found = stage.line(|line| line.contains(&client)).await;
        assert!(found.contains(" b/<NOSRV> -1/-1/"), "{found}");
        assert!(found.contains(" 0 -- "), "{found}");
    }
}

/// `option checkcache`: the backend says which server had its answer kept back, where the backend logs.
#[tokio::test]
async fn who_sets_a_cookie_for_all_is_named() {
    for dialect in ["1.4", "1.8"] {
        let backend = "    log global\n    option checkcache\n";
        let stage = Stage::set(dialect, "    mode http\n", backend).await;
        let served = async {
            let (mut stream, _) = stage.origin.accept().await.expect("a connection");
            let asked = stream.read(&mut [0; 4096]).await.expect("a request");
            assert!(asked > 0);
            let answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).await.expect("sent");
        };
        let steps = [Send(GET)];
        let (answer, ()) = tokio::join!(ask(stage.port, &steps), served);
        assert!(answer.starts_with("HTTP/1.0 502 "), "{answer}");
        let found = stage.line(|line| !line.contains(" started.")).await;
        assert!(found.starts_with("<129>"), "{found}");
        let words = ": Blocking cacheable cookie in response from instance b, server s.\n";
        assert!(found.ends_with(words), "{found}");
    }
}

async fn play(case: &Case) {
    let here = (Ipv4Addr::LOCALHOST, 0);
    let log = UdpSocket::bind(here).await.expect("a port");
    let origin = TcpListener::bind(here).await.expect("a port");
    let (logs, server) = (log.local_addr(), origin.local_addr());
    let (logs, server) = (logs.expect("bound"), server.expect("bound"));
    let served = spawn_local(serve(origin));
    let port = free_port().expect("a free port");
    let text = format!(
        "global\n    log {logs} local0\n    nbproc 1\ndefaults\n    mode http\n    log global\n    \
         option httplog\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n    \
         timeout http-request 500ms\n    {}\nfrontend f\n    bind 127.0.0.1:{port}\n    \
         default_backend b\nbackend b\n    server s {server}\n",
        case.setting,
    );
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = stand::serve(folder.path(), &["--compat", case.dialect], &text, &[port]).await;

    // Whoever asked whether the proxy is ready is in the log, too.
    mark(port, &log, "/first").await;
    let answer = ask(port, case.steps).await;
    assert!(
        answer.starts_with(case.answer) && (!case.answer.is_empty() || answer.is_empty()),
        "{}: {answer}",
        case.name
    );
    let lines = mark(port, &log, "/last").await;
    let expected: Vec<_> = case.logged.into_iter().collect();
    assert_eq!(lines, expected, "{}", case.name);
    drop(proxy);
    let served = served.await.expect("no panic");
    let expected: Vec<_> = [""].into_iter().chain(case.served).chain([""]).collect();
    assert_eq!(served, expected, "{}", case.name);
}

/// Asks for something that is logged in any case, and answers what was logged before it.
async fn mark(port: u16, log: &UdpSocket, path: &'static str) -> Vec<String> {
    let request = format!("GET {path} HTTP/1.0\r\n\r\n").leak();
    let answer = ask(port, &[Send(request)]).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut lines = Vec::new();
    loop {
        let mut line = [0; 2048];
        let got = log.recv(&mut line).await.expect("a line");
        let line = String::from_utf8_lossy(&line[..got]).into_owned();
        if line.contains(path) {
            return lines;
        }
        if !line.contains(" started.") {
            lines.push(outline(&line));
        }
    }
}

/// Does what a client does, and answers all that it has received.
async fn ask(port: u16, steps: &[Step]) -> String {
    let here = (Ipv4Addr::LOCALHOST, port);
    let mut stream = TcpStream::connect(here).await.expect("accepted");
    let mut others = Vec::new();
    let mut answer = Vec::new();
    for step in steps {
        match step {
            Send(text) => stream.write_all(text.as_bytes()).await.expect("sent"),
            Rest => sleep(Duration::from_millis(200)).await,
            Close => stream.shutdown().await.expect("closed"),
            Another => {
                let next = TcpStream::connect(here).await.expect("accepted");
                others.push(std::mem::replace(&mut stream, next));
            }
            Read(beginning) => {
                while !answer.starts_with(beginning.as_bytes()) {
                    assert!(stream.read_buf(&mut answer).await.expect("alive") > 0);
                }
            }
        }
    }
    stream.read_to_end(&mut answer).await.expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Answers requests until one for `/last`, and tells what had come of each body with its head.
async fn serve(origin: TcpListener) -> Vec<String> {
    let mut served = Vec::new();
    loop {
        let (mut stream, _) = origin.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let got = stream.read(&mut request).await.expect("a request");
        let request = String::from_utf8_lossy(&request[..got]).into_owned();
        let (head, body) = request.split_once("\r\n\r\n").expect("a whole head");
        assert!(!head.contains("Expect"), "{head}");
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        stream.write_all(answer).await.expect("sent");
        served.push(body.to_owned());
        if head.contains("/last") {
            return served;
        }
    }
}

/// The backend and server, the status, the termination flags and the counters.
fn outline(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let server = words
        .iter()
        .position(|word| word.starts_with("b/") || word.starts_with("f/"));
    let at = server.expect("a line of option httplog");
    let [status, flags, counts] = [2, 6, 7].map(|after| words[at + after]);
    format!("{} {status} {flags} {counts}", words[at])
}
