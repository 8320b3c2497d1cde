//! Start, reload, takeover and end of a process, as init scripts and administrators see them.
#![allow(clippy::print_stdout, reason = "the figures are part of the result")]

mod commands;
mod endurance;
mod lists;
mod maps;
mod patterns;
mod sockets;
mod stage;
mod trace;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use compat_tests::ports::free_port;
use compat_tests::stand;
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use stage::{Daemon, PATIENCE, Stage, ask, get, send, until};

const DEFAULTS: &str = "\
defaults
    mode http
    option http-keep-alive
    timeout connect 1s
    timeout client 10s
    timeout server 10s
";

/// A file whose only answer is a redirect to `/NAME`.
fn redirecting(port: u16, name: &str) -> String {
    format!("{DEFAULTS}frontend www\n    bind 127.0.0.1:{port}\n    redirect location /{name}\n")
}

/// A free port that no other test of this program has.
fn port() -> u16 {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = free_port().expect("a free port");
        if TAKEN.lock().insert(port) {
            return port;
        }
    }
}

#[test]
fn a_second_start_is_refused_unless_it_takes_over() {
    let stage = Stage::new();
    let port = port();
    stage.write("old.cfg", &redirecting(port, "old"));
    stage.write("new.cfg", &redirecting(port, "new"));
    let mut first = stage.start("first", &["-f", "old.cfg", "-db"]);
    first.listens(port);

    let (status, said) = stage.run(&["-f", "new.cfg", "-db"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("[ALERT]") && said.contains("-sf"), "{said}");
    assert!(get(port).contains("/old"));

    let pid = first.pid().to_string();
    let mut second = stage.start("second", &["-f", "new.cfg", "-db", "-sf", &pid]);
    assert!(first.ends().success(), "{}", first.output());
    second.listens(port);
    assert!(get(port).contains("/new"));
}

/// Connections that the old process has not accepted yet are served by the new one: the listening
/// socket itself is passed on. With a socket of its own, the new process would leave them behind.
#[test]
fn connections_that_wait_to_be_accepted_survive_a_takeover() {
    let stage = Stage::new();
    let port = port();
    // The old process takes one connection and leaves the others waiting.
    let mut old = redirecting(port, "old");
    old.push_str("    maxconn 1\n    backlog 100\n");
    stage.write("old.cfg", &old);
    stage.write("new.cfg", &redirecting(port, "new"));
    let mut first = stage.start("first", &["-f", "old.cfg", "-db"]);
    first.listens(port);
    let _held = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let mut waiting: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a queue");
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("room");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time");
            stream
        })
        .collect();
    let pid = first.pid().to_string();
    let _second = stage.start("second", &["-f", "new.cfg", "-db", "-sf", &pid]);
    for stream in &mut waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains("302"), "{answer:?}");
    }
}

/// As root, in a chroot, as another user: a reload reads files that the process cannot see and opens
/// a privileged port.
#[test]
fn a_reload_works_after_chroot_and_setuid() {
    // Giving privileges up takes having them.
    if !stand::is_root() {
        return;
    }
    let stage = Stage::new();
    std::fs::create_dir(stage.path("jail")).expect("made");
    let privileged = || {
        (300..1000)
            .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
            .expect("a privileged port that is free")
    };
    let first = privileged();
    let log = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    log.set_read_timeout(Some(PATIENCE)).expect("a time");
    let file = |ports: &[u16], socket: &str| {
        let binds: String = ports
            .iter()
            .map(|port| format!("    bind 127.0.0.1:{port}\n"))
            .collect();
        let (jail, socket) = (stage.path("jail"), stage.path(socket));
        format!(
            "global\n    chroot {}\n    user nobody\n    group nogroup\n    stats socket {}\n    \
             log {} local0\n{DEFAULTS}    log global\n    errorfile 503 503.http\n\
             frontend www\n{binds}    default_backend none\nbackend none\n",
            jail.display(),
            socket.display(),
            log.local_addr().expect("bound"),
        )
    };
    stage.write("503.http", "HTTP/1.0 503 X\r\n\r\nfirst");
    stage.write("a.cfg", &file(&[first], "stats"));
    let (status, said) = stage.run(&["-f", "a.cfg", "-D", "-p", "pid"]);
    assert!(status.success(), "{said}");
    let pid = stage.pid("pid");
    let _daemon = Daemon(pid);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    assert!(!status.contains("Uid:\t0"), "{status}");
    assert!(get(first).ends_with("first"), "{}", get(first));

    let second = privileged();
    stage.write("503.http", "HTTP/1.0 503 X\r\n\r\nsecond");
    stage.write("a.cfg", &file(&[first, second], "other"));
    send(pid, Signal::SIGHUP);
    until("the new port listens", || get(second).ends_with("second"));
    assert!(get(first).ends_with("second"));
    assert!(ask(&stage.path("other"), "show info").contains("Uptime"));

    // A mistake is told, line by line, in the log: the process has no terminal.
    stage.write("a.cfg", "frontend www\n    nonsense\n");
    send(pid, Signal::SIGHUP);
    let mut datagram = [0; 2000];
    let mut lines = Vec::new();
    until("the mistake is logged", || {
        let length = log.recv(&mut datagram).expect("a line");
        lines.push(String::from_utf8_lossy(&datagram[..length]).into_owned());
        lines
            .iter()
            .any(|l| l.contains("a.cfg:2]") && l.contains("nonsense"))
    });
    assert!(
        lines.iter().any(|l| l.contains("reload refused")),
        "{lines:?}"
    );
    assert!(get(second).ends_with("second"));

    // Both halves end together.
    send(pid, Signal::SIGTERM);
    until("nothing listens", || get(first).is_empty());
}

#[test]
fn a_refused_reload_is_explained_in_the_log_line_by_line() {
    let stage = Stage::new();
    let port = port();
    let log = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    log.set_read_timeout(Some(PATIENCE)).expect("a time");
    let target = format!(
        "global\n    log {} local0\n",
        log.local_addr().expect("bound")
    );
    stage.write("a.cfg", &format!("{target}{}", redirecting(port, "x")));
    let mut running = stage.start("out", &["-f", "a.cfg", "-db"]);
    running.listens(port);
    stage.write(
        "a.cfg",
        &format!(
            "{target}{}    bogus one\n    bogus two\n",
            redirecting(port, "x")
        ),
    );
    running.signal(Signal::SIGHUP);
    let mut lines = Vec::new();
    let mut datagram = [0; 2000];
    until("both mistakes are logged", || {
        let length = log.recv(&mut datagram).expect("a line");
        lines.push(String::from_utf8_lossy(&datagram[..length]).into_owned());
        ["a.cfg:12]", "a.cfg:13]"]
            .iter()
            .all(|place| lines.iter().any(|line| line.contains(place)))
    });
    assert!(
        lines.iter().any(|l| l.contains("reload refused")),
        "{lines:?}"
    );
    assert!(get(port).contains("302"));
}

#[test]
fn a_running_process_is_asked_for_a_reload_and_says_how_it_went() {
    let stage = Stage::new();
    let (port, second) = (port(), port());
    stage.write("a.cfg", &redirecting(port, "one"));
    let mut running = stage.start("out", &["-f", "a.cfg", "-db"]);
    running.listens(port);
    let pid = running.pid().to_string();

    let mut next = redirecting(port, "two");
    next.push_str(&format!("    bind 127.0.0.1:{second}\n"));
    stage.write("a.cfg", &next);
    let (status, said) = stage.run(&["reload", "--dry-run", &pid]);
    assert!(status.success(), "{said}");
    assert!(
        said.contains(&format!("+ listener 127.0.0.1:{second} (frontend www)")),
        "{said}"
    );
    assert!(get(port).contains("/one") && get(second).is_empty());

    // An old connection that is not at its end drains.
    let held = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let (status, said) = stage.run(&["reload", &pid]);
    assert!(status.success(), "{said}");
    assert!(said.contains("configuration 2 is in service"), "{said}");
    assert!(get(second).contains("/two"));
    let (_, said) = stage.run(&["reload", "--list", &pid]);
    assert!(said.contains("generation=2 state=running"), "{said}");
    assert!(said.contains("generation=1 state=draining"), "{said}");
    drop(held);
    until("the old configuration has ended", || {
        !stage
            .run(&["reload", "--list", &pid])
            .1
            .contains("draining")
    });

    stage.write("a.cfg", "frontend www\n    nonsense\n");
    let (status, said) = stage.run(&["reload", &pid]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("a.cfg:2]") && said.contains("stays"),
        "{said}"
    );
    assert!(get(second).contains("/two"));
}

#[test]
fn old_configurations_end_after_hard_stop_after() {
    let stage = Stage::new();
    let port = port();
    let file = |name: &str| {
        format!(
            "global\n    hard-stop-after 1s\n{}",
            redirecting(port, name)
        )
    };
    stage.write("a.cfg", &file("one"));
    let mut running = stage.start("out", &["-f", "a.cfg", "-db"]);
    running.listens(port);
    let mut held = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    held.set_read_timeout(Some(PATIENCE)).expect("a time");
    until("it is accepted", || {
        let list = stage
            .run(&["reload", "--list", &running.pid().to_string()])
            .1;
        list.contains("sessions=1")
    });
    stage.write("a.cfg", &file("two"));
    running.signal(Signal::SIGHUP);
    until("it is reloaded", || get(port).contains("/two"));
    // Nothing was sent: `timeout client` would wait for ten seconds.
    let start = std::time::Instant::now();
    // It may be told why, or reset.
    let _ = held.read_to_end(&mut Vec::new());
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(get(port).contains("/two"));

    // The process itself does not outlive it either.
    let _idle = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    running.signal(Signal::SIGUSR1);
    assert!(running.ends().success(), "{}", running.output());
}

/// What systemd hears of a service with `Type=notify-reload` and a watchdog.
#[test]
fn systemd_is_told() {
    let stage = Stage::new();
    let port = port();
    stage.write("a.cfg", &redirecting(port, "one"));
    let notify = UnixDatagram::bind(stage.path("notify")).expect("a socket");
    notify.set_read_timeout(Some(PATIENCE)).expect("a time");
    let hear = |word: &str| {
        let mut datagram = [0; 1000];
        let mut heard = String::new();
        until(word, || {
            let length = notify.recv(&mut datagram).expect("a message");
            heard = String::from_utf8_lossy(&datagram[..length]).into_owned();
            heard.contains(word)
        });
        heard
    };
    let mut command = stage.hapax("out", &["-Ws", "-f", "a.cfg", "-p", "pid"]);
    command.env("NOTIFY_SOCKET", stage.path("notify"));
    command.env("WATCHDOG_USEC", "200000");
    let mut child = command.spawn().expect("it can be started");
    let pid = child.id();
    let ready = hear("READY=1");
    assert!(ready.contains(&format!("MAINPID={pid}\n")), "{ready}");
    assert_eq!(stage.pid("pid"), pid.cast_signed());
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    send(pid.cast_signed(), Signal::SIGHUP);
    let reloading = hear("RELOADING=1");
    let usec = reloading.split_once("MONOTONIC_USEC=").expect("a time").1;
    assert!(usec.trim().parse::<u64>().expect("a number") > 0);
    hear("READY=1");
    send(pid.cast_signed(), Signal::SIGUSR1);
    hear("STOPPING=1");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_unix_socket_is_listened_on() {
    let stage = Stage::new();
    let port = port();
    let path = stage.path("web.sock");
    let mut file = redirecting(port, "one");
    file.push_str(&format!("    bind {}\n", path.display()));
    stage.write("a.cfg", &file);
    let mut running = stage.start("out", &["-f", "a.cfg", "-db"]);
    running.listens(port);
    assert!(ask(&path, "GET / HTTP/1.0\r\n\r").contains("/one"));
    // Taken over, and removed by a reload that does without it.
    let _second = stage.start(
        "second",
        &["-f", "a.cfg", "-db", "-sf", &running.pid().to_string()],
    );
    running.ends();
    assert!(ask(&path, "GET / HTTP/1.0\r\n\r").contains("/one"));
    stage.write("a.cfg", &redirecting(port, "two"));
    let pid = _second.pid().to_string();
    let (status, said) = stage.run(&["reload", &pid]);
    assert!(status.success(), "{said}");
    until("it is closed", || UnixStream::connect(&path).is_err());
    assert!(!path.exists());
}

/// A daemon whose start fails says so to whoever started it, and leaves the pid file alone.
#[test]
fn a_daemon_that_does_not_start_exits_with_1() {
    let stage = Stage::new();
    let port = port();
    let missing = format!(
        "global\n    chroot /nonexistent\n{}",
        redirecting(port, "x")
    );
    stage.write("a.cfg", &missing);
    stage.write("pid", "1\n");
    let (status, said) = stage.run(&["-f", "a.cfg", "-D", "-p", "pid"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("[ALERT]") && said.contains("/nonexistent"),
        "{said}"
    );
    assert_eq!(stage.read("pid"), "1\n");
}

/// Reading what a daemon prints ends when it has started: nothing holds the pipe open.
#[test]
fn a_daemon_lets_go_of_the_terminal() {
    let stage = Stage::new();
    let port = port();
    std::fs::create_dir(stage.path("jail")).expect("made");
    let root = nix::unistd::geteuid().is_root();
    let chroot = format!("global\n    chroot {}\n", stage.path("jail").display());
    let head = if root { chroot.as_str() } else { "" };
    stage.write("a.cfg", &format!("{head}{}", redirecting(port, "x")));
    let mut command = stage.hapax("out", &["-f", "a.cfg", "-D", "-p", "pid"]);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    command
        .stdout(writer.try_clone().expect("a pipe"))
        .stderr(writer);
    let status = command.status().expect("it can be started");
    drop(command);
    let _daemon = Daemon(stage.pid("pid"));
    assert!(status.success());
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = reader.read_to_end(&mut Vec::new());
        let _ = sender.send(());
    });
    done.recv_timeout(Duration::from_secs(5))
        .expect("the pipe ends");
}

/// The script that Debian ships for HAProxy, with its paths changed and a link named `haproxy`.
#[test]
fn debians_init_script_runs() {
    let Ok(script) = std::fs::read_to_string("/etc/init.d/haproxy") else {
        // It is not installed here, and is not ours to ship.
        return;
    };
    if !stand::is_root() {
        return;
    }
    let stage = Stage::new();
    let port = port();
    let link = stage.path("haproxy");
    std::os::unix::fs::symlink(compat_tests::hapax::binary(), &link).expect("linked");
    std::fs::create_dir(stage.path("jail")).expect("made");
    let path = |name: &str| stage.path(name).display().to_string();
    let script: String = script
        .lines()
        .map(|line| match line.split_once('=') {
            Some(("PIDFILE", _)) => format!("PIDFILE={}\n", path("pid")),
            Some(("CONFIG", _)) => format!("CONFIG={}\n", path("haproxy.cfg")),
            Some(("HAPROXY", _)) => format!("HAPROXY={}\n", path("haproxy")),
            Some(("RUNDIR", _)) => format!("RUNDIR={}\n", path("run")),
            _ => format!("{}\n", line.replace("/etc/default/", &path("no-"))),
        })
        .collect();
    let script = stage.write("init", &script);
    let file = |name: &str| {
        format!(
            "global\n    chroot {}\n    stats socket {} mode 660 level admin\n    user haproxy\n    \
             group haproxy\n    daemon\n{}",
            path("jail"),
            path("run/admin.sock"),
            redirecting(port, name)
        )
    };
    stage.write("haproxy.cfg", &file("one"));
    let run = |word: &str| {
        let output = std::process::Command::new("/bin/sh")
            .arg(&script)
            .arg(word)
            .output()
            .expect("a shell");
        output.status.code()
    };
    assert_eq!(run("status"), Some(3));
    assert_eq!(run("start"), Some(0));
    let _first = Daemon(stage.pid("pid"));
    assert_eq!(run("status"), Some(0));
    assert!(get(port).contains("/one"));
    stage.write("haproxy.cfg", &file("two"));
    assert_eq!(run("reload"), Some(0));
    let second = stage.pid("pid");
    let _second = Daemon(second);
    until("the new process answers", || get(port).contains("/two"));
    assert!(ask(&stage.path("run/admin.sock"), "show info").contains(&format!("Pid: {second}")));
    stage.write("haproxy.cfg", "frontend www\n    nonsense\n");
    assert_eq!(run("reload"), Some(1));
    assert!(get(port).contains("/two"));
    assert_eq!(run("stop"), Some(0));
    assert_eq!(run("status"), Some(3));
    assert!(get(port).is_empty());
}

/// Without its privileged half the process serves on, and says what a reload is missing.
#[test]
fn traffic_goes_on_when_the_keeper_is_gone() {
    if !stand::is_root() {
        return;
    }
    let stage = Stage::new();
    let port = port();
    std::fs::create_dir(stage.path("jail")).expect("made");
    let head = format!("global\n    chroot {}\n", stage.path("jail").display());
    stage.write("a.cfg", &format!("{head}{}", redirecting(port, "one")));
    let mut running = stage.start("out", &["-f", "a.cfg", "-db"]);
    running.listens(port);
    let pid = running.pid();
    let mut keeper = None;
    until("there is a keeper", || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        keeper = children.expect("it runs").trim().parse().ok();
        keeper.is_some()
    });
    let keeper = keeper.expect("there is one");
    send(keeper, Signal::SIGKILL);
    until("a reload says so", || {
        let (status, said) = stage.run(&["reload", &pid.to_string()]);
        status.code() == Some(1) && said.contains("-sf")
    });
    assert!(get(port).contains("/one"));
    let mut next = stage.start("next", &["-f", "a.cfg", "-db", "-sf", &pid.to_string()]);
    assert!(running.ends().success());
    next.listens(port);
}

#[test]
fn the_statistics_socket_reloads_and_says_how_that_went() {
    let stage = Stage::new();
    let port = port();
    let socket = stage.path("stats");
    let head = format!(
        "global\n    stats socket {} level admin\n",
        socket.display()
    );
    stage.write("a.cfg", &format!("{head}{}", redirecting(port, "one")));
    // In every dialect, though only hapax's own lists it.
    let mut running = stage.start("out", &["--compat", "1.8", "-f", "a.cfg", "-db"]);
    running.listens(port);
    stage.write("a.cfg", &format!("{head}{}", redirecting(port, "two")));
    let said = ask(&socket, "reload dry-run");
    assert!(said.contains("~ frontend www\n"), "{said}");
    assert!(get(port).contains("/one"));
    let said = ask(&socket, "reload");
    assert!(said.contains("configuration 2 is in service"), "{said}");
    assert!(get(port).contains("/two"));
    let said = ask(&socket, "show generations");
    assert!(said.starts_with("generation=2 state=running"), "{said}");
    stage.write("a.cfg", "frontend www\n    nonsense\n");
    let said = ask(&socket, "reload");
    assert!(
        said.contains("a.cfg:2]") && said.contains("stays"),
        "{said}"
    );
    assert!(!ask(&socket, "what").contains("generations"));
}

/// Log lines have local time in a chroot, too, where the files of time zones are not.
#[test]
fn log_lines_have_local_time_in_a_chroot() {
    let zones = std::path::Path::new("/usr/share/zoneinfo/Asia/Tokyo");
    if !stand::is_root() || !stand::may("another time zone", zones.exists()) {
        return;
    }
    let stage = Stage::new();
    std::fs::create_dir(stage.path("jail")).expect("made");
    let log = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    log.set_read_timeout(Some(PATIENCE)).expect("a time");
    let mut hours = Vec::new();
    for zone in ["UTC", "Asia/Tokyo"] {
        let head = format!(
            "global\n    chroot {}\n    log {} local0\n",
            stage.path("jail").display(),
            log.local_addr().expect("bound"),
        );
        // The first process may take a moment to go.
        let file = redirecting(port(), "x").replace("mode http", "mode http\n    log global");
        stage.write("a.cfg", &format!("{head}{file}"));
        let mut command = stage.hapax("out", &["-f", "a.cfg", "-D", "-p", "pid"]);
        let status = command.env("TZ", zone).status().expect("it can be started");
        assert!(status.success());
        let _daemon = Daemon(stage.pid("pid"));
        let mut datagram = [0; 500];
        let length = log.recv(&mut datagram).expect("a line");
        let line = String::from_utf8_lossy(&datagram[..length]).into_owned();
        // `<133>Nov 25 22:07:22 haproxy[1]: Proxy www started.`
        let time = line.split_whitespace().nth(2).expect("a time").to_owned();
        hours.push(time[..2].parse::<i32>().expect("an hour"));
    }
    let ahead = (hours[1] - hours[0]).rem_euclid(24);
    assert!([9, 10].contains(&ahead), "{hours:?}");
}

/// Debian's HAProxy, when it is installed: each takes over from the other by sharing the address.
#[test]
fn hapax_and_haproxy_take_over_from_each_other() {
    let haproxy = "/usr/sbin/haproxy";
    if !std::path::Path::new(haproxy).exists() {
        return;
    }
    let stage = Stage::new();
    let port = port();
    stage.write("one.cfg", &redirecting(port, "one"));
    stage.write("two.cfg", &redirecting(port, "two"));
    stage.write("three.cfg", &redirecting(port, "three"));
    let mut first = std::process::Command::new(haproxy)
        .arg("-f")
        .arg(stage.path("one.cfg"))
        .arg("-db")
        .spawn()
        .expect("it can be started");
    until("HAProxy answers", || get(port).contains("/one"));
    let pid = first.id().to_string();
    let mut hapax = stage.start("out", &["-f", "two.cfg", "-db", "-sf", &pid]);
    assert!(first.wait().expect("it ends").success());
    until("hapax answers", || get(port).contains("/two"));
    let mut last = std::process::Command::new(haproxy)
        .arg("-f")
        .arg(stage.path("three.cfg"))
        .args(["-db", "-sf", &hapax.pid().to_string()])
        .spawn()
        .expect("it can be started");
    assert!(hapax.ends().success(), "{}", hapax.output());
    until("HAProxy answers again", || get(port).contains("/three"));
    last.kill().expect("it runs");
    last.wait().expect("it ends");
}
