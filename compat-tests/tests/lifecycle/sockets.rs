//! Options of `stats socket` and of `bind` for Unix sockets, as a client meets them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::stage::{PATIENCE, Running, Stage, ask, until};
use super::{port, redirecting};

/// Starts with these lines in the global section and in the frontend.
fn start(stage: &Stage, global: &str, frontend: &str, arguments: &[&str]) -> Running {
    let port = port();
    let own = redirecting(port, "x").replace("    option http-keep-alive\n", "");
    stage.write("file.cfg", &format!("global\n{global}{own}{frontend}"));
    let mut process = stage.start("output", &[arguments, &["-f", "file.cfg", "-db"]].concat());
    process.listens(port);
    process
}

fn socket_line(stage: &Stage, name: &str, options: &str) -> String {
    format!(
        "    stats socket {} {options}\n",
        stage.path(name).display()
    )
}

/// Permissions, owner and group of a file that is to come.
fn file(path: &Path) -> (u32, u32, u32) {
    until("the file is there", || path.exists());
    let file = std::fs::metadata(path).expect("it is there");
    (file.mode() & 0o7777, file.uid(), file.gid())
}

/// Whom files can be given to: anybody when this is root, otherwise who we are.
fn somebody() -> (u32, u32) {
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    if uid.is_root() {
        (12_345, 23_456)
    } else {
        (uid.as_raw(), gid.as_raw())
    }
}

#[test]
fn files_of_sockets_belong_to_whom_the_configuration_says() {
    for dialect in ["1.4", "1.8"] {
        let stage = Stage::new();
        let (uid, gid) = somebody();
        let line = socket_line(&stage, "stats", &format!("uid {uid} gid {gid} mode 640"));
        let _process = start(&stage, &line, "", &["--compat", dialect]);
        assert_eq!(file(&stage.path("stats")), (0o640, uid, gid), "{dialect}");
    }
    let stage = Stage::new();
    let (uid, gid) = somebody();
    let mut global = socket_line(&stage, "one", &format!("mode 600 uid {uid}"));
    global += &socket_line(&stage, "two", "mode 666 level admin");
    let unix = |name: &str, options: &str| {
        format!("    bind unix@{} {options}\n", stage.path(name).display())
    };
    let frontend =
        unix("three", &format!("mode 620 uid {uid} gid {gid}")) + &unix("four", "mode 606");
    let _process = start(&stage, &global, &frontend, &[]);
    let (own, group) = (
        nix::unistd::getuid().as_raw(),
        nix::unistd::getgid().as_raw(),
    );
    assert_eq!(file(&stage.path("one")), (0o600, uid, group));
    assert_eq!(file(&stage.path("two")), (0o666, own, group));
    assert_eq!(file(&stage.path("three")), (0o620, uid, gid));
    assert_eq!(file(&stage.path("four")), (0o606, own, group));
    let mut client = UnixStream::connect(stage.path("four")).expect("it listens");
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("answered");
    assert!(answer.contains("Location: /x"), "{answer}");
}

/// Names of users are looked up; those that do not exist are a mistake.
#[test]
fn owners_of_sockets_have_names_that_exist() {
    let stage = Stage::new();
    let line = socket_line(&stage, "stats", "user nobody-of-that-name");
    let text = format!("global\n{line}{}", redirecting(port(), "x"));
    stage.write("file.cfg", &text);
    let (status, said) = stage.run(&["-f", "file.cfg", "-c"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("[file.cfg:2]") && said.contains("nobody-of-that-name"),
        "{said}"
    );
    let own = nix::unistd::User::from_uid(nix::unistd::getuid());
    let own = own.expect("known").expect("known");
    let line = socket_line(&stage, "stats", &format!("uid 4294967 user {}", own.name));
    let _process = start(&stage, &line, "", &[]);
    assert_eq!(file(&stage.path("stats")).1, own.uid.as_raw());
}

#[test]
fn levels_say_who_may_do_what() {
    let stage = Stage::new();
    let global: String = ["user", "operator", "admin"]
        .map(|level| socket_line(&stage, level, &format!("level {level}")))
        .concat()
        + &socket_line(&stage, "none", "");
    let _process = start(&stage, &global, "", &[]);
    let denied = |socket: &str, command: &str| {
        let mut answer = String::new();
        until("it answers", || {
            answer = ask(&stage.path(socket), command);
            !answer.is_empty()
        });
        answer.starts_with("Permission denied")
    };
    for (command, expected) in [
        ("show info", [false, false, false, false]),
        ("show errors", [true, false, false, false]),
        ("clear counters all", [true, true, false, true]),
    ] {
        let found = ["user", "operator", "admin", "none"].map(|socket| denied(socket, command));
        assert_eq!(found, expected, "{command}");
    }
}

#[test]
fn silent_clients_of_the_socket_are_sent_away_in_time() {
    let stage = Stage::new();
    let global = socket_line(&stage, "stats", "") + "    stats timeout 300ms\n";
    let _process = start(&stage, &global, "", &[]);
    until("it takes commands", || {
        !ask(&stage.path("stats"), "show info").is_empty()
    });
    let mut client = UnixStream::connect(stage.path("stats")).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a limit");
    client.write_all(b"prompt\n").expect("sent");
    let begun = Instant::now();
    let mut said = Vec::new();
    client.read_to_end(&mut said).expect("it is closed");
    assert_eq!(said, b"\n> ");
    assert!(
        begun.elapsed() >= Duration::from_millis(250),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn clients_of_the_socket_beyond_maxconn_wait_for_those_before_them() {
    let stage = Stage::new();
    let global = socket_line(&stage, "stats", "") + "    stats maxconn 2\n    stats timeout 1m\n";
    let _process = start(&stage, &global, "", &[]);
    until("it takes commands", || {
        !ask(&stage.path("stats"), "show info").is_empty()
    });
    let mut held: Vec<UnixStream> = (0..2)
        .map(|_| {
            let mut client = UnixStream::connect(stage.path("stats")).expect("it listens");
            client.set_read_timeout(Some(PATIENCE)).expect("a limit");
            client.write_all(b"prompt\n").expect("sent");
            let mut prompt = [0; 3];
            client.read_exact(&mut prompt).expect("it is served");
            client
        })
        .collect();
    let mut third = UnixStream::connect(stage.path("stats")).expect("the system lets it in");
    third.write_all(b"show info\n").expect("sent");
    third
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a limit");
    let mut answer = [0; 5];
    assert!(third.read_exact(&mut answer).is_err(), "it did not wait");
    // The others are served meanwhile.
    held[0].write_all(b"show info\n").expect("sent");
    held[0].read_exact(&mut answer).expect("it is served");
    held.pop();
    third.set_read_timeout(Some(PATIENCE)).expect("a limit");
    third.read_exact(&mut answer).expect("its turn has come");
    assert_eq!(&answer, b"Name:");
}

/// Since 1.5 the socket may be an address and a port.
#[test]
fn commands_come_over_tcp() {
    let stage = Stage::new();
    let listen = port();
    let global =
        format!("    stats socket ipv4@127.0.0.1:{listen} level admin severity-output number\n");
    let mut process = start(&stage, &global, "", &["--compat", "1.8"]);
    process.listens(listen);
    let say = |command: &str| {
        let mut answer = String::new();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, listen)).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a limit");
        client.write_all(command.as_bytes()).expect("sent");
        client.read_to_string(&mut answer).expect("answered");
        answer
    };
    assert!(say("show info\n").starts_with("Name: "));
    assert_eq!(say("clear counters all\n"), "\n");
    assert_eq!(say("get weight a/b\n"), "[3]: No such backend.\n\n");
    let sockets = say("show cli sockets\n");
    assert!(
        sockets.contains(&format!("127.0.0.1:{listen} admin all")),
        "{sockets}"
    );
}
