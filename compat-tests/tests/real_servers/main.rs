//! Health checks find real servers as they are: nginx, MariaDB, OpenLDAP and Exim, as Debian
//! packages them, where they are installed. HAProxy 2.6 finds the same, where there is one.

mod daemon;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use compat_tests::haproxy;
use compat_tests::ports::free_port;
use compat_tests::process::Proxy;
use compat_tests::stand;
use daemon::{Daemon, Kind};

/// A way to check, and what it finds.
struct Check {
    name: &'static str,
    /// Lines of the backend.
    lines: &'static [&'static str],
    /// Which port of the server.
    port: usize,
    /// `status`, `check_status` and, of HTTP, `check_code`.
    finds: [&'static str; 3],
}

const fn check(
    name: &'static str,
    lines: &'static [&'static str],
    port: usize,
    finds: [&'static str; 3],
) -> Check {
    Check {
        name,
        lines,
        port,
        finds,
    }
}

#[test]
fn nginx() {
    play(
        Kind::Nginx,
        &[
            check("connect", &[], 0, ["UP", "L4OK", ""]),
            check("options", &["option httpchk"], 0, ["UP", "L7OK", "200"]),
            check("get", &["option httpchk /"], 0, ["UP", "L7OK", "200"]),
            check(
                "http11",
                &[r"option httpchk HEAD / HTTP/1.1\r\nHost:\ www"],
                0,
                ["UP", "L7OK", "200"],
            ),
            check(
                "broken",
                &["option httpchk GET /broken"],
                0,
                ["DOWN", "L7STS", "503"],
            ),
            check(
                "gone",
                &["option httpchk GET /gone"],
                0,
                ["DOWN", "L7STS", "404"],
            ),
            check(
                "gone-softly",
                &["option httpchk GET /gone", "http-check disable-on-404"],
                0,
                ["NOLB", "L7OKC", "404"],
            ),
            check(
                "status",
                &["option httpchk GET /gone", "http-check expect status 404"],
                0,
                ["UP", "L7OK", "404"],
            ),
            check(
                "no-status",
                &["option httpchk GET /gone", "http-check expect ! rstatus ^4"],
                0,
                ["DOWN", "L7STS", "404"],
            ),
            check(
                "string",
                &[HELLO, r"http-check expect string is\ well"],
                0,
                ["UP", "L7OK", "200"],
            ),
            check(
                "no-string",
                &[HELLO, "http-check expect ! rstring ^hel+o"],
                0,
                ["DOWN", "L7RSP", ""],
            ),
            check(
                "state",
                &[
                    r"option httpchk GET /state HTTP/1.1\r\nHost:\ www",
                    "http-check send-state",
                    r"http-check expect rstring ^(UP|DOWN).*name=state/s;",
                ],
                0,
                ["UP", "L7OK", "200"],
            ),
            check("tls", &["option ssl-hello-chk"], 1, ["UP", "L6OK", ""]),
            check(
                "no-tls",
                &["option ssl-hello-chk"],
                0,
                ["DOWN", "L6RSP", ""],
            ),
        ],
    );
}

#[test]
fn mariadb() {
    play(
        Kind::MariaDb,
        &[
            check("greeting", &["option mysql-check"], 0, ["UP", "L7OK", ""]),
            check(
                "login",
                &["option mysql-check user checker"],
                0,
                ["UP", "L7OK", ""],
            ),
            check(
                "login-41",
                &["option mysql-check user checker post-41"],
                0,
                ["UP", "L7OK", ""],
            ),
            check(
                "stranger",
                &["option mysql-check user stranger post-41"],
                0,
                ["DOWN", "L7STS", ""],
            ),
            check("smtp", &["option smtpchk"], 0, ["DOWN", "L7RSP", ""]),
        ],
    );
}

#[test]
fn openldap() {
    play(
        Kind::Slapd,
        &[check("bind", &["option ldap-check"], 0, ["UP", "L7OK", ""])],
    );
}

#[test]
fn exim() {
    play(
        Kind::Exim,
        &[
            check("helo", &["option smtpchk"], 0, ["UP", "L7OK", ""]),
            check(
                "ehlo",
                &["option smtpchk EHLO mail.test"],
                0,
                ["UP", "L7OK", ""],
            ),
            check("ldap", &["option ldap-check"], 0, ["DOWN", "L7RSP", ""]),
        ],
    );
}

/// Has a server checked while it runs, after it has ended, and when it is back.
fn play(kind: Kind, checks: &[Check]) {
    let Some(mut server) = Daemon::start(kind) else {
        return;
    };
    for command in [Some(stand::command(&[])), haproxy::installed()]
        .into_iter()
        .flatten()
    {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("proxy.cfg");
        std::fs::write(&file, configuration(folder.path(), checks, &server)).expect("written");
        let mut proxy = Proxy::start(&command, &file, folder.path()).expect("started");
        let socket = folder.path().join("sock");
        let here = checks.iter().map(|check| (check.name, check.finds));
        await_states(&mut proxy, &socket, here.clone().collect());
        server.stop();
        let gone = here.clone().map(|(name, _)| (name, ["DOWN", "L4CON", ""]));
        await_states(&mut proxy, &socket, gone.collect());
        server.run();
        // A 404 keeps what is up for those who know it; it does not bring anything up.
        let back = here.map(|(name, finds)| match finds {
            ["NOLB", ..] => (name, ["DOWN", "L7STS", "404"]),
            finds => (name, finds),
        });
        await_states(&mut proxy, &socket, back.collect());
    }
}

fn configuration(folder: &Path, checks: &[Check], server: &Daemon) -> String {
    let mut text = format!(
        "global\n    stats socket {}/sock level admin\n\
         listen here\n    mode http\n    bind 127.0.0.1:{}\n    timeout client 5s\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout check 5s\n\
         \x20   timeout client 5s\n    timeout server 5s\n",
        folder.display(),
        free_port().expect("a free port")
    );
    for check in checks {
        text += &format!("backend {}\n", check.name);
        for line in check.lines {
            text += &format!("    {line}\n");
        }
        text += &format!(
            "    server s 127.0.0.1:{} check inter 500 rise 1 fall 1\n",
            server.ports[check.port]
        );
    }
    text
}

/// Waits until every backend's server is in its state.
fn await_states(proxy: &mut Proxy, socket: &Path, mut wanted: BTreeMap<&str, [&str; 3]>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let table = ask(socket).unwrap_or_default();
        let states = states(&table);
        // A server that is as it should be need not stay so for the others.
        wanted.retain(|name, state| {
            let [status, check, code] = *state;
            let found = states.get(*name);
            !found.is_some_and(|found| {
                found[0] == status && found[1] == check && (code.is_empty() || found[2] == code)
            })
        });
        if wanted.is_empty() {
            return;
        }
        let ended = proxy.ended().expect("our own child");
        assert!(
            ended.is_none() && Instant::now() < deadline,
            "{ended:?}, wanted {wanted:?}, found {states:?}: {}",
            proxy.output().unwrap_or_default()
        );
        park_timeout(POLL);
    }
}

fn ask(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"show stat\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// `status`, `check_status` and `check_code` of each backend's server.
fn states(table: &str) -> BTreeMap<&str, [&str; 3]> {
    let Some((header, rows)) = table.split_once('\n') else {
        return BTreeMap::new();
    };
    let names: Vec<&str> = header.trim_start_matches("# ").split(',').collect();
    let column = |name| names.iter().position(|column| *column == name);
    let columns = ["status", "check_status", "check_code"].map(column);
    rows.lines()
        .map(|row| row.split(',').collect::<Vec<&str>>())
        .filter(|row| row.get(1) == Some(&"s"))
        .map(|row| {
            let field = |at: Option<usize>| at.and_then(|at| row.get(at)).copied().unwrap_or("");
            (row[0], columns.map(field))
        })
        .collect()
}

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const HELLO: &str = "option httpchk GET /hello";
