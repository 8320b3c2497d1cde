//! What a proxy knows, and whether it still knows it after it was reloaded again and again.
//!
//! Plays the same on hapax and on any HAProxy that has a master process: counters, a weight and a
//! maintenance that an administrator set, a server that checks have found to be down, entries of
//! stick tables, a changed map, a captured error, a full server with a queue, an open tunnel; then
//! reloads under load with files that change; then looks for all of it.

mod entries;
mod origin;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ports::free_port;
use origin::Origin;

/// Which proxy, and how it is reloaded.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The binary.
    pub binary: PathBuf,
    /// Arguments before `-f`.
    pub arguments: Vec<String>,
    /// The signal that reloads it.
    pub signal: Signal,
}

/// One thing that was there before.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// Before the first reload.
    pub before: String,
    /// After the last.
    pub after: String,
    /// Whether it is still there.
    pub kept: bool,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// One by one.
    pub list: Vec<Finding>,
    /// Requests that were answered while it was reloaded.
    pub answered: u64,
    /// Requests that were not.
    pub failed: u64,
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// After which time a reload that has not come is asked for again.
const AGAIN: Duration = Duration::from_secs(4);

/// Plays on a proxy.
///
/// # Errors
/// What is in the way, in words.
pub fn play(subject: &Subject, reloads: usize) -> Result<Findings, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let stage = Stage {
        socket: folder.path().join("stats"),
        file: folder.path().join("a.cfg"),
        map: folder.path().join("routes.map"),
        web: port()?,
        mapped: port()?,
        slow: port()?,
        tunnel: port()?,
        refusing: port()?,
        fast: Origin::start(Duration::ZERO, "a ")?,
        other: Origin::start(Duration::ZERO, "b ")?,
        held: Origin::start(Duration::from_secs(3600), "h ")?,
    };
    std::fs::write(&stage.map, "a first\n").map_err(|e| e.to_string())?;
    stage.write(0)?;
    let mut proxy = Proxy::start(subject, &stage.file, folder.path())?;
    until("it answers", || stage.ask("show info").contains("Pid:"))?;
    stage.prepare()?;
    let tunnel = stage.open_tunnel()?;
    let before = stage.look();
    let waiting = stage.queue(4)?;
    let queued = stage.column("queue", "BACKEND", 2);
    entries::expect(&stage, waiting.len())?;
    let counted = entries::look(&stage);

    let load = Load::start(stage.web, 4);
    for number in 1..=reloads {
        stage.write(number)?;
        let reload = || kill(Pid::from_raw(proxy.0.id().cast_signed()), subject.signal);
        reload().map_err(|e| e.to_string())?;
        let anew = format!("node: reload-{number}\n");
        let mut told = Instant::now();
        until("the new file is in service", || {
            // A master process that is about to start anew takes no notice of a signal.
            if told.elapsed() > AGAIN {
                told = Instant::now();
                let _ = reload();
            }
            stage.ask("show info").contains(&anew)
        })?;
        std::thread::park_timeout(Duration::from_millis(30));
    }
    let (answered, failed) = load.stop();
    let after = stage.look();
    let requests = waiting.len() + 1;
    let still_counted = entries::look(&stage);
    let list = vec![
        sessions_kept(&before, &after, answered),
        same(
            "weight set at run time (`set weight`)",
            &before.weight,
            &after.weight,
        ),
        same(
            "server taken out (`disable server`)",
            &before.disabled,
            &after.disabled,
        ),
        same("server found down by checks", &before.down, &after.down),
        same(
            "entries of a stick table: the servers of eight clients",
            &before.table,
            &after.table,
        ),
        same(
            "entries with stored data, of connections that go on and by `set table`",
            &counted,
            &still_counted,
        ),
        same(
            "map that `set map` and `add map` changed, and where it leads",
            &before.map,
            &after.map,
        ),
        same(
            "captured error (`show errors`)",
            &before.errors,
            &after.errors,
        ),
        same("process (`show info`, Pid)", &before.pid, &after.pid),
        stage.queue_kept(waiting, &queued),
        entries::over(&stage, requests),
        tunnel_kept(tunnel),
    ];
    proxy.end();
    Ok(Findings {
        list,
        answered,
        failed,
    })
}

fn same(what: &'static str, before: &str, after: &str) -> Finding {
    Finding {
        what,
        before: before.to_owned(),
        after: after.to_owned(),
        kept: before == after && before != NOTHING,
    }
}

/// What is shown of what is not there.
const NOTHING: &str = "none";

struct Stage {
    socket: PathBuf,
    file: PathBuf,
    map: PathBuf,
    web: u16,
    mapped: u16,
    slow: u16,
    tunnel: u16,
    refusing: u16,
    fast: Origin,
    other: Origin,
    held: Origin,
}

/// What the statistics socket says.
struct Known {
    sessions: u64,
    weight: String,
    disabled: String,
    down: String,
    table: String,
    map: String,
    errors: String,
    pid: String,
}

impl Stage {
    /// The configuration after so many reloads.
    fn write(&self, number: usize) -> Result<(), String> {
        let (web, slow, tunnel) = (self.web, self.slow, self.tunnel);
        let (fast, held, refusing) = (self.fast.port, self.held.port, self.refusing);
        let other = self.other.port;
        let mut text = format!(
            "global\n    stats socket {} level admin\n    maxconn 500\n    node reload-{number}\n\
             defaults\n    mode http\n    timeout connect 2s\n    timeout client {}s\n    \
             timeout server 60s\n    timeout queue 60s\n\
             frontend www\n    bind 127.0.0.1:{web}\n    default_backend app\n\
             frontend mapped\n    bind 127.0.0.1:{mapped}\n    \
             use_backend %[hdr(host),map({map})]\n\
             backend first\n    server s 127.0.0.1:{fast}\n\
             backend second\n    server s 127.0.0.1:{other}\n\
             frontend slow\n    bind 127.0.0.1:{slow}\n{rules}    default_backend queue\n\
             {section}\
             listen tunnel\n    mode tcp\n    bind 127.0.0.1:{tunnel}\n    \
             server t 127.0.0.1:{fast}\n\
             backend queue\n    server q 127.0.0.1:{held} maxconn 1\n\
             backend app\n    balance roundrobin\n    \
             stick-table type ip size 1k expire 30m\n    stick on src\n    \
             server a 127.0.0.1:{fast} weight 10\n    server b 127.0.0.1:{other} weight 10\n    \
             server down 127.0.0.1:{refusing} check inter 1500 fall 3\n    \
             server off 127.0.0.1:{fast}\n",
            self.socket.display(),
            60 + number,
            mapped = self.mapped,
            map = self.map.display(),
            rules = entries::RULES,
            section = entries::SECTION,
        );
        if number % 2 == 1 {
            text.push_str(&format!(
                "backend extra{number}\n    server x 127.0.0.1:{fast}\n"
            ));
        }
        let new = self.file.with_extension("new");
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(new, &self.file))
            .map_err(|e| e.to_string())
    }

    fn ask(&self, command: &str) -> String {
        ask(&self.socket, command).unwrap_or_default()
    }

    fn pid(&self) -> String {
        let info = self.ask("show info");
        let line = info.lines().find_map(|line| line.strip_prefix("Pid: "));
        line.unwrap_or_default().to_owned()
    }

    /// A column of `show stat`, by number from 0.
    fn column(&self, proxy: &str, name: &str, column: usize) -> String {
        let start = format!("{proxy},{name},");
        let stat = self.ask("show stat");
        let line = stat.lines().find(|line| line.starts_with(&start));
        let field = line.and_then(|line| line.split(',').nth(column));
        field.unwrap_or("?").to_owned()
    }

    /// Makes everything that is to be kept.
    fn prepare(&self) -> Result<(), String> {
        for _ in 0..20 {
            get(self.web).ok_or("no answer before the first reload")?;
        }
        self.stick().ok_or("no answer to another address")?;
        self.ask("set weight app/a 77");
        self.ask("disable server app/off");
        self.ask(entries::BY_HAND);
        self.ask(&format!("set map {} a second", self.map.display()));
        self.ask(&format!("add map {} b first", self.map.display()));
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.web))
            .and_then(|mut stream| {
                stream
                    .write_all(b"GET /\x01bad HTTP/1.0\r\n\r\n")
                    .map(|()| stream)
            })
            .and_then(|mut stream| stream.read_to_end(&mut Vec::new()));
        until("checks find a server down", || {
            self.column("app", "down", 17).starts_with("DOWN")
        })
    }

    fn look(&self) -> Known {
        let first = |text: String| text.lines().next().unwrap_or("?").to_owned();
        let errors = self.ask("show errors");
        let captured = errors.lines().any(|line| line.contains("frontend www"));
        Known {
            sessions: self.column("www", "FRONTEND", 7).parse().unwrap_or(0),
            weight: first(self.ask("get weight app/a")),
            disabled: self.column("app", "off", 17),
            down: self.column("app", "down", 17),
            table: self.stuck().unwrap_or_else(|| NOTHING.to_owned()),
            map: self.map(),
            errors: if captured { "there" } else { NOTHING }.to_owned(),
            pid: self.pid(),
        }
    }

    /// What the map says, and which server it leads to.
    fn map(&self) -> String {
        let shown = self.ask(&format!("show map {}", self.map.display()));
        let entries = shown.lines().filter_map(|line| line.split_once(' '));
        let entries: Vec<_> = entries.map(|(_, entry)| entry).collect();
        let led = TcpStream::connect((Ipv4Addr::LOCALHOST, self.mapped))
            .ok()
            .and_then(|mut stream| once(&mut stream));
        let led = led.as_deref().map_or(NOTHING, str::trim);
        format!("{}; to server {led}", entries.join(", "))
    }

    /// Requests for a server that takes one at a time: the first is held, the others wait.
    fn queue(&self, count: usize) -> Result<Vec<JoinHandle<bool>>, String> {
        let port = self.slow;
        let mut waiting = vec![std::thread::spawn(move || get(port).is_some())];
        until("the server is busy", || self.held.busy() == 1)?;
        for _ in 1..count {
            waiting.push(std::thread::spawn(move || get(port).is_some()));
        }
        let expected = (count - 1).to_string();
        until("they wait", || {
            self.column("queue", "BACKEND", 2) == expected
        })?;
        Ok(waiting)
    }

    /// One more request, and then all of them are let go.
    fn queue_kept(&self, mut waiting: Vec<JoinHandle<bool>>, before: &str) -> Finding {
        let after = self.column("queue", "BACKEND", 2);
        let port = self.slow;
        waiting.push(std::thread::spawn(move || get(port).is_some()));
        std::thread::park_timeout(Duration::from_millis(300));
        let most = self.held.most();
        self.held.let_go();
        let count = waiting.len();
        let answered = waiting.into_iter().filter_map(|w| w.join().ok());
        let answered = answered.filter(|answered| *answered).count();
        Finding {
            what: "queue of a server with `maxconn 1`",
            before: format!("{before} waiting, 1 at the server"),
            after: format!("{after} waiting, {most} at the server, {answered} of {count} answered"),
            kept: after == before && most == 1 && answered == count,
        }
    }

    /// Eight addresses get their servers, in an order that does not come about by itself: others take
    /// turns with them.
    fn stick(&self) -> Option<()> {
        for (last, others) in (10..18).zip([0, 1, 1, 0, 1, 0, 0, 1]) {
            for other in 0..others {
                from(100 + 10 * other + last, self.web)?;
            }
            from(last, self.web)?;
        }
        Some(())
    }

    /// The servers that eight addresses stick to; the load has another address.
    fn stuck(&self) -> Option<String> {
        let servers = (10..18).map(|last| from(last, self.web));
        servers.collect()
    }

    fn open_tunnel(&self) -> Result<TcpStream, String> {
        let mut tunnel =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.tunnel)).map_err(|e| e.to_string())?;
        tunnel
            .set_read_timeout(Some(PATIENCE))
            .map_err(|e| e.to_string())?;
        once(&mut tunnel).ok_or("the tunnel does not work")?;
        Ok(tunnel)
    }
}

/// The load was counted, too.
fn sessions_kept(before: &Known, after: &Known, answered: u64) -> Finding {
    Finding {
        what: "counters (sessions of a frontend)",
        before: before.sessions.to_string(),
        after: format!("{} ({answered} of load)", after.sessions),
        kept: after.sessions >= before.sessions + answered,
    }
}

fn tunnel_kept(mut tunnel: TcpStream) -> Finding {
    let works = once(&mut tunnel).is_some();
    Finding {
        what: "open TCP connection",
        before: "works".to_owned(),
        after: if works { "works" } else { "closed" }.to_owned(),
        kept: works,
    }
}

/// One request on an open connection; the body of two bytes.
fn once(stream: &mut TcpStream) -> Option<String> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    let mut chunk = [0; 2048];
    loop {
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => answer.push_str(&String::from_utf8_lossy(&chunk[..n])),
            _ => return None,
        }
        if let Some((head, body)) = answer.split_once("\r\n\r\n")
            && body.len() >= 2
        {
            return head.starts_with("HTTP/1.1 200").then(|| body.to_owned());
        }
    }
}

/// One request on a connection of its own.
fn get(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    answer.starts_with(b"HTTP/1.1 200").then_some(())
}

/// One request from 127.0.0.LAST; the body of its answer.
fn from(last: u8, port: u16) -> Option<String> {
    let socket = crate::ports::tcp_socket().ok()?;
    let from: std::net::SocketAddr = ([127, 0, 0, last], 0).into();
    socket.bind(&from.into()).ok()?;
    socket.connect(&crate::ports::loopback(port)).ok()?;
    once(&mut socket.into())
}

fn ask(socket: &Path, command: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("{command}\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Clients that ask without a pause, each time over another connection.
struct Load {
    stopped: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(port: u16, clients: usize) -> Self {
        let stopped = Arc::<AtomicBool>::default();
        let (answered, failed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let threads = (0..clients)
            .map(|_| {
                let stopped = Arc::clone(&stopped);
                let (answered, failed) = (Arc::clone(&answered), Arc::clone(&failed));
                std::thread::spawn(move || {
                    while !stopped.load(Ordering::Relaxed) {
                        let count = if get(port).is_some() {
                            &answered
                        } else {
                            &failed
                        };
                        count.fetch_add(1, Ordering::Relaxed);
                        std::thread::park_timeout(Duration::from_millis(4));
                    }
                })
            })
            .collect();
        Self {
            stopped,
            answered,
            failed,
            threads,
        }
    }

    fn stop(self) -> (u64, u64) {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // A panic was reported by its own hook.
            let _ = thread.join();
        }
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (count(&self.answered), count(&self.failed))
    }
}

/// A proxy and the processes that it has started.
struct Proxy(Child);

impl Proxy {
    fn start(subject: &Subject, file: &Path, folder: &Path) -> Result<Self, String> {
        let output = std::fs::File::create(folder.join("output")).map_err(|e| e.to_string())?;
        let child = Command::new(&subject.binary)
            .args(&subject.arguments)
            .arg("-f")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(|e| e.to_string())?)
            .stderr(output)
            .spawn();
        child.map(Self).map_err(|e| e.to_string())
    }

    fn end(&mut self) {
        // A master process takes its workers along.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.end();
        }
    }
}

fn port() -> Result<u16, String> {
    free_port().map_err(|e| e.to_string())
}

fn until(what: &str, mut happens: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !happens() {
        if Instant::now() > deadline {
            return Err(format!("not in time: {what}"));
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(())
}
