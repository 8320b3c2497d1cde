//! A hundred reloads and ten binary upgrades under constant load.

use std::time::{Duration, Instant};

use compat_tests::load::{Asking, Clients, Origin};
use compat_tests::stand::run;
use nix::sys::signal::Signal;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::port;
use super::stage::{PATIENCE, Running, Stage};

const RELOADS: usize = 100;
const UPGRADES: usize = 10;
/// Kept connections, closed connections and everything in between meet each reload.
const CLIENTS: usize = 24;

fn file(number: usize, port: u16, extra: u16, servers: &[u16]) -> String {
    let mode = ["http-keep-alive", "http-server-close", "forceclose"][number % 3];
    let mut text = format!(
        "global\n    maxconn 1000\ndefaults\n    mode http\n    timeout connect 5s\n    \
         timeout client {}s\n    timeout server 30s\nfrontend www\n    bind 127.0.0.1:{port}\n    \
         option {mode}\n    acl odd path_end {number}\n    reqadd X-Number:\\ {number} if odd\n    \
         default_backend app\n",
        30 + number % 7,
    );
    if number % 2 == 1 {
        text.push_str(&format!("    bind 127.0.0.1:{extra}\n"));
    }
    text.push_str("backend app\n");
    for (index, server) in servers.iter().enumerate().filter(|(i, _)| *i != number % 4) {
        text.push_str(&format!("    server s{index} 127.0.0.1:{server}\n"));
    }
    text
}

/// Resident memory in kilobytes.
fn memory(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn a_hundred_reloads_and_ten_upgrades_fail_no_request_and_keep_memory() {
    run(async {
        let stage = Stage::new();
        let (port, extra) = (port(), port());
        let mut servers = Vec::new();
        for number in 0..4 {
            let origin = Origin::bind(format!("server {number}").as_bytes()).expect("a port");
            servers.push(origin.port());
            spawn_local(origin.serve());
        }
        stage.write("a.cfg", &file(0, port, extra, &servers));
        let mut running = stage.start("out0", &["-f", "a.cfg", "-db"]);
        running.listens(port);
        let clients = Clients::start(
            CLIENTS,
            &Asking {
                port,
                request: b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n".to_vec(),
                pace: Some(Duration::from_micros(500)),
                latencies: false,
            },
        );
        let mut before = 0;
        for number in 1..=RELOADS {
            stage.write("a.cfg", &file(number, port, extra, &servers));
            running.signal(Signal::SIGHUP);
            sleep(Duration::from_millis(40)).await;
            // Two signals that come before the first is looked at are one.
            let done = format!("configuration {} is in service", number + 1);
            let deadline = Instant::now() + PATIENCE;
            while !running.output().contains(&done) {
                assert!(Instant::now() < deadline, "not in time: {done}");
                sleep(Duration::from_millis(5)).await;
            }
            if number == RELOADS / 5 {
                before = memory(&running);
            }
        }
        sleep(Duration::from_secs(2)).await;
        let after = memory(&running);
        let list = stage
            .run(&["reload", "--list", &running.pid().to_string()])
            .1;
        assert!(list.contains("generation=101 state=running"), "{list}");
        assert!(!list.contains("draining"), "{list}");
        println!("resident: {before} KB after 20 reloads, {after} KB after {RELOADS}");
        assert!(
            after < before * 105 / 100,
            "{before} KB before, {after} KB after"
        );

        for number in 1..=UPGRADES {
            let output = format!("out{number}");
            let pid = running.pid().to_string();
            let next = stage.start(&output, &["-f", "a.cfg", "-db", "-sf", &pid]);
            let mut old = std::mem::replace(&mut running, next);
            for _ in 0..400 {
                sleep(Duration::from_millis(10)).await;
                if old.child.try_wait().expect("it is ours").is_some() {
                    break;
                }
            }
            assert!(old.ends().success(), "{}", old.output());
        }
        let tally = clients.stop().await;
        println!(
            "{} answers over {} connections",
            tally.answered, tally.connections
        );
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
        // Fewer would mean that the load was none.
        assert!(tally.answered > 5_000, "only {} answers", tally.answered);
    });
}
