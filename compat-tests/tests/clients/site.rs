//! What clients look at: a proxy with a frontend, servers that are up, down and disabled, the
//! statistics page and socket, and log lines.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use compat_tests::hapax;
use compat_tests::ports::free_port;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with the test.
pub(crate) struct Ended(Child);

impl Ended {
    pub(crate) fn start(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("it can be started"))
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running proxy with all that belongs to it.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    web: u16,
    /// Where the statistics page is.
    pub(crate) page: u16,
    /// Where log lines come, unless somebody else takes them.
    log: UdpSocket,
    _proxy: Ended,
}

impl Site {
    pub(crate) fn open(dialect: &str) -> Self {
        Self::logging(dialect, "", None)
    }

    /// With log lines that go elsewhere, and from a chroot.
    pub(crate) fn logging(dialect: &str, target: &str, jail: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let own = log.local_addr().expect("it is bound").to_string();
        let target = if target.is_empty() { &own } else { target };
        let [web, page, down] = [(); 3].map(|()| free_port().expect("free"));
        let origin = serve();
        let chroot = jail.map_or_else(String::new, |jail| {
            format!("    chroot {}\n", jail.display())
        });
        let text = format!(
            "global\n{chroot}    stats socket {socket} level admin\n    log {target} local0\n\
             defaults\n    mode http\n    log global\n    option httplog\n    \
             option http-server-close\n    timeout connect 1s\n    timeout client 10s\n    \
             timeout server 10s\n\
             frontend web\n    bind 127.0.0.1:{web}\n    option socket-stats\n    \
             default_backend be\n\
             backend be\n    server s1 127.0.0.1:{origin} weight 10 check inter 200 fall 50\n    \
             server s2 127.0.0.1:{down} check inter 200 backup\n    \
             server s3 127.0.0.1:{down} disabled\n\
             listen st\n    bind 127.0.0.1:{page}\n    stats enable\n    stats uri /stats\n    \
             stats admin if TRUE\n",
            socket = folder.path().join("socket").display(),
        );
        let file = folder.path().join("proxy.cfg");
        std::fs::write(&file, text).expect("written");
        let mut command = Command::new(hapax::binary());
        command.args(["--compat", dialect, "-db", "-f"]).arg(&file);
        let site = Self {
            web,
            page,
            log,
            _proxy: Ended::start(&mut command),
            folder,
        };
        until("the checks have found out", || {
            site.cell("be,s2", "status") == "DOWN" && site.cell("be,s1", "status") == "UP"
        });
        site
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Five requests that are answered 200, and one 404; counted when this returns.
    pub(crate) fn traffic(&self) {
        for _ in 0..5 {
            http(self.web, "/found");
        }
        http(self.web, "/missing?st=404");
        until("all is counted", || {
            self.cell("be,BACKEND", "hrsp_4xx") == "1" && self.cell("be,BACKEND", "scur") == "0"
        });
    }

    /// A cell of the statistics.
    pub(crate) fn cell(&self, row: &str, column: &str) -> String {
        let mut text = String::new();
        if let Ok(mut stream) = UnixStream::connect(self.socket()) {
            let _ = stream.write_all(b"show stat\n");
            let _ = stream.read_to_string(&mut text);
        }
        let mut lines = text.lines();
        let names = lines.next().unwrap_or("").trim_start_matches("# ");
        let index = names.split(',').position(|name| name == column);
        let line = lines.find(|line| line.starts_with(&format!("{row},")));
        let cell = line.and_then(|line| line.split(',').nth(index?));
        cell.unwrap_or("no such row").to_owned()
    }

    /// Runs a program to its end: its status, and what it printed.
    pub(crate) fn run(&self, command: &mut Command) -> (i32, String) {
        let output = command
            .current_dir(self.folder.path())
            .output()
            .expect("it can be started");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Writes a file of log lines of requests as syslog daemons do, with the name of a host.
    pub(crate) fn write_log(&self, count: usize) -> PathBuf {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        self.log
            .set_read_timeout(Some(PATIENCE))
            .expect("it can be set");
        let mut lines = 0;
        while lines < count {
            let n = self.log.recv(&mut buffer).expect("a line");
            let line = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let line = line.split_once('>').map_or("", |(_, line)| line);
            // The date has 15 characters.
            if let (true, Some((date, rest))) = (line.contains("\"GET "), line.split_at_checked(15))
            {
                text.push_str(&format!("{date} localhost{}\n", rest.trim_end()));
                lines += 1;
            }
        }
        let file = self.folder.path().join("log");
        std::fs::write(&file, text).expect("written");
        file
    }
}

/// A server that answers 200, or what `st` in the query says.
fn serve() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(connection));
        }
    });
    port
}

fn answer(mut connection: TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match connection.read(&mut buffer) {
            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
            // A check.
            _ => return,
        }
    }
    let missing = request.windows(6).any(|w| w == b"st=404");
    let status = if missing { "404 Not Found" } else { "200 OK" };
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    // The proxy may have gone.
    let _ = connection.write_all(text.as_bytes());
}

/// The answer to one request; empty when there is none.
pub(crate) fn http(port: u16, target: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

/// Looks again and again.
pub(crate) fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happens() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
