//! What `bind` of 1.5 and later can say, and servers on Unix sockets.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a thread of a test that asks again has nothing else to do, nor has one that waits for \
              its turn"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand::start;
use nix::sys::signal::Signal;

/// What must happen happens within this time.
const SOON: Duration = Duration::from_secs(20);

const ASK: &str = "GET / HTTP/1.0\r\n\r\n";

/// A proxy on a file in a folder of its own. `{dir}` stands for the folder.
struct Stage {
    folder: tempfile::TempDir,
    proxy: Proxy,
}

impl Stage {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let proxy = start(folder.path(), &[], &whole(text, folder.path()));
        let stage = Self { folder, proxy };
        until(|| UnixStream::connect(stage.path("sock")).is_ok());
        stage
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until the statistics socket answers so.
    fn until_says(&self, command: &str, what: &str) {
        until(|| self.tell(command).contains(what));
    }

    fn tell(&self, command: &str) -> String {
        let mut socket = UnixStream::connect(self.path("sock")).expect("connected");
        socket.write_all(command.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("read");
        answer
    }

    fn reload(&self, text: &str) {
        let number = self.tell("show info\n");
        std::fs::write(self.path("proxy.cfg"), whole(text, self.folder.path())).expect("written");
        self.proxy.signal(Signal::SIGHUP).expect("told");
        let generation = |text: &str| {
            let line = text.lines().find(|line| line.starts_with("Generation"));
            line.map(str::to_owned)
        };
        until(|| generation(&self.tell("show info\n")) != generation(&number));
    }
}

fn whole(text: &str, folder: &Path) -> String {
    let head = "global\n    stats socket {dir}/sock level admin\n\
                defaults\n    mode http\n    timeout connect 5s\n    timeout client 20s\n    \
                timeout server 20s\n";
    format!("{head}{text}").replace("{dir}", &folder.display().to_string())
}

fn until(mut happens: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happens() {
        assert!(began.elapsed() < SOON, "it does not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server that tells what it is asked, and answers when it is told to, or at once.
struct Server {
    asked: Receiver<String>,
    go_on: Sender<()>,
}

fn answer(mut stream: impl Read + Write, asked: &Sender<String>, wait: impl FnOnce()) {
    let mut request = Vec::new();
    let mut room = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut room) {
            Ok(n) if n > 0 => request.extend_from_slice(&room[..n]),
            _ => return,
        }
    }
    let _ = asked.send(String::from_utf8_lossy(&request).into_owned());
    wait();
    let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

impl Server {
    /// One that answers when it is told to, in a thread for each connection.
    fn slow() -> (u16, Self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let (tell, asked) = channel();
        let (go_on, told) = channel::<()>();
        let told = std::sync::Arc::new(std::sync::Mutex::new(told));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (tell, told) = (tell.clone(), std::sync::Arc::clone(&told));
                thread::spawn(move || {
                    answer(stream, &tell, || {
                        let _ = told.lock().expect("whole").recv_timeout(SOON);
                    });
                });
            }
        });
        (port, Self { asked, go_on })
    }

    /// One on a Unix socket that answers at once.
    fn unix(listener: UnixListener) -> Receiver<String> {
        let (tell, asked) = channel();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                answer(stream, &tell, || {});
            }
        });
        asked
    }
}

fn ask(port: u16, before: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connected");
    client.set_read_timeout(Some(SOON)).expect("set");
    client
        .write_all(&[before, ASK.as_bytes()].concat())
        .expect("sent");
    client
}

/// All that comes, or the error that ends it.
fn all(mut stream: impl Read) -> std::io::Result<String> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map(|_| answer)
}

/// A name without a file is as long as HAProxy makes it.
fn abstract_name(name: &str) -> SocketAddr {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(107, 0);
    SocketAddr::from_abstract_name(bytes).expect("a name")
}

#[test]
fn clients_are_who_the_header_says() {
    let (server_port, server) = Server::slow();
    let port = free_port().expect("free");
    let stage = Stage::start(&format!(
        "listen l\n    bind 127.0.0.1:{port} accept-proxy\n    option forwardfor\n    \
         option originalto\n    server s 127.0.0.1:{server_port} send-proxy\n"
    ));
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend_from_slice(&[10, 0, 0, 3, 10, 0, 0, 4, 0, 5, 0, 6]);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    for (header, client, wanted) in [
        (
            &b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"[..],
            "10.0.0.1",
            "10.0.0.2",
        ),
        (&v2, "10.0.0.3", "10.0.0.4"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", "127.0.0.1"),
        (local, "127.0.0.1", "127.0.0.1"),
    ] {
        let asking = ask(port, header);
        let request = server.asked.recv_timeout(SOON).expect("asked");
        server.go_on.send(()).expect("told");
        assert!(
            request.starts_with(&format!("PROXY TCP4 {client} {wanted} ")),
            "{request}"
        );
        assert!(
            request.contains(&format!("\r\nX-Forwarded-For: {client}\r\n")),
            "{request}"
        );
        assert!(
            request.contains(&format!("\r\nX-Original-To: {wanted}\r\n")),
            "{request}"
        );
        assert!(all(asking).expect("answered").starts_with("HTTP/1.0 200 "));
    }
    // Who does not say who it is is not answered, and counts for no session.
    for header in [
        &b""[..],
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n",
        b"PROXY TCP7 x\r\n",
    ] {
        let error = all(ask(port, header)).expect_err("reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    // Four sessions, and none besides.
    let rows = stage.tell("show stat\n");
    let row = rows.lines().find(|row| row.starts_with("l,FRONTEND,"));
    assert_eq!(row.expect("a row").split(',').nth(7), Some("4"), "{rows}");
    assert!(server.asked.try_recv().is_err());
}

#[test]
fn a_listener_takes_no_more_than_its_own_maxconn() {
    let (server_port, server) = Server::slow();
    let (full, free) = (free_port().expect("free"), free_port().expect("free"));
    let file = |maxconn: u32| {
        format!(
            "listen l\n    bind 127.0.0.1:{full} maxconn {maxconn}\n    bind 127.0.0.1:{free}\n    \
             option socket-stats\n    server s 127.0.0.1:{server_port}\n"
        )
    };
    let stage = Stage::start(&file(1));
    let first = ask(full, b"");
    server.asked.recv_timeout(SOON).expect("asked");
    let second = ask(full, b"");
    let third = ask(full, b"");
    // The other listener of the frontend has room.
    let other = ask(free, b"");
    server.asked.recv_timeout(SOON).expect("asked");
    stage.until_says("show stat\n", "l,sock-1,,,1,1,1,");
    assert!(server.asked.try_recv().is_err());
    // Whoever leaves lets the next one in.
    server.go_on.send(()).expect("told");
    server.go_on.send(()).expect("told");
    assert!(all(first).expect("answered").starts_with("HTTP/1.0 200 "));
    assert!(all(other).expect("answered").starts_with("HTTP/1.0 200 "));
    server.asked.recv_timeout(SOON).expect("asked");
    assert!(server.asked.try_recv().is_err());
    // So does a reload that raises the limit.
    stage.reload(&file(2));
    server.asked.recv_timeout(SOON).expect("asked");
    server.go_on.send(()).expect("told");
    server.go_on.send(()).expect("told");
    for client in [second, third] {
        assert!(all(client).expect("answered").starts_with("HTTP/1.0 200 "));
    }
}

#[test]
fn servers_and_listeners_on_unix_sockets() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server");
    let by_path = Server::unix(UnixListener::bind(&path).expect("bound"));
    let name = format!("hapax-test-{}", std::process::id());
    let address = abstract_name(&name);
    let by_name = Server::unix(UnixListener::bind_addr(&address).expect("bound"));
    let front = format!("hapax-test-front-{}", std::process::id());
    let port = free_port().expect("free");
    let text = format!(
        "listen l\n    bind 127.0.0.1:{port}\n    bind unix@{{dir}}/front mode 600\n    \
         bind abns@{front}\n    option httpchk GET /check\n    \
         server a unix@{} check inter 100 fall 1 rise 1\n    server b abns@{name}\n",
        path.display()
    );
    let stage = Stage::start(&text);
    // Checks go there as well.
    until(|| {
        by_path
            .recv_timeout(SOON)
            .expect("checked")
            .starts_with("GET /check ")
    });
    stage.until_says("show stat\n", ",L7OK,");
    let mode = std::fs::metadata(stage.path("front"))
        .expect("there")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    for _ in 0..2 {
        assert!(all(ask(port, b"")).expect("answered").ends_with("ok"));
    }
    assert!(
        by_name
            .recv_timeout(SOON)
            .expect("asked")
            .starts_with("GET / ")
    );
    for mut client in [
        UnixStream::connect(stage.path("front")).expect("connected"),
        UnixStream::connect_addr(&abstract_name(&front)).expect("connected"),
    ] {
        client.write_all(ASK.as_bytes()).expect("sent");
        client.shutdown(Shutdown::Write).expect("shut");
        assert!(all(client).expect("answered").ends_with("ok"));
    }
    // A server whose file is gone goes down, and the others serve.
    std::fs::remove_file(&path).expect("removed");
    stage.until_says("show stat\n", ",DOWN,");
    assert!(all(ask(port, b"")).expect("answered").ends_with("ok"));
    // It stays known, and its listeners open, when the file changes.
    stage.reload(&text.replace("mode 600", "mode 660"));
    let mode = std::fs::metadata(stage.path("front"))
        .expect("there")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o660);
    assert!(stage.tell("show stat\n").contains(",DOWN,"));
    assert!(all(ask(port, b"")).expect("answered").ends_with("ok"));
}
