//! One run of one proxy.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use compat_tests::load::{Asking, Clients, Origin, Tally};
use compat_tests::ports::free_port;
use compat_tests::process::{Proxy, ProxyCommand};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, SysconfVar, sysconf};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use crate::contender::Contender;
use crate::crowd::{Crowd, Talk};
use crate::scenario::{Mode, Ports, Scenario};

/// How runs are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bench {
    pub(crate) duration: Duration,
    /// The time between requests; `None` is none at all.
    pub(crate) pace: Option<Duration>,
    pub(crate) proxy_core: usize,
    pub(crate) load_core: usize,
    pub(crate) count_calls: bool,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) requests_per_second: f64,
    /// User and system time of the proxy.
    pub(crate) cpu_us_per_request: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) calls_per_request: Option<f64>,
    /// What the proxy holds that is its own, in KiB.
    pub(crate) memory_kib: f64,
    /// The same for each connection, when that was the question.
    pub(crate) kib_per_connection: Option<f64>,
    pub(crate) failures: usize,
}

impl Bench {
    /// Starts the proxy, loads it, and ends it.
    pub(crate) fn run(
        &self,
        scenario: &Scenario,
        contender: &Contender,
    ) -> Result<Sample, Box<dyn Error>> {
        pin(self.load_core)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        LocalSet::new().block_on(&runtime, self.run_here(scenario, contender))
    }

    async fn run_here(
        &self,
        scenario: &Scenario,
        contender: &Contender,
    ) -> Result<Sample, Box<dyn Error>> {
        let origin = Origin::bind(&vec![b'x'; scenario.body])?;
        let (port, origin_port) = (free_port()?, origin.port());
        let crowd = self.pace.is_none() && scenario.suits_crowd();
        let mut origin = Some(origin);
        if !crowd {
            spawn_local(origin.take().ok_or("no origin")?.serve());
        }
        let folder = tempfile::tempdir()?;
        // Bound and never read: the system drops what does not fit.
        let syslog = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let ports = Ports {
            proxy: port,
            origin: origin_port,
            syslog: syslog.local_addr()?.port(),
        };
        let text = scenario.configuration(contender.kind, ports);
        std::fs::write(folder.path().join(FILE), text)?;
        // The process becomes the proxy, so its id is the proxy's.
        let core = self.proxy_core.to_string();
        let binary = contender.binary.display().to_string();
        let command = ProxyCommand {
            binary: "taskset".into(),
            args: ["-c", &core, &binary]
                .map(str::to_owned)
                .into_iter()
                .chain(contender.arguments(port, origin_port))
                .collect(),
        };
        let mut proxy = Proxy::start(&command, Path::new(FILE), folder.path())?;
        if !proxy.ready([port].into_iter()).await? {
            return Err(format!("{} does not start: {}", contender.name, proxy.output()?).into());
        }
        let sample = if scenario.mode == Mode::Idle {
            self.idle(scenario, &proxy, port).await
        } else {
            let load = match origin {
                Some(origin) => {
                    let (origin, answer) = origin.into_parts()?;
                    Load::Crowd(Crowd::start(
                        origin,
                        Talk {
                            port,
                            clients: scenario.clients,
                            request: scenario.request(),
                            answer,
                        },
                    )?)
                }
                None => Load::Clients(Clients::start(
                    scenario.clients,
                    &Asking {
                        port,
                        request: scenario.request(),
                        pace: self.pace,
                        latencies: true,
                    },
                )),
            };
            self.load(load, &proxy).await
        };
        proxy.stop().await?;
        sample
    }

    async fn load(&self, clients: Load, proxy: &Proxy) -> Result<Sample, Box<dyn Error>> {
        sleep(WARM_UP).await;
        clients.take();

        let (began, cpu) = (Instant::now(), cpu_us(proxy.pid())?);
        sleep(self.duration).await;
        let cpu = cpu_us(proxy.pid())? - cpu;
        let tally = clients.take();
        let seconds = began.elapsed().as_secs_f64();
        let memory_kib = memory_kib(proxy.pid())?;

        let calls_per_request = match CallCounter::start(proxy.pid()) {
            Some(counter) if self.count_calls => {
                sleep(COUNT_CALLS).await;
                counter
                    .stop()?
                    .map(|calls| calls / clients.take().answered.max(1) as f64)
            }
            _ => None,
        };
        clients.stop().await?;
        let answered = tally.answered.max(1) as f64;
        Ok(Sample {
            requests_per_second: tally.answered as f64 / seconds,
            cpu_us_per_request: cpu / answered,
            p50: tally.percentile(0.50),
            p99: tally.percentile(0.99),
            calls_per_request,
            memory_kib,
            kib_per_connection: None,
            failures: tally.failures.len(),
        })
    }

    /// Every client asks once and keeps its connection.
    async fn idle(
        &self,
        scenario: &Scenario,
        proxy: &Proxy,
        port: u16,
    ) -> Result<Sample, Box<dyn Error>> {
        let before = memory_kib(proxy.pid())?;
        let asking = Asking {
            port,
            request: scenario.request(),
            // The first round takes two seconds, the second never comes.
            pace: Some(Duration::from_secs(2) / u32::try_from(scenario.clients)?),
            latencies: false,
        };
        let clients = Clients::start_once(scenario.clients, &asking);
        sleep(Duration::from_secs(3)).await;
        let tally = clients.take();
        let memory_kib = memory_kib(proxy.pid())?;
        let connections = tally.answered.max(1) as f64;
        Ok(Sample {
            memory_kib,
            kib_per_connection: Some((memory_kib - before) / connections),
            failures: tally.failures.len(),
            ..Sample::default()
        })
    }
}

/// Who asks.
enum Load {
    /// Tasks that can do all that clients do.
    Clients(Clients),
    /// The cheapest there is.
    Crowd(Crowd),
}

impl Load {
    fn take(&self) -> Tally {
        match self {
            Self::Clients(clients) => clients.take(),
            Self::Crowd(crowd) => crowd.take(),
        }
    }

    async fn stop(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Clients(clients) => {
                clients.stop().await;
                Ok(())
            }
            Self::Crowd(crowd) => crowd.stop(),
        }
    }
}

/// Counts the system calls of a process with perf, where that is installed and allowed.
struct CallCounter {
    child: std::process::Child,
}

impl CallCounter {
    fn start(pid: u32) -> Option<Self> {
        let child = Command::new("perf")
            .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p"])
            .arg(pid.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        Some(Self { child })
    }

    fn stop(self) -> Result<Option<f64>, Box<dyn Error>> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        let output = self.child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(text
            .split(',')
            .next()
            .and_then(|number| number.trim().parse().ok()))
    }
}

/// User and system time of a process, in microseconds.
fn cpu_us(pid: u32) -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; what follows it is numbers.
    let numbers = stat.rsplit_once(')').ok_or("an odd stat file")?.1;
    let ticks: f64 = numbers
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|number| number.parse::<f64>().ok())
        .sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.ok_or("no clock tick")?;
    Ok(ticks * 1e6 / per_second as f64)
}

/// The anonymous memory of a process: what it has allocated, without its program.
fn memory_kib(pid: u32) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    Ok(line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no RssAnon")?
        .parse()?)
}

fn pin(core: usize) -> Result<(), Box<dyn Error>> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}

const FILE: &str = "proxy.cfg";
const WARM_UP: Duration = Duration::from_millis(300);
const COUNT_CALLS: Duration = Duration::from_millis(500);
