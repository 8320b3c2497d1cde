//! What a large site costs when nobody asks for anything: 1,000 backends with 10 checked servers
//! each, hapax and any HAProxy in turn.
//!
//! `cargo bench -p compat-tests --bench steady-checks -- --add h26=/usr/sbin/haproxy`
//!
//! CPU time is what the system has accounted to the proxy's process once all servers were checked
//! for the first time; memory is what it holds at the end. The server that is checked lives in
//! this process.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that reports"
)]

use std::error::Error;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use compat_tests::arguments::{Arguments, Flag, usage};
use compat_tests::hapax;
use compat_tests::ports::free_port;
use compat_tests::process::{Proxy, ProxyCommand};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// How servers are checked.
const KINDS: [(&str, &str); 2] = [("connect", ""), ("httpchk", "    option httpchk GET /\n")];

/// How large the site is, and how long it is watched.
struct Site {
    backends: usize,
    servers: usize,
    inter: Duration,
    seconds: u64,
    rounds: usize,
}

/// What a proxy took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Milliseconds of CPU for each second.
    cpu: f64,
    /// Kilobytes that it holds.
    memory: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("steady-checks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let given = std::env::args().skip(1).filter(|word| word != "--bench");
    let arguments = Arguments::parse(FLAGS, given)?;
    if arguments.has("--help") {
        println!("{}", usage("steady-checks", ABOUT, FLAGS));
        return Ok(());
    }
    let site = Site {
        backends: arguments.parsed("--backends", 1000)?,
        servers: arguments.parsed("--servers", 10)?,
        inter: Duration::from_millis(arguments.parsed("--inter", 5000)?),
        seconds: arguments.parsed("--seconds", 20)?,
        rounds: arguments.parsed("--rounds", 3)?,
    };
    let mut contenders = vec![("hapax".to_owned(), hapax::binary())];
    for added in arguments.all("--add") {
        let (name, path) = added
            .split_once('=')
            .ok_or_else(|| format!("{added}: no NAME=PATH"))?;
        contenders.push((name.to_owned(), std::path::absolute(path)?));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, compare(&site, &contenders))
}

async fn compare(site: &Site, contenders: &[(String, PathBuf)]) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::task::spawn_local(answer(listener));
    println!(
        "{} backends with {} servers each, checked every {:?}; {} s, median of {} rounds",
        site.backends, site.servers, site.inter, site.seconds, site.rounds
    );
    println!(
        "{:10} {:12} {:>10} {:>10}",
        "check", "proxy", "CPU ms/s", "RSS MB"
    );
    for (kind, lines) in KINDS {
        let mut costs = vec![Vec::new(); contenders.len()];
        for _ in 0..site.rounds {
            for ((_, binary), costs) in contenders.iter().zip(&mut costs) {
                costs.push(measure(site, binary, port, lines).await?);
            }
        }
        for ((name, _), mut costs) in contenders.iter().zip(costs) {
            costs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
            let cpu = costs[costs.len() / 2].cpu;
            costs.sort_by_key(|cost| cost.memory);
            let memory = costs[costs.len() / 2].memory;
            println!(
                "{kind:10} {name:12} {cpu:10.1} {:10.1}",
                memory as f64 / 1024.0
            );
        }
    }
    Ok(())
}

async fn measure(
    site: &Site,
    binary: &Path,
    port: u16,
    lines: &str,
) -> Result<Cost, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let own = free_port()?;
    let mut text = format!(
        "global\n    maxconn 2000\n    nbthread 1\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout check 5s\n\
         \x20   timeout client 5s\n    timeout server 5s\n{lines}\
         listen here\n    bind 127.0.0.1:{own}\n"
    );
    for backend in 0..site.backends {
        text += &format!("backend b{backend}\n");
        for server in 0..site.servers {
            text += &format!(
                "    server s{server} 127.0.0.1:{port} check inter {}\n",
                site.inter.as_millis()
            );
        }
    }
    let file = folder.path().join("proxy.cfg");
    fs::write(&file, text)?;
    let command = ProxyCommand {
        binary: binary.to_owned(),
        args: Vec::new(),
    };
    let mut proxy = Proxy::start(&command, &file, folder.path())?;
    if !proxy.ready([own].into_iter()).await? {
        return Err(format!("{} does not start: {}", binary.display(), proxy.output()?).into());
    }
    sleep(site.inter + Duration::from_secs(1)).await;
    let before = cpu_ms(proxy.pid())?;
    sleep(Duration::from_secs(site.seconds)).await;
    let cost = Cost {
        cpu: (cpu_ms(proxy.pid())? - before) / site.seconds as f64,
        memory: memory_kb(proxy.pid())?,
    };
    proxy.stop().await?;
    Ok(cost)
}

/// User and system time of a process.
fn cpu_ms(pid: u32) -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').ok_or("no name in stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = [11, 12]
        .iter()
        .map(|at| fields.get(*at).and_then(|field| field.parse::<u64>().ok()))
        .sum::<Option<u64>>()
        .ok_or("no times in stat")?;
    // A tick is a hundredth of a second on every Linux that runs this.
    Ok(ticks as f64 * 10.0)
}

fn memory_kb(pid: u32) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmRSS in status")?.parse()?)
}

/// Answers every check.
async fn answer(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::task::spawn_local(async move {
            let mut room = [0; 512];
            if matches!(stream.read(&mut room).await, Ok(n) if n > 0) {
                // Who has gone needs no answer.
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
            }
        });
    }
}

const ABOUT: &str = "what 10,000 checked servers cost when nothing else happens";

const FLAGS: &[Flag] = &[
    Flag::with_value("--add", "NAME=PATH", "another proxy; may be repeated"),
    Flag::with_value("--backends", "N", "how many backends (1000)"),
    Flag::with_value("--servers", "N", "how many servers in each (10)"),
    Flag::with_value(
        "--inter",
        "MS",
        "the time between two checks of a server (5000)",
    ),
    Flag::with_value("--seconds", "N", "how long each is watched (20)"),
    Flag::with_value("--rounds", "N", "how often (3)"),
    Flag::switch("--help", "this text"),
];
