//! Lines to standard output, as objects, into a chroot; and targets that take nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use compat_tests::hapax;
use compat_tests::ports::free_port;
use compat_tests::stand;
use serde_json::Value;

/// A request, a session and a connection are each an object, and every member of it is in the
/// documentation.
#[test]
fn objects_on_standard_output_are_as_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = origin();
    let [www, raw, plain] = [(); 3].map(|()| free_port().expect("a port"));
    let file = format!(
        "global\n    log stdout format json local3\n{DEFAULTS}    log global\n\
         frontend www\n    bind 127.0.0.1:{www}\n    option httplog\n    capture request header Host len 20\n\
         \x20   capture response header Server len 9\n    capture cookie SID len 20\n    default_backend app\n\
         backend app\n    server s1 127.0.0.1:{origin}\n\
         listen raw\n    mode tcp\n    option tcplog\n    bind 127.0.0.1:{raw}\n    server s1 127.0.0.1:{origin}\n\
         listen plain\n    bind 127.0.0.1:{plain}\n    server s1 127.0.0.1:{origin}\n"
    );
    let mut proxy = Running::start(folder.path(), &file, &[www, raw, plain]);
    let lines = proxy.lines();
    let request =
        "GET /a HTTP/1.1\r\nHost: h.example\r\nCookie: SID=q\r\nConnection: close\r\n\r\n";
    for port in [www, raw, plain] {
        ask(port, request);
    }
    let documented =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/logs.md"))
            .expect("the documentation");
    let mut seen: Vec<Value> = Vec::new();
    let has = |seen: &[Value], kind: &str| seen.iter().any(|object| object["kind"] == kind);
    // `ready` has connected too, so that there may be more lines than the three.
    while !(["tcp", "connect"].iter().all(|kind| has(&seen, kind))
        && seen.iter().any(|object| object["status"] == 200))
    {
        let line = lines.recv_timeout(PATIENCE).expect("another line");
        let object: Value = serde_json::from_str(&line).expect(&line);
        for name in names(&object) {
            assert!(documented.contains(&format!("`{name}`")), "{name}: {line}");
        }
        seen.push(object);
    }
    for object in &seen {
        for name in ["time", "severity", "facility", "program", "pid", "message"] {
            assert!(!object[name].is_null(), "{name}: {object}");
        }
        assert_eq!(object["facility"], "local3");
    }
    let http = seen
        .iter()
        .find(|object| object["status"] == 200)
        .expect("it was seen");
    for (name, value) in [
        ("kind", "http"),
        ("client", "127.0.0.1"),
        ("frontend", "www"),
        ("backend", "app"),
        ("server", "s1"),
        ("request", "GET /a HTTP/1.1"),
        ("request_cookie", "SID=q"),
        ("termination", "----"),
        ("severity", "info"),
    ] {
        assert_eq!(http[name], value, "{name}: {http}");
    }
    assert_eq!(http["request_headers"][0], "h.example");
    assert_eq!(http["response_headers"][0], "origin");
    assert!(http["timers"]["total"].is_number(), "{http}");
    let connect = seen
        .iter()
        .find(|object| object["kind"] == "connect")
        .expect("it was seen");
    assert_eq!(connect["local_port"], plain);
}

/// A pipe that nobody reads, a socket that nobody reads, one that is not there: requests are
/// answered, and lines are counted that went nowhere.
#[test]
fn targets_that_take_nothing_cost_lines_and_no_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = origin();
    let www = free_port().expect("a port");
    let asleep = folder.path().join("asleep");
    let _asleep = UnixDatagram::bind(&asleep).expect("a socket");
    let socket = folder.path().join("stats");
    let file = format!(
        "global\n    stats socket {}\n    log stdout local0\n    log {} local0\n    log {} local0\n    log 127.0.0.1:1 local0\n\
         {DEFAULTS}    log global\nlisten www\n    bind 127.0.0.1:{www}\n    option httplog\n    stats uri /stats\n\
         \x20   server s1 127.0.0.1:{origin}\n",
        socket.display(),
        asleep.display(),
        folder.path().join("nowhere").display(),
    );
    // Its output goes into a pipe that is full before long.
    let _proxy = Running::start(folder.path(), &file, &[www]);
    let mut client = connect(www);
    for number in 0..REQUESTS {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.write_all(request.as_bytes()).expect("sent");
        let answer = read_answer(&mut client);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{number}: {answer}");
    }
    let mut cli = UnixStream::connect(&socket).expect("the statistics socket");
    cli.set_read_timeout(Some(PATIENCE)).expect("a time");
    cli.write_all(b"show info\n").expect("sent");
    let mut info = String::new();
    cli.read_to_string(&mut info).expect("an answer");
    let dropped: usize = info
        .lines()
        .find_map(|line| line.strip_prefix("DroppedLogs: "))
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{info}"));
    // Each line to the socket that is not there, and most of those to the two that are full.
    assert!(dropped >= 2 * REQUESTS, "{dropped}");
    let page = ask(
        www,
        "GET /stats HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(page.to_lowercase().contains("log lines dropped"), "{page}");
}

/// `chroot` and `log /dev/log`: the socket is the one within, also after its daemon has come back.
#[test]
fn lines_go_to_the_socket_in_the_chroot() {
    if !stand::is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let jail = folder.path().join("jail");
    std::fs::create_dir_all(jail.join("dev")).expect("a folder");
    let daemon = Daemon::start(&jail.join("dev/log"));
    let origin = origin();
    let www = free_port().expect("a port");
    let file = format!(
        "global\n    chroot {}\n    uid 65534\n    gid 65534\n    log /dev/log local0\n{DEFAULTS}    log global\n\
         listen www\n    bind 127.0.0.1:{www}\n    option httplog\n    server s1 127.0.0.1:{origin}\n",
        jail.display(),
    );
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))
        .expect("permissions");
    let _proxy = Running::start(folder.path(), &file, &[www]);
    let request =
        |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ask(www, &request("first"));
    daemon.expect("GET /first ");
    drop(daemon);
    ask(www, &request("unheard"));
    let daemon = Daemon::start(&jail.join("dev/log"));
    ask(www, &request("second"));
    daemon.expect("GET /second ");
}

/// A syslog daemon.
struct Daemon(UnixDatagram);

impl Daemon {
    fn start(path: &Path) -> Self {
        // The last one may have left it behind.
        let _ = std::fs::remove_file(path);
        let socket = UnixDatagram::bind(path).expect("a socket");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))
            .expect("permissions");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        Self(socket)
    }

    fn expect(&self, text: &str) {
        let mut datagram = [0; 2048];
        loop {
            let length = self.0.recv(&mut datagram).expect("a line");
            let line = String::from_utf8_lossy(&datagram[..length]);
            if line.contains(text) {
                assert!(line.starts_with("<134>"), "{line}");
                return;
            }
        }
    }
}

struct Running(Child);

impl Running {
    /// Starts hapax on a file, and waits until it listens.
    fn start(folder: &Path, file: &str, ports: &[u16]) -> Self {
        let path = folder.join("hapax.cfg");
        std::fs::write(&path, file).expect("written");
        let output = std::fs::File::create(folder.join("messages")).expect("a file");
        let child = Command::new(hapax::binary())
            .arg("-f")
            .arg(&path)
            .arg("-db")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .expect("it starts");
        let mut running = Self(child);
        let deadline = Instant::now() + PATIENCE;
        for port in ports {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err() {
                let ended = running.0.try_wait().expect("a child");
                assert!(
                    ended.is_none() && Instant::now() < deadline,
                    "{}",
                    std::fs::read_to_string(folder.join("messages")).expect("a file")
                );
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        running
    }

    /// What it prints, line by line.
    fn lines(&mut self) -> mpsc::Receiver<String> {
        let stdout = self.0.stdout.take().expect("a pipe");
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        receive
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is our own child and was not waited for, so neither can fail.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that answers every request on a connection.
fn origin() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        received.extend_from_slice(&piece[..length]);
        while let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let last = received[..end].windows(5).any(|five| five == b"close");
            received.drain(..end + 4);
            let answer = b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Length: 2\r\n\r\nok";
            if stream.write_all(answer).is_err() || last {
                return;
            }
        }
    }
}

fn connect(port: u16) -> TcpStream {
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a time");
    client
}

/// Sends a request and reads to the end.
fn ask(port: u16, request: &str) -> String {
    let mut client = connect(port);
    client.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads an answer of the origin.
fn read_answer(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.ends_with(b"\r\n\r\nok") {
        let length = client.read(&mut piece).expect("an answer in time");
        assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The names of all members, of those of inner objects too.
fn names(object: &Value) -> Vec<String> {
    let members = object.as_object().into_iter().flatten();
    members
        .flat_map(|(name, value)| [vec![name.clone()], names(value)].concat())
        .collect()
}

const DEFAULTS: &str = "defaults\n    mode http\n    timeout client 10s\n    timeout server 10s\n    timeout connect 10s\n";
const REQUESTS: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(20);
