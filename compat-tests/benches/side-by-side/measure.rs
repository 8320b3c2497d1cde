//! One run of one proxy.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use compat_tests::load::{Asking, Clients, Origin, Tally};
use compat_tests::ports::free_port;
use compat_tests::process::{Proxy, ProxyCommand};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tokio::runtime::Runtime;
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
        LocalSet::new().block_on(&self.runtime()?, self.run_here(scenario, contender))
    }

    /// A runtime on the core for load.
    fn runtime(&self) -> Result<Runtime, Box<dyn Error>> {
        pin(self.load_core)?;
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Ok(builder.enable_all().build()?)
    }

    async fn run_here(
        &self,
        scenario: &Scenario,
        contender: &Contender,
    ) -> Result<Sample, Box<dyn Error>> {
        let origin = Origin::bind(&vec![b'x'; scenario.body])?;
        let stage = Stage::set(self, scenario, contender, origin.port()).await?;
        spawn_local(origin.serve());
        let (proxy, port) = (&stage.proxy, stage.port);
        let sample = if scenario.mode == Mode::Idle {
            self.idle(scenario, proxy, port).await
        } else {
            let clients = Clients::start(
                scenario.clients,
                &Asking {
                    port,
                    request: scenario.request(),
                    pace: self.pace,
                    latencies: true,
                },
            );
            self.load(clients, proxy).await
        };
        stage.proxy.stop().await?;
        sample
    }

    /// Starts all proxies, and loads them in turns, all rounds long: what is said of a round is less a
    /// matter of what the machine did at that time the shorter it is.
    pub(crate) fn compare(
        &self,
        scenario: &Scenario,
        contenders: &[&Contender],
        rounds: usize,
    ) -> Result<Vec<Vec<Sample>>, Box<dyn Error>> {
        self.runtime()?.block_on(async {
            let mut stages = Vec::new();
            for contender in contenders {
                let origin = Origin::bind(&vec![b'x'; scenario.body])?;
                let stage = Stage::set(self, scenario, contender, origin.port()).await?;
                let (origin, answer) = origin.into_parts()?;
                let talk = Talk {
                    port: stage.port,
                    clients: scenario.clients,
                    request: scenario.request(),
                    answer,
                    pace: self.pace,
                };
                let crowd = Crowd::start(origin, talk)?;
                crowd.ask(WARM_UP)?;
                stages.push((stage, crowd));
            }
            let mut samples = vec![Vec::new(); stages.len()];
            for round in 0..rounds {
                // Who goes first changes, too.
                for turn in 0..stages.len() {
                    let index = (round + turn) % stages.len();
                    let (stage, crowd) = &stages[index];
                    samples[index].push(self.ask(crowd, &stage.proxy)?);
                }
            }
            for ((stage, crowd), samples) in stages.into_iter().zip(&mut samples) {
                let counter = self
                    .count_calls
                    .then(|| CallCounter::start(stage.proxy.pid()));
                if let (Some(counter), Some(sample)) = (counter.flatten(), samples.first_mut()) {
                    let tally = crowd.ask(COUNT_CALLS)?;
                    sample.calls_per_request = counter.stop()?.map(|calls| calls / count(&tally));
                }
                crowd.stop()?;
                stage.proxy.stop().await?;
            }
            Ok(samples)
        })
    }

    /// One turn of one proxy.
    fn ask(&self, crowd: &Crowd, proxy: &Proxy) -> Result<Sample, Box<dyn Error>> {
        let (began, cpu) = (Instant::now(), cpu_us(proxy.pid())?);
        let tally = crowd.ask(self.duration)?;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = cpu_us(proxy.pid())? - cpu;
        let memory_kib = memory_kib(proxy.pid())?;
        Ok(Sample::of(&tally, cpu, seconds, memory_kib))
    }

    async fn load(&self, clients: Clients, proxy: &Proxy) -> Result<Sample, Box<dyn Error>> {
        sleep(WARM_UP).await;
        clients.take();

        let (began, cpu) = (Instant::now(), cpu_us(proxy.pid())?);
        sleep(self.duration).await;
        let cpu = cpu_us(proxy.pid())? - cpu;
        let tally = clients.take();
        let seconds = began.elapsed().as_secs_f64();
        let mut sample = Sample::of(&tally, cpu, seconds, memory_kib(proxy.pid())?);

        let counter = self.count_calls.then(|| CallCounter::start(proxy.pid()));
        if let Some(counter) = counter.flatten() {
            sleep(COUNT_CALLS).await;
            let calls = counter.stop()?;
            sample.calls_per_request = calls.map(|calls| calls / count(&clients.take()));
        }
        clients.stop().await;
        Ok(sample)
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

impl Sample {
    fn of(tally: &Tally, cpu_us: f64, seconds: f64, memory_kib: f64) -> Self {
        Self {
            requests_per_second: tally.answered as f64 / seconds,
            cpu_us_per_request: cpu_us / count(tally),
            p50: tally.percentile(0.50),
            p99: tally.percentile(0.99),
            calls_per_request: None,
            memory_kib,
            kib_per_connection: None,
            failures: tally.failures.len(),
        }
    }
}

/// Answers, to divide by.
fn count(tally: &Tally) -> f64 {
    tally.answered.max(1) as f64
}

/// A proxy that runs, and what it needs.
struct Stage {
    proxy: Proxy,
    port: u16,
    _folder: tempfile::TempDir,
    /// Bound and never read: the system drops what does not fit.
    _syslog: std::net::UdpSocket,
}

impl Stage {
    async fn set(
        bench: &Bench,
        scenario: &Scenario,
        contender: &Contender,
        origin: u16,
    ) -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        let folder = tempfile::tempdir()?;
        let syslog = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        let ports = Ports {
            proxy: port,
            origin,
            syslog: syslog.local_addr()?.port(),
        };
        let text = scenario.configuration(contender.kind, ports);
        std::fs::write(folder.path().join(FILE), text)?;
        // The process becomes the proxy, so its id is the proxy's.
        let core = bench.proxy_core.to_string();
        let binary = contender.binary.display().to_string();
        let command = ProxyCommand {
            binary: "taskset".into(),
            args: ["-c", &core, &binary]
                .map(str::to_owned)
                .into_iter()
                .chain(contender.arguments(port, origin))
                .collect(),
        };
        let mut proxy = Proxy::start(&command, Path::new(FILE), folder.path())?;
        if !proxy.ready([port].into_iter()).await? {
            return Err(format!("{} does not start: {}", contender.name, proxy.output()?).into());
        }
        Ok(Self {
            proxy,
            port,
            _folder: folder,
            _syslog: syslog,
        })
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

/// User and system time of a process, in microseconds, as exact as the system's clock of it.
fn cpu_us(pid: u32) -> Result<f64, Box<dyn Error>> {
    let clock = nix::time::clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))?;
    let time = Duration::from(nix::time::clock_gettime(clock)?);
    Ok(time.as_secs_f64() * 1e6)
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
