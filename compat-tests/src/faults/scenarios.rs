//! The scenarios.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::Scenario;
use super::stand::{PATIENCE, Stand, pause, read_all, reset, status_of, text, until};

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    row(
        "descriptors",
        "`ulimit -n 64` and 100 clients at once",
        descriptors,
    ),
    row(
        "accept-storm",
        "2,000 connections as fast as they can be made",
        accept_storm,
    ),
    row("maxconn", "`maxconn 10` and 40 clients that stay", maxconn),
    row(
        "slow-head",
        "200 clients that send their heads a byte at a time",
        slow_head,
    ),
    row(
        "silent-clients",
        "200 clients that connect and say nothing",
        silent_clients,
    ),
    row(
        "endless-head",
        "a request head without an end",
        endless_head,
    ),
    row(
        "half-request",
        "a client that leaves in the middle of its head",
        half_request,
    ),
    row(
        "client-reset",
        "100 clients that reset in the middle of an answer",
        client_reset,
    ),
    row(
        "unread",
        "20 clients that ask for 64 MB and read none of it",
        unread,
    ),
    row(
        "server-refuses",
        "a server that refuses connections",
        server_refuses,
    ),
    row(
        "server-silent",
        "a server that takes a request and says nothing",
        server_silent,
    ),
    row(
        "server-reset",
        "a server that resets in the middle of its head",
        server_reset,
    ),
    row(
        "server-short",
        "a server that ends before its Content-Length",
        server_short,
    ),
    row(
        "server-garbage",
        "a server that does not speak HTTP",
        server_garbage,
    ),
    row(
        "server-endless",
        "a server whose head has no end",
        server_endless,
    ),
    row("log-dead", "log targets that are not there", log_dead),
    row("log-full", "a log socket that nobody reads", log_full),
    row(
        "log-storm",
        "3,000 log lines as fast as they come",
        log_storm,
    ),
    row(
        "socket-idle",
        "clients of the statistics socket that say nothing",
        socket_idle,
    ),
    row(
        "socket-garbage",
        "64 KB of nonsense on the statistics socket",
        socket_garbage,
    ),
    row(
        "reload-broken",
        "a reload of a file with mistakes",
        reload_broken,
    ),
    row(
        "reload-missing",
        "a reload when the file is gone",
        reload_missing,
    ),
    row(
        "reload-taken",
        "a reload that wants a port which is taken",
        reload_taken,
    ),
    row("reload-storm", "50 reloads at once", reload_storm),
    row(
        "clock-jump",
        "the clock jumps a day ahead and two back",
        clock_jump,
    ),
    row(
        "term-busy",
        "SIGTERM while answers are under way",
        term_busy,
    ),
    row(
        "soft-stop-busy",
        "SIGUSR1 while an answer is under way",
        soft_stop_busy,
    ),
];

const fn row(
    name: &'static str,
    what: &'static str,
    play: fn(&mut Stand) -> Result<String, String>,
) -> Scenario {
    Scenario { name, what, play }
}

type Seen = Result<String, String>;

/// As expected, or not.
fn expect(holds: bool, seen: String) -> Seen {
    if holds { Ok(seen) } else { Err(seen) }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Connects so many clients.
fn crowd(stand: &Stand, count: usize) -> Vec<TcpStream> {
    (0..count).filter_map(|_| stand.connect().ok()).collect()
}

/// What threads that run at the same time have found out.
fn join<T>(threads: Vec<std::thread::JoinHandle<T>>) -> Vec<T> {
    let results = threads.into_iter().filter_map(|thread| thread.join().ok());
    results.collect()
}

/// How many of them get a 200 once they ask.
fn ask_all(clients: Vec<TcpStream>) -> usize {
    let threads = clients.into_iter().map(|mut stream| {
        std::thread::spawn(move || {
            let _ = stream.write_all(REQUEST);
            status_of(&read_all(&mut stream)) == 200
        })
    });
    let answered = join(threads.collect());
    answered.into_iter().filter(|answered| *answered).count()
}

fn descriptors(stand: &mut Stand) -> Seen {
    // More clients are allowed than there are descriptors.
    let file = stand.file("    maxconn 200\n    ulimit-n 64\n", "", "");
    stand.start(&file, "-n 64")?;
    let clients = crowd(stand, 100);
    pause(300);
    let answered = ask_all(clients);
    // Those that found no descriptor wait, in the queue of the system or for a time-out.
    expect(
        answered >= 20,
        format!("{answered} of 100 answered, the others refused or timed out"),
    )
}

fn accept_storm(stand: &mut Stand) -> Seen {
    stand.start(
        &stand.file(
            "    maxconn 3000\n",
            "    maxconn 3000\n    backlog 4000\n",
            "",
        ),
        "",
    )?;
    let port = stand.port;
    let hundred = move || {
        let answers = (0..100).filter(|_| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            stream.is_ok_and(|mut stream| {
                let _ = stream.write_all(REQUEST);
                status_of(&read_all(&mut stream)) == 200
            })
        });
        answers.count()
    };
    let threads = (0..20).map(|_| std::thread::spawn(hundred));
    let answered: usize = join(threads.collect()).into_iter().sum();
    expect(answered == 2000, format!("{answered} of 2000 answered"))
}

fn maxconn(stand: &mut Stand) -> Seen {
    stand.start(&stand.file("    maxconn 10\n", "    backlog 100\n", ""), "")?;
    let answered = ask_all(crowd(stand, 40));
    expect(
        answered == 40,
        format!("{answered} of 40 answered, one after another"),
    )
}

fn slow_head(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let before = stand.memory();
    let mut clients = crowd(stand, 200);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        for stream in &mut clients {
            let _ = stream.write_all(b"X");
        }
        pause(50);
    }
    let grown = stand.memory().saturating_sub(before) / 1024;
    // Meanwhile others are served.
    let other = stand.status("/");
    let answers: Vec<u16> = clients
        .iter_mut()
        .map(|s| status_of(&read_all(s)))
        .collect();
    let ended = answers
        .iter()
        .filter(|status| [408, 400, 0].contains(*status))
        .count();
    expect(
        ended == 200 && other == 200,
        format!("{ended} of 200 ended by timeout http-request, others are served, {grown} MB more"),
    )
}

fn silent_clients(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let mut clients = crowd(stand, 200);
    let other = stand.status("/");
    let start = Instant::now();
    for stream in &mut clients {
        read_all(stream);
    }
    let took = start.elapsed();
    expect(
        took < Duration::from_secs(5) && other == 200,
        "all of them are gone after timeout http-request, others are served".to_owned(),
    )
}

fn endless_head(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let before = stand.memory();
    let mut request = b"GET / HTTP/1.1\r\n".to_vec();
    for _ in 0..20_000 {
        request.extend_from_slice(b"X-More: of the same\r\n");
    }
    let status = status_of(&stand.exchange(&request)?);
    let grown = stand.memory().saturating_sub(before) / 1024;
    // When the answer is overtaken by the reset there is nothing to read.
    expect(
        [400, 431, 0].contains(&status) && grown < 8,
        format!("refused, {grown} MB more"),
    )
}

fn half_request(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let mut stream = stand.connect()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").map_err(text)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(text)?;
    let status = status_of(&read_all(&mut stream));
    expect(
        [400, 0].contains(&status),
        format!("status {status}, nothing reaches the server"),
    )
}

fn client_reset(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    for _ in 0..100 {
        let mut stream = stand.connect()?;
        stream
            .write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            .map_err(text)?;
        let mut some = [0; 1000];
        let _ = std::io::Read::read(&mut stream, &mut some);
        reset(&stream);
    }
    Ok("their server connections are closed, others are served".to_owned())
}

fn unread(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let before = stand.memory();
    let mut clients = crowd(stand, 20);
    for stream in &mut clients {
        stream
            .write_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            .map_err(text)?;
    }
    pause(1000);
    let grown = stand.memory().saturating_sub(before) / 1024;
    let other = stand.status("/");
    expect(
        grown < 16 && other == 200,
        format!("{grown} MB more for 1.3 GB that nobody reads, ended by timeout client"),
    )
}

fn server_refuses(stand: &mut Stand) -> Seen {
    let refusing = stand.refusing;
    let dead = format!("backend dead\n    server d 127.0.0.1:{refusing}\n");
    let dead = stand.file("", "    use_backend dead if { path /dead }\n", &dead);
    stand.start(&dead, "")?;
    let status = stand.status("/dead");
    expect(status == 503, format!("status {status} after retries"))
}

fn server_silent(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let status = stand.status("/silent");
    expect(
        status == 504,
        format!("status {status} after timeout server"),
    )
}

fn server_reset(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let status = stand.status("/reset-in-head");
    expect(status == 502, format!("status {status}"))
}

fn server_short(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let answer = stand.exchange(b"GET /short-body HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let whole = answer.contains("Content-Length: 100") || answer.contains("content-length: 100");
    expect(
        whole && answer.ends_with("ok"),
        "what came is passed on, the connection ends".to_owned(),
    )
}

fn server_garbage(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let status = stand.status("/garbage");
    expect(status == 502, format!("status {status}"))
}

fn server_endless(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let before = stand.memory();
    let status = stand.status("/endless-head");
    let grown = stand.memory().saturating_sub(before) / 1024;
    expect(
        status == 502 && grown < 8,
        format!("status {status}, {grown} MB more"),
    )
}

/// Asks so often, and says how long it took.
fn time(stand: &Stand, count: u32) -> (u32, Duration) {
    let start = Instant::now();
    let answered = (0..count).filter(|_| stand.status("/") == 200).count();
    (u32::try_from(answered).unwrap_or(0), start.elapsed())
}

fn log_dead(stand: &mut Stand) -> Seen {
    let (missing, port) = (stand.path("no.sock"), stand.refusing);
    let logs = format!(
        "    log {} local0\n    log 127.0.0.1:{port} local1\n",
        missing.display()
    );
    stand.start(
        &stand.file(&logs, "    log global\n    option httplog\n", ""),
        "",
    )?;
    let (answered, took) = time(stand, 200);
    expect(
        answered == 200 && took < Duration::from_secs(5),
        "200 of 200 answered at full speed".to_owned(),
    )
}

fn log_full(stand: &mut Stand) -> Seen {
    let path = stand.path("log.sock");
    let _unread = UnixDatagram::bind(&path).map_err(text)?;
    let logs = format!("    log {} local0\n", path.display());
    stand.start(
        &stand.file(&logs, "    log global\n    option httplog\n", ""),
        "",
    )?;
    let (answered, took) = time(stand, 1000);
    expect(
        answered == 1000 && took < Duration::from_secs(10),
        "1000 of 1000 answered at full speed, lines are dropped".to_owned(),
    )
}

fn log_storm(stand: &mut Stand) -> Seen {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    socket
        .set_read_timeout(Some(Duration::from_millis(300)))
        .map_err(text)?;
    // Otherwise it is the system that drops.
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
    let logs = format!(
        "    log {} local0 info\n",
        socket.local_addr().map_err(text)?
    );
    stand.start(
        &stand.file(&logs, "    log global\n    option httplog\n", ""),
        "",
    )?;
    let reader = std::thread::spawn(move || {
        let (mut lines, mut datagram, mut silent) = (0, [0; 4096], 0);
        while silent < 10 && lines < 3000 {
            match socket.recv(&mut datagram) {
                Ok(length) if datagram[..length].windows(10).any(|w| w == b"GET / HTTP") => {
                    lines += 1
                }
                Ok(_) => {}
                Err(_) => silent += 1,
            }
        }
        lines
    });
    let (answered, _) = time(stand, 3000);
    let lines = reader.join().map_err(|_| "the reader has panicked")?;
    expect(
        answered == 3000 && lines == 3000,
        format!("{answered} answered, {lines} lines arrived"),
    )
}

fn socket_idle(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let path = stand.path("stats");
    let idle = [(); 30].map(|()| UnixStream::connect(&path));
    let other = stand.status("/");
    // With `stats timeout 1s` places become free again.
    until("the socket answers", || {
        let Ok(mut stream) = UnixStream::connect(&path) else {
            return false;
        };
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.write_all(b"show info\n");
        let mut answer = String::new();
        let _ = std::io::Read::read_to_string(&mut stream, &mut answer);
        answer.contains("Uptime")
    })?;
    let count = idle.iter().flatten().count();
    expect(
        other == 200,
        format!("{count} idle clients time out, traffic goes on, others are answered"),
    )
}

fn socket_garbage(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let mut stream = UnixStream::connect(stand.path("stats")).map_err(text)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .map_err(text)?;
    let _ = stream.write_all(&[0xfe; 65_536]);
    let _ = stream.write_all(b"\n");
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    Ok("the connection ends".to_owned())
}

fn reload_broken(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    stand.write("frontend www\n    nonsense\n")?;
    stand.reload()?;
    until("the mistake is told", || {
        stand.output().contains("nonsense")
    })?;
    pause(500);
    expect(
        stand.status("/") == 200,
        "the mistake is told, the old file stays in service".to_owned(),
    )
}

fn reload_missing(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    std::fs::remove_file(stand.path("a.cfg")).map_err(text)?;
    stand.reload()?;
    until("it is told", || stand.output().contains("a.cfg"))?;
    pause(500);
    expect(
        stand.status("/") == 200,
        "it is told, the old file stays in service".to_owned(),
    )
}

fn reload_taken(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    let port = taken.local_addr().map_err(text)?.port();
    let bind =
        format!("    bind 127.0.0.1:{port}\n    redirect location /new if {{ path /new }}\n");
    stand.write(&stand.file("", &bind, ""))?;
    stand.reload()?;
    until("it is told", || stand.output().contains(&port.to_string()))?;
    pause(500);
    // All or nothing: no rule of the new file is in service either.
    let (old, new) = (stand.status("/"), stand.status("/new"));
    expect(
        old == 200 && new == 200,
        "it is told, the old file stays in service as a whole".to_owned(),
    )
}

fn reload_storm(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let mut failed = 0;
    for number in 0..50 {
        let rule = format!("    redirect location /{number} if {{ path /last }}\n");
        stand.write(&stand.file("", &rule, ""))?;
        stand.reload()?;
        if number % 5 == 0 && stand.status("/") != 200 {
            failed += 1;
        }
    }
    until("the last file is in service", || {
        let answer = stand.exchange(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        answer.is_ok_and(|answer| answer.contains("/49\r\n"))
    })?;
    expect(
        failed == 0,
        format!("the last file is in service, {failed} of 10 requests failed meanwhile"),
    )
}

fn term_busy(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let mut clients = crowd(stand, 5);
    for stream in &mut clients {
        stream
            .write_all(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
            .map_err(text)?;
    }
    pause(200);
    stand.signal(Signal::SIGTERM)?;
    let start = Instant::now();
    let ended = stand.ends_within(Duration::from_secs(5));
    expect(
        ended,
        format!("ends after {} ms", start.elapsed().as_millis() / 100 * 100),
    )
}

fn soft_stop_busy(stand: &mut Stand) -> Seen {
    stand.start_plain()?;
    let mut stream = stand.connect()?;
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .map_err(text)?;
    until("the server has it", || {
        stand.served.load(Ordering::SeqCst) > 0
    })?;
    stand.signal(Signal::SIGUSR1)?;
    let status = status_of(&read_all(&mut stream));
    let ended = stand.ends_within(Duration::from_secs(5));
    expect(
        status == 200 && ended,
        format!("the answer comes whole (status {status}), then the process ends"),
    )
}

/// Where Debian has the library that lies about the time.
const LIAR: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn clock_jump(stand: &mut Stand) -> Seen {
    if !std::path::Path::new(LIAR).exists() {
        return Ok("not played: libfaketime is not installed".to_owned());
    }
    let offset = stand.path("offset");
    // In one step: whoever reads the file never finds it empty.
    let draft = stand.path("offset.new");
    let set = |text: &str| {
        std::fs::write(&draft, text)
            .and_then(|()| std::fs::rename(&draft, &offset))
            .map_err(self::text)
    };
    set("+0")?;
    stand.environment = format!(
        "LD_PRELOAD={LIAR} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 \
         FAKETIME_TIMESTAMP_FILE={}",
        offset.display()
    );
    stand.start_plain()?;
    let mut statuses = Vec::new();
    for jump in ["+1d", "-1d", "+0"] {
        let mut stream = stand.connect()?;
        stream
            .write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .map_err(text)?;
        pause(200);
        set(jump)?;
        statuses.push(status_of(&read_all(&mut stream)));
    }
    // And what should time out does.
    statuses.push(stand.status("/silent"));
    expect(
        statuses == [200, 200, 200, 504],
        format!("requests under way and time-outs see none of it: {statuses:?}"),
    )
}
