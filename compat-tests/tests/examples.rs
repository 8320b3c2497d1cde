//! Every file under `examples/` does what its comments promise.
//!
//! Each example is played as it is, but for its addresses: what it binds becomes a free port,
//! and what it sends requests to becomes a scripted server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compat_tests::hapax;
use compat_tests::process::ProxyCommand;
use compat_tests::wire::{Outcome, Suite, Transcript, play};
use serde_json::{Value, json};

#[path = "examples/content.rs"]
mod content;

#[test]
fn keep_alive_keeps_both_connections() {
    let seen = exchange("mode-keep-alive.cfg", &[], two_requests("fe_8080"));
    assert_eq!(client(&seen), ("1.1|1.2|", "open"));
    assert_eq!(servers(&seen), [("s9001", 2, "open")]);
    assert_eq!(
        headers_named(&seen.origin(0).rx, "connection"),
        [] as [&str; 0]
    );
}

#[test]
fn tunnel_relays_what_follows_the_first_response() {
    let mut steps = two_requests("fe_8080");
    steps.extend([
        json!({"send": "not HTTP\n"}),
        json!({"until": "unseen", "max": 2000}),
    ]);
    let origin = json!([
        {"req": 1}, {"send": response("%c.%n|")},
        {"req": 1}, {"send": response("%c.%n|")},
        {"until": "not HTTP\n"}, {"send": "unseen"},
    ]);
    let case = json!({"id": "case", "client": steps, "origin": [origin]});
    let seen = transcript("mode-tunnel.cfg", &[], &case);
    assert!(
        seen.transcript.clients[0].rx.ends_with("unseen"),
        "{seen:?}"
    );
    assert_eq!(servers(&seen), [("s9001", 2, "open")]);
    assert!(seen.origin(0).rx.ends_with("not HTTP\n"), "{seen:?}");
}

#[test]
fn passive_close_asks_both_sides_to_close() {
    let steps = vec![
        json!({"connect": "fe_8080"}),
        json!({"send": REQUEST_1}),
        json!({"resp": 1}),
        json!({"end": 1000}),
    ];
    // This server obeys.
    let origin = json!([{"req": 1}, {"send": response("%c.%n|")}, {"close": true}]);
    let case = json!({"id": "case", "client": steps, "origin": [origin]});
    let seen = transcript("mode-passive-close.cfg", &[], &case);
    assert_eq!(client(&seen), ("1.1|", "closed"));
    assert_eq!(
        headers_named(&seen.transcript.clients[0].rx, "connection"),
        ["close"]
    );
    assert_eq!(headers_named(&seen.origin(0).rx, "connection"), ["close"]);
}

#[test]
fn passive_close_closes_nothing_itself() {
    let steps = vec![
        json!({"connect": "fe_8080"}),
        json!({"send": REQUEST_1}),
        json!({"resp": 1}),
    ];
    let seen = exchange("mode-passive-close.cfg", &[], steps);
    assert_eq!(client(&seen), ("1.1|", "open"));
    assert_eq!(servers(&seen), [("s9001", 1, "open")]);
}

#[test]
fn server_close_balances_every_request_of_a_kept_client() {
    let seen = exchange("mode-server-close.cfg", &[], two_requests("fe_8080"));
    assert_eq!(client(&seen), ("1.1|2.1|", "open"));
    let servers = servers(&seen);
    assert_eq!(servers.len(), 2);
    assert_ne!(servers[0].0, servers[1].0, "one server got both requests");
    for (number, (_, requests, end)) in servers.into_iter().enumerate() {
        assert_eq!(requests, 1);
        assert!(end.ends_with("after response"), "{end}");
        assert_eq!(
            headers_named(&seen.origin(number).rx, "connection"),
            ["close"]
        );
    }
}

#[test]
fn forced_close_closes_both_sides_after_one_request() {
    let steps = vec![
        json!({"connect": "fe_8080"}),
        json!({"send": REQUEST_1}),
        json!({"resp": 1}),
        json!({"end": 1000}),
        json!({"send": REQUEST_2}),
    ];
    let seen = exchange("mode-forced-close.cfg", &[], steps);
    assert_eq!(client(&seen), ("1.1|", "closed"));
    assert_eq!(
        headers_named(&seen.transcript.clients[0].rx, "connection"),
        ["close"]
    );
    let [(_, 1, end)] = servers(&seen)[..] else {
        panic!("{seen:?}")
    };
    assert!(end.ends_with("after response"), "{end}");
}

#[test]
fn quickstart_has_a_door_for_each_mode() {
    let door = |mode: &str, port: u16, client_end: &str, server_connections: usize| {
        let id = format!("door-{mode}");
        let request =
            |number| format!("GET /~{id}~/{number} HTTP/1.1\r\nHost: example.test\r\n\r\n");
        let case = json!({"id": id, "client": [
            {"connect": format!("fe_{port}")},
            {"send": request(1)},
            {"resp": 1},
            {"send": request(2)},
            {"resp": 1},
        ]});
        (id.clone(), case, client_end.to_owned(), server_connections)
    };
    let doors = [
        door("keep-alive", 8001, "open", 1),
        door("tunnel", 8002, "open", 1),
        door("passive-close", 8003, "open", 1),
        door("server-close", 8004, "open", 2),
        door("forced-close", 8005, "closed", 1),
    ];
    let cases = doors.iter().map(|(_, case, _, _)| case.clone()).collect();
    let seen = play_example("quickstart.cfg", &[], cases);
    for (id, _, client_end, server_connections) in doors {
        let seen = &seen[&id];
        assert_eq!(seen.transcript.clients[0].end, client_end, "{id}: {seen:?}");
        assert_eq!(seen.origins().len(), server_connections, "{id}: {seen:?}");
    }
}

#[test]
fn web_farm_sends_static_files_to_their_own_server() {
    let get = |path: &str, host: &str| {
        [
            json!({"send": format!("GET {path}~case~ HTTP/1.1\r\nHost: {host}\r\n\r\n")}),
            json!({"resp": 1}),
        ]
    };
    let visit = |requests: &[[Value; 2]]| {
        let connect = json!({"connect": "fe_8080"});
        let steps = std::iter::once(connect).chain(requests.concat()).collect();
        exchange("web-farm-1.4.cfg", &["--compat", "1.4"], steps)
    };

    // Static files are served in forced-close mode.
    let seen = visit(&[get("/static/", "example.test")]);
    assert_eq!(servers(&seen)[0].0, "s9003");
    assert_eq!(client(&seen), ("1.1|", "closed"));

    let seen = visit(&[get("/static/", "OLD.example.test")]);
    assert_eq!(servers(&seen)[0].0, "s9001");

    let seen = visit(&[get("/", "example.test"), get("/", "example.test")]);
    assert_eq!(client(&seen), ("1.1|2.1|", "open"));
    assert_eq!(
        servers(&seen)
            .iter()
            .map(|server| server.0)
            .collect::<Vec<_>>(),
        ["s9001", "s9002"]
    );
}

#[test]
fn web_farm_answers_the_monitor_itself() {
    let steps = vec![
        json!({"connect": "fe_8080"}),
        json!({"send": "GET /alive HTTP/1.0\r\n\r\n"}),
        json!({"resp": 1}),
    ];
    let seen = exchange("web-farm-1.4.cfg", &["--compat", "1.4"], steps);
    assert!(
        seen.transcript.clients[0]
            .rx
            .starts_with("HTTP/1.0 200 OK\r\n"),
        "{seen:?}"
    );
    assert!(seen.origins().is_empty(), "{seen:?}");
}

#[test]
fn tcp_relay_passes_half_closes_on() {
    let steps = vec![
        json!({"connect": "fe_5433"}),
        json!({"send": "~case~ question\n"}),
        json!({"shut": true}),
        json!({"until": "answer", "max": 2000}),
        json!({"end": 1000}),
    ];
    let origin = json!([{"until": "question\n"}, {"sleep": 100}, {"send": "late answer\n"}, {"close": true}]);
    let case = json!({"id": "case", "client": steps, "origin": [origin]});
    let seen = transcript("tcp-relay.cfg", &[], &case);
    assert_eq!(seen.transcript.clients[0].rx, "late answer\n");
    assert_eq!(seen.transcript.clients[0].end, "closed");
    assert_eq!(seen.origin(0).rx, "~case~ question\n");
}

#[test]
fn every_example_is_tested() {
    let tested = concat!(
        include_str!("examples.rs"),
        include_str!("examples/content.rs")
    );
    for entry in std::fs::read_dir(folder()).expect("there are examples") {
        let name = entry
            .expect("readable")
            .file_name()
            .into_string()
            .expect("UTF-8");
        if name.ends_with(".cfg") {
            assert!(
                tested.contains(&format!("\"{name}\"")),
                "{name} has no test"
            );
        }
    }
}

// What the tests above are made of.

/// A played case.
#[derive(Debug)]
struct Seen {
    transcript: Transcript,
}

impl Seen {
    fn origins(&self) -> &[compat_tests::wire::Side] {
        self.transcript
            .origins
            .as_deref()
            .expect("origins are always recorded")
    }

    fn origin(&self, number: usize) -> &compat_tests::wire::Side {
        &self.origins()[number]
    }
}

/// Two requests on one connection, each after the response to the one before.
fn two_requests(place: &str) -> Vec<Value> {
    vec![
        json!({"connect": place}),
        json!({"send": REQUEST_1}),
        json!({"resp": 1}),
        json!({"send": REQUEST_2}),
        json!({"resp": 1}),
    ]
}

/// Plays one client against servers that answer every request and close nothing.
fn exchange(example: &str, args: &[&str], steps: Vec<Value>) -> Seen {
    transcript(example, args, &json!({"id": "case", "client": steps}))
}

fn transcript(example: &str, args: &[&str], case: &Value) -> Seen {
    play_example(example, args, vec![case.clone()])
        .remove("case")
        .expect("the case was played")
}

fn play_example(example: &str, args: &[&str], cases: Vec<Value>) -> BTreeMap<String, Seen> {
    let path = folder().join(example);
    let text = std::fs::read_to_string(&path).expect("the example is readable");
    let suite = json!({
        "config": text.lines().map(with_places).collect::<Vec<_>>(),
        "cases": cases,
        "origin": [[{"each": [{"send": response("%c.%n|")}]}]],
        "window": 200,
        "files": {PAGE: std::fs::read_to_string(folder().join(PAGE)).expect("a page")},
    });
    let suite = Suite::from_json(&path, suite.to_string()).expect("a well-formed suite");
    let command = ProxyCommand {
        binary: hapax::binary(),
        args: args.iter().map(|word| (*word).to_owned()).collect(),
    };
    let outcomes = play(suite, &command).unwrap_or_else(|error| panic!("{example}: {error}"));
    let seen = outcomes.into_iter().map(|(id, outcome)| match outcome {
        Outcome::Played(transcript) => (id, Seen { transcript }),
        Outcome::Failed { failed } => panic!("{example}: {failed}"),
    });
    seen.collect()
}

/// A line with its port as a placeholder: `{fe_8080}` to bind, `{s9001}` to connect to.
fn with_places(line: &str) -> String {
    let place = match line.split_whitespace().next() {
        Some("bind") => "fe_",
        Some("server") => "s",
        Some("errorfile") => return line.replace("examples/", "{dir}/"),
        Some("log") if line.contains(ADDRESS) => return line.replace(":514", ":{log}"),
        _ => return line.to_owned(),
    };
    let (before, after) = line.split_once(ADDRESS).expect("examples use the loopback");
    let digits = after
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(after.len());
    let (port, rest) = after.split_at(digits);
    format!("{before}{ADDRESS}{{{place}{port}}}{rest}")
}

fn response(body: &str) -> String {
    // The two numbers of the body are one digit each.
    format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{body}")
}

/// The bodies that the client got, and how its connection ended.
fn client(seen: &Seen) -> (&'static str, &str) {
    let side = &seen.transcript.clients[0];
    let bodies: Vec<&str> = side
        .rx
        .split("\r\n\r\n")
        .skip(1)
        .map(|part| part.split("HTTP/").next().unwrap_or_default())
        .collect();
    let bodies: &'static str = bodies.concat().leak();
    (bodies, &side.end)
}

/// Name, number of requests and end of each server connection.
fn servers(seen: &Seen) -> Vec<(&str, usize, &str)> {
    let server = |side: &'_ compat_tests::wire::Side| side.rx.matches("\r\n\r\n").count();
    seen.origins()
        .iter()
        .map(|side| {
            (
                side.port.as_deref().expect("origins have names"),
                server(side),
                side.end.as_str(),
            )
        })
        .collect()
}

/// The values of a header in what a peer received, in lower case.
fn headers_named(received: &str, name: &str) -> Vec<String> {
    received
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_ascii_lowercase())
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

const PAGE: &str = "maintenance.http";
const ADDRESS: &str = "127.0.0.1:";
const REQUEST_1: &str = "GET /~case~/1 HTTP/1.1\r\nHost: example.test\r\n\r\n";
const REQUEST_2: &str = "GET /~case~/2 HTTP/1.1\r\nHost: example.test\r\n\r\n";
