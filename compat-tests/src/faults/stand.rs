//! A proxy between clients and servers that can be told to misbehave.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Subject;
use crate::ports::free_port;

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The proxy, its folder, and a server that behaves as a request's path says.
pub(super) struct Stand {
    subject: Subject,
    folder: tempfile::TempDir,
    /// Where clients connect.
    pub(super) port: u16,
    /// A port that refuses.
    pub(super) refusing: u16,
    /// The server.
    pub(super) server: u16,
    /// Requests that the server has seen.
    pub(super) served: Arc<AtomicU32>,
    /// Variables for the process, as a shell writes them.
    pub(super) environment: String,
    child: Option<Child>,
}

impl Stand {
    pub(super) fn new(subject: &Subject) -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
        let server = listener.local_addr().map_err(text)?.port();
        let served = Arc::<AtomicU32>::default();
        let count = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || serve(stream, &count));
            }
        });
        Ok(Self {
            subject: subject.clone(),
            folder: tempfile::tempdir().map_err(text)?,
            port: free_port().map_err(text)?,
            refusing: free_port().map_err(text)?,
            server,
            served,
            environment: String::new(),
            child: None,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration: lines for the global section, the frontend and the backend, besides those
    /// that every scenario needs.
    pub(super) fn file(&self, global: &str, frontend: &str, backend: &str) -> String {
        let (port, server) = (self.port, self.server);
        format!(
            "global\n    stats socket {} level admin\n    stats timeout 1s\n{global}\
             defaults\n    mode http\n    option http-keep-alive\n    timeout connect 1s\n    \
             timeout client 2s\n    timeout server 1s\n    timeout http-request 1s\n    retries 1\n\
             frontend www\n    bind 127.0.0.1:{port}\n{frontend}    default_backend app\n\
             backend app\n    server s 127.0.0.1:{server}\n{backend}",
            self.path("stats").display()
        )
    }

    pub(super) fn write(&self, file: &str) -> Result<(), String> {
        let (new, path) = (self.path("new"), self.path("a.cfg"));
        std::fs::write(&new, file)
            .and_then(|()| std::fs::rename(new, path))
            .map_err(text)
    }

    /// Starts on that configuration and waits until it listens. `limits` is for `ulimit`.
    pub(super) fn start(&mut self, file: &str, limits: &str) -> Result<(), String> {
        self.write(file)?;
        let output = std::fs::File::create(self.path("output")).map_err(text)?;
        let master = if self.subject.haproxy { "-W" } else { "" };
        let limit = if limits.is_empty() {
            String::new()
        } else {
            format!("ulimit {limits} && ")
        };
        let line = format!(
            "{limit}exec env {} {} {master} -db -f {}",
            self.environment,
            self.subject.binary.display(),
            self.path("a.cfg").display()
        );
        let child = Command::new("/bin/sh")
            .args(["-c", &line])
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(text)?)
            .stderr(output)
            .spawn();
        self.child = Some(child.map_err(text)?);
        until("it listens", || self.connect().is_ok())
    }

    /// The same without lines of its own; the statistics socket is there, too.
    pub(super) fn start_plain(&mut self) -> Result<(), String> {
        self.start(&self.file("", "", ""), "")?;
        until("its socket is there", || self.path("stats").exists())
    }

    /// The process that was started.
    pub(super) fn pid(&self) -> i32 {
        let child = self.child.as_ref();
        child.map_or(0, |child| child.id().cast_signed())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        kill(Pid::from_raw(self.pid()), signal).map_err(text)
    }

    /// Asks for a reload.
    pub(super) fn reload(&self) -> Result<(), String> {
        if !self.subject.haproxy {
            return self.signal(Signal::SIGHUP);
        }
        // A master process misses what comes while it starts a worker.
        pause(300);
        self.signal(Signal::SIGUSR2)
    }

    /// Waits for the end of the process, for so long.
    pub(super) fn ends_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            let ended = self.child.as_mut().map(Child::try_wait);
            if matches!(ended, Some(Ok(Some(_)))) {
                self.child = None;
                return true;
            }
            pause(10);
        }
        false
    }

    /// All that it printed.
    pub(super) fn output(&self) -> String {
        let bytes = std::fs::read(self.path("output")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Resident memory of the process and of those that it has started, in kilobytes.
    pub(super) fn memory(&self) -> u64 {
        let children = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let pids = children
            .split_whitespace()
            .map(str::to_owned)
            .chain([self.pid().to_string()]);
        pids.filter_map(|pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum()
    }

    pub(super) fn connect(&self) -> Result<TcpStream, String> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(text)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(text)?;
        Ok(stream)
    }

    /// Sends bytes on a connection of its own and reads to the end.
    pub(super) fn exchange(&self, bytes: &[u8]) -> Result<String, String> {
        let mut stream = self.connect()?;
        // The answer may come before all is sent.
        let _ = stream.write_all(bytes);
        Ok(read_all(&mut stream))
    }

    /// The status of the answer to a request for a path; 0 when there is none.
    pub(super) fn status(&self, path: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = self.exchange(request.as_bytes()).unwrap_or_default();
        status_of(&answer)
    }

    /// Whether it lives and answers, unless the scenario has ended it.
    pub(super) fn is_well(&self) -> Result<(), String> {
        if self.child.is_none() {
            return Ok(());
        }
        until("it answers in the end", || self.status("/") == 200)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A master process takes its workers along.
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
            let deadline = Instant::now() + Duration::from_secs(3);
            while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
                pause(10);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An error as a text.
pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) fn pause(milliseconds: u64) {
    std::thread::park_timeout(Duration::from_millis(milliseconds));
}

pub(super) fn until(what: &str, mut happens: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !happens() {
        if Instant::now() > deadline {
            return Err(format!("not in time: {what}"));
        }
        pause(10);
    }
    Ok(())
}

pub(super) fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends it, too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn status_of(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1);
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Serves one connection as its requests say.
fn serve(mut stream: TcpStream, count: &AtomicU32) {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    while let Some(path) = read_path(&mut stream) {
        count.fetch_add(1, Ordering::SeqCst);
        let done = match path.as_str() {
            "/silent" => {
                pause(20_000);
                return;
            }
            "/reset-in-head" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConte");
                reset(&stream);
                return;
            }
            "/short-body" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
                return;
            }
            "/garbage" => {
                let _ = stream.write_all(b"\x00\xff\x13\x37 nothing of HTTP\r\n\r\n");
                return;
            }
            "/endless-head" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                while stream.write_all(b"X-More: of the same\r\n").is_ok() {}
                return;
            }
            "/big" => big(&mut stream, 64 << 20),
            "/slow" => {
                pause(500);
                stream.write_all(ok).is_ok()
            }
            _ => stream.write_all(ok).is_ok(),
        };
        if !done {
            return;
        }
    }
}

fn big(stream: &mut TcpStream, length: usize) -> bool {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let chunk = [b'x'; 65536];
    stream.write_all(head.as_bytes()).is_ok()
        && (0..length / chunk.len()).all(|_| stream.write_all(&chunk).is_ok())
}

/// Has the connection end in a reset.
pub(super) fn reset(stream: &TcpStream) {
    // When it cannot be set the connection ends otherwise, which is as bad.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// The path of the next request; `None` when there is none.
fn read_path(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => head.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    head.split(' ').nth(1).map(str::to_owned)
}
