//! What the statistics socket changes holds, for traffic and over reloads.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use super::stage::{Running, Stage, ask, get, until};
use super::{port, redirecting};

/// A process with a statistics socket.
pub(crate) struct Served {
    pub(crate) stage: Stage,
    socket: PathBuf,
    _process: Running,
}

/// Serves a configuration with these files beside it.
pub(crate) fn serve(configuration: &str, port: u16, files: &[(&str, &str)]) -> Served {
    let stage = Stage::new();
    let socket = stage.path("socket");
    for (name, text) in files {
        stage.write(name, text);
    }
    let text = with_socket(configuration, &socket);
    stage.write("file.cfg", &text);
    let mut process = stage.start("output", &["-f", "file.cfg", "-db"]);
    process.listens(port);
    // It listens for traffic first.
    until("it takes commands", || {
        ask(&socket, "show generations").starts_with("generation=")
    });
    Served {
        stage,
        socket,
        _process: process,
    }
}

fn with_socket(configuration: &str, socket: &Path) -> String {
    format!(
        "global\n    stats socket {} level admin\n{configuration}",
        socket.display()
    )
}

impl Served {
    /// Writes another configuration.
    pub(crate) fn configure(&self, configuration: &str) {
        let text = with_socket(configuration, &self.socket);
        self.stage.write("file.cfg", &text);
    }

    /// The answer without the empty line that ends it.
    pub(crate) fn ask(&self, command: &str) -> String {
        let answer = ask(&self.socket, command);
        assert!(
            !answer.is_empty(),
            "no answer to {command}: {}",
            self.stage.read("output")
        );
        answer.strip_suffix('\n').unwrap_or(&answer).to_owned()
    }

    pub(crate) fn reload(&self) {
        let said = self.ask("reload");
        assert!(said.contains("is in service"), "{said}");
    }

    /// A cell of the statistics.
    fn cell(&self, row: &str, column: &str) -> String {
        let text = self.ask("show stat");
        let mut lines = text.lines();
        let names = lines.next().unwrap_or("").trim_start_matches("# ");
        let index = names.split(',').position(|name| name == column);
        let line = lines.find(|line| line.starts_with(&format!("{row},")));
        let cell = line.and_then(|line| line.split(',').nth(index?));
        cell.unwrap_or("no such row").to_owned()
    }
}

fn refuses(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
}

#[test]
fn a_frontend_that_was_disabled_stays_so_over_a_reload() {
    let (first, second) = (port(), port());
    let one = redirecting(first, "one").replace("frontend www", "frontend first");
    let two = redirecting(second, "two").replace("frontend www", "frontend second");
    let served = serve(&format!("{one}{two}"), first, &[]);
    assert_eq!(served.ask("disable frontend first"), "");
    until("it refuses", || refuses(first));
    assert!(get(second).contains("two"));
    assert_eq!(served.cell("first,FRONTEND", "status"), "STOP");
    served.reload();
    assert!(refuses(first));
    assert_eq!(
        served.ask("disable frontend first"),
        "Frontend is already disabled.\n"
    );
    assert_eq!(served.ask("enable frontend first"), "");
    until("it answers", || get(first).contains("one"));
    assert_eq!(served.cell("first,FRONTEND", "status"), "OPEN");

    // The end of a frontend is one until the file is read again.
    assert_eq!(served.ask("shutdown frontend first"), "");
    until("it refuses", || refuses(first));
    assert_eq!(served.cell("first,FRONTEND", "status"), "no such row");
    assert_eq!(
        served.ask("enable frontend first"),
        "Frontend was previously shut down, cannot enable.\n"
    );
    served.reload();
    until("it answers", || get(first).contains("one"));
}

#[test]
fn limits_that_were_set_hold_until_the_file_has_others() {
    let listen = port();
    let file = |maxconn: u32| {
        format!(
            "listen l\n    bind 127.0.0.1:{listen}\n    mode http\n    maxconn {maxconn}\n    \
             timeout client 10s\n    timeout connect 1s\n    timeout server 10s\n    \
             server s 127.0.0.1:9 maxconn 30\n"
        )
    };
    let served = serve(&file(50), listen, &[]);
    for command in [
        "set maxconn frontend l 7",
        "set maxconn server l/s 3",
        "set maxconn global 100",
        "set rate-limit sessions global 5",
    ] {
        assert_eq!(served.ask(command), "", "{command}");
    }
    let limits = || {
        let info = served.ask("show info");
        let global = info.lines().find(|line| line.starts_with("Maxconn: "));
        let rate = info
            .lines()
            .find(|line| line.starts_with("SessRateLimit: "));
        [
            served.cell("l,FRONTEND", "slim"),
            served.cell("l,s", "slim"),
            global.unwrap_or("").to_owned(),
            rate.unwrap_or("").to_owned(),
        ]
    };
    let expected = ["7", "3", "Maxconn: 100", "SessRateLimit: 5"];
    assert_eq!(limits(), expected);
    served.reload();
    assert_eq!(limits(), expected);
    served.configure(&file(60));
    served.reload();
    assert_eq!(limits()[..2], ["60", "3"]);
}

#[test]
fn a_server_that_was_moved_is_where_it_was_moved_to() {
    let (listen, first, second) = (port(), port(), port());
    let servers = format!(
        "{}{}",
        redirecting(first, "one").replace("frontend www", "frontend first"),
        redirecting(second, "two").replace("frontend www", "frontend second")
    );
    let served = serve(
        &format!(
            "{servers}listen front\n    bind 127.0.0.1:{listen}\n    mode http\n    \
             timeout client 10s\n    timeout connect 1s\n    timeout server 10s\n    \
             server s 127.0.0.1:{first}\n"
        ),
        listen,
        &[],
    );
    assert!(get(listen).contains("one"));
    assert_eq!(
        served.ask(&format!("set server front/s addr 127.0.0.1 port {second}")),
        format!(
            "no need to change the addr, port changed from '{first}' to '{second}' by 'stats \
             socket command'\n"
        )
    );
    assert!(get(listen).contains("two"));
    served.reload();
    assert!(get(listen).contains("two"));
    assert!(
        served
            .ask("show servers state front")
            .ends_with(&format!(" {second}\n"))
    );
}

#[test]
fn stick_tables_are_seen_and_changed() {
    let (listen, origin) = (port(), port());
    let served = serve(
        &format!(
            "{}listen front\n    bind 127.0.0.1:{listen}\n    mode http\n    \
             timeout client 10s\n    timeout connect 1s\n    timeout server 10s\n    \
             stick-table type ip size 10 expire 10m\n    stick on src\n    \
             server s 127.0.0.1:{origin} id 7\n",
            redirecting(origin, "one")
        ),
        listen,
        &[],
    );
    assert_eq!(
        served.ask("show table front"),
        "# table: front, type: ip, size:10, used:0\n"
    );
    assert!(get(listen).contains("one"));
    let entry = served.ask("show table front");
    assert!(entry.contains("key=127.0.0.1 use=0 exp="), "{entry}");
    assert!(entry.ends_with(" server_id=7\n"), "{entry}");
    served.reload();
    assert!(
        served
            .ask("show table front key 127.0.0.1")
            .contains("key=127.0.0.1")
    );
    assert_eq!(served.ask("set table front key 10.0.0.1"), "");
    assert_eq!(served.ask("clear table front key 127.0.0.1"), "");
    let left = served.ask("show table front");
    assert!(
        left.contains("key=10.0.0.1 ") && !left.contains("127.0.0.1"),
        "{left}"
    );
    assert_eq!(served.ask("clear table front"), "");
    assert!(served.ask("show table").ends_with("used:0\n"));
}

#[test]
fn the_configuration_in_service_is_shown_with_its_lines() {
    let listen = port();
    let served = serve(&redirecting(listen, "one"), listen, &[]);
    // What is shown is what runs, not what the file has become.
    served.stage.write("file.cfg", "garbage\n");
    let shown = served.ask("show config");
    assert!(shown.contains("file.cfg:"), "{shown}");
    assert!(shown.contains(&listen.to_string()), "{shown}");
    let said = served.ask("reload");
    assert!(said.contains("the running configuration stays"), "{said}");
    assert_eq!(served.ask("show config"), shown);
}
