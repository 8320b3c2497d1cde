//! hapax and any HAProxy, side by side: what a request costs each of them.
//!
//! `cargo bench -p compat-tests --bench side-by-side -- --add h26=/usr/sbin/haproxy`
//!
//! The proxies take turns, a few rounds of each, so that a busy moment of the machine hits them
//! alike; with small messages on kept connections all of them run at the same time and are asked in
//! turns. Each runs with one thread on one core; clients and origin servers live in this process
//! on another. CPU time is what the system has accounted to the proxy's process; what matters is
//! the ratio between two columns, and how far the rounds lie apart.
//!
//! - `scenario`: what is measured; `contender`: who is measured; `relay`: the least that can be had;
//! - `crowd`: clients and an origin for the cheapest of requests;
//! - `measure`: one run; `table`: all of them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports"
)]

mod contender;
mod crowd;
mod measure;
mod relay;
mod scenario;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use compat_tests::arguments::{Arguments, Flag, usage};
use contender::Contender;
use measure::{Bench, Sample};
use scenario::SCENARIOS;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("side-by-side: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    if let Some((port, origin)) = relay::asked() {
        return relay::run(port, origin);
    }
    // cargo bench puts its own flag behind ours.
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let arguments = Arguments::parse(FLAGS, words)?;
    if arguments.has("--help") {
        print!("{}", usage("side-by-side", ABOUT, FLAGS));
        return Ok(());
    }
    let mut contenders = Vec::new();
    for added in arguments.all("--add") {
        contenders.push(Contender::parse(added)?);
    }
    if arguments.has("--relay") {
        contenders.push(Contender::relay()?);
    }
    contenders.push(match arguments.last("--hapax") {
        Some(path) => Contender::new("hapax", path.into())?,
        None => Contender::new("hapax", compat_tests::hapax::binary())?,
    });
    let wanted = arguments.all("--scenario");
    let scenarios: Vec<_> = SCENARIOS
        .iter()
        .filter(|s| wanted.is_empty() || wanted.iter().any(|name| name == s.name))
        .collect();
    let rate: u32 = arguments.parsed("--rate", 0)?;
    let bench = Bench {
        duration: Duration::from_secs_f64(arguments.parsed("--seconds", 2.0)?),
        pace: (rate > 0).then(|| Duration::from_secs(1) / rate),
        proxy_core: arguments.parsed("--proxy-core", 1)?,
        load_core: arguments.parsed("--load-core", 0)?,
        count_calls: !arguments.has("--no-calls"),
    };
    let rounds: usize = arguments.parsed("--rounds", 5)?;

    for contender in &contenders {
        println!("{}: {}", contender.name, contender.version);
    }
    println!(
        "{rounds} rounds of {:?}, one thread on core {}",
        bench.duration, bench.proxy_core
    );
    for scenario in scenarios {
        let contenders: Vec<_> = contenders
            .iter()
            .filter(|c| !c.is_relay || scenario.suits_relay())
            .collect();
        let samples = if scenario.suits_crowd() {
            bench.compare(scenario, &contenders, rounds)?
        } else {
            let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); contenders.len()];
            for round in 0..rounds {
                // Who goes first changes, too.
                for turn in 0..contenders.len() {
                    let index = (round + turn) % contenders.len();
                    samples[index].push(bench.run(scenario, contenders[index])?);
                }
            }
            samples
        };
        print!("{}", table::scenario(scenario, &contenders, &samples));
    }
    Ok(())
}

const ABOUT: &str = "what a request costs hapax and other proxies";
const FLAGS: &[Flag] = &[
    Flag::with_value(
        "--add",
        "NAME=PATH",
        "a haproxy binary to compare with; may be repeated",
    ),
    Flag::with_value(
        "--hapax",
        "PATH",
        "the hapax binary; the workspace's when not given",
    ),
    Flag::switch(
        "--relay",
        "measure a relay as well that only moves bytes, where that is all there is to do",
    ),
    Flag::with_value("--scenario", "NAME", "only this one; may be repeated"),
    Flag::with_value("--rounds", "N", "runs of each proxy and scenario (5)"),
    Flag::with_value("--seconds", "S", "length of a run (2)"),
    Flag::with_value(
        "--rate",
        "N",
        "requests per second in place of as many as possible",
    ),
    Flag::with_value("--proxy-core", "N", "the core of the proxy (1)"),
    Flag::with_value("--load-core", "N", "the core of clients and servers (0)"),
    Flag::switch("--no-calls", "do not count system calls"),
    Flag::switch("--help", "this text"),
];
