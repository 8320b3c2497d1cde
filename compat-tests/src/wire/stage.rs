//! One run of a suite: one proxy, its origins, and the cases that play on it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use regex::bytes::Regex;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::client::{self, Client};
use super::normalise::Normaliser;
use super::origin::{self, Origin};
use super::ports::Ports;
use super::suite::{Case, Outcome, Suite, Transcript};
use crate::process::{Proxy, ProxyCommand, ProxyEnd};
use crate::recorded::SuiteError;
use crate::text::{Places, to_bytes};

/// The results of one run by case, and how the proxy ended.
#[derive(Debug)]
pub(super) struct Performance {
    pub(super) outcomes: BTreeMap<String, Outcome>,
    /// What is wrong with the proxy itself, when something is.
    pub(super) crash: Option<String>,
    pub(super) end: ProxyEnd,
}

/// Plays cases of a suite against a fresh process of the proxy.
pub(super) fn perform(
    suite: &Rc<Suite>,
    cases: &[Rc<Case>],
    command: &ProxyCommand,
    jobs: usize,
    hold_ports: bool,
) -> Result<Performance, SuiteError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Dropping the set ends every peer that still waits for something.
    let tasks = LocalSet::new();
    tasks.block_on(
        &runtime,
        Stage::run(suite, cases, command, jobs, hold_ports),
    )
}

/// What the peers of one run share.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) suite: Rc<Suite>,
    pub(super) places: Places,
    normaliser: Normaliser,
    /// Cases being played, by id.
    playing: RefCell<HashMap<String, Rc<Play>>>,
    /// Which case a client port belongs to, also after its end: logs come late.
    by_client_port: RefCell<HashMap<u16, Rc<Play>>>,
    /// Origins that belong to one case alone.
    owners: RefCell<HashMap<String, Rc<Play>>>,
    /// The case that is playing, in suites that play one at a time.
    current: RefCell<Option<Rc<Play>>>,
}

/// One case being played.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) case: Rc<Case>,
    pub(super) clients: RefCell<Vec<Rc<Client>>>,
    pub(super) origins: RefCell<Vec<Rc<Origin>>>,
    logs: RefCell<Vec<Vec<u8>>>,
    /// The last thing that a client did; times are counted from here.
    pub(super) base: Cell<Instant>,
    /// The results have been taken; nothing that happens now counts.
    pub(super) frozen: Cell<bool>,
}

impl Stage {
    async fn run(
        suite: &Rc<Suite>,
        cases: &[Rc<Case>],
        command: &ProxyCommand,
        jobs: usize,
        hold_ports: bool,
    ) -> Result<Performance, SuiteError> {
        let folder = tempfile::Builder::new().prefix("wire-").tempdir()?;
        let mut places = Places::default();
        places.insert(
            "dir".to_owned(),
            folder.path().to_string_lossy().into_owned(),
        );
        let ports = Ports::open(&Places::names_in(&suite.source), &mut places, hold_ports)?;
        let configuration = write_files(suite, &places, folder.path())?;

        let mut proxy = Proxy::start(command, &configuration, folder.path())?;
        if !proxy
            .ready(places.listening().map(|(_, port)| port))
            .await?
        {
            let end = proxy.stop().await?;
            let crash = describe(&end).unwrap_or_else(|| "proxy did not get ready".to_owned());
            let failed = |case: &Rc<Case>| {
                (
                    case.id.clone(),
                    Outcome::Failed {
                        failed: crash.clone(),
                    },
                )
            };
            let outcomes = cases.iter().map(failed).collect();
            return Ok(Performance {
                outcomes,
                crash: Some(crash),
                end,
            });
        }

        let stage = Rc::new(Self {
            suite: Rc::clone(suite),
            normaliser: Normaliser::new(suite, &folder.path().to_string_lossy())?,
            places,
            playing: RefCell::default(),
            by_client_port: RefCell::default(),
            owners: RefCell::default(),
            current: RefCell::default(),
        });
        for (name, listener) in ports.origins {
            let listener = TcpListener::from_std(listener)?;
            spawn_local(origin::accept(Rc::clone(&stage), name, listener));
        }
        if let Some(log) = ports.log {
            spawn_local(Rc::clone(&stage).collect_logs(UdpSocket::from_std(log)?));
        }
        sleep(Duration::from_millis(suite.warmup_ms)).await;

        let outcomes = stage.play_all(cases, jobs).await?;
        let end = proxy.stop().await?;
        Ok(Performance {
            outcomes,
            crash: describe(&end),
            end,
        })
    }

    async fn play_all(
        self: Rc<Self>,
        cases: &[Rc<Case>],
        jobs: usize,
    ) -> Result<BTreeMap<String, Outcome>, SuiteError> {
        let at_once = if self.suite.serial {
            1
        } else {
            jobs.min(self.suite.jobs.unwrap_or(jobs))
        };
        let turns = Rc::new(Semaphore::new(at_once));
        let play = |case: &Rc<Case>| {
            let (stage, case, turns) = (Rc::clone(&self), Rc::clone(case), Rc::clone(&turns));
            spawn_local(async move {
                let _turn = turns
                    .acquire()
                    .await
                    .expect("the semaphore is never closed");
                let outcome = stage.play(&case).await?;
                Ok::<_, SuiteError>((case.id.clone(), outcome))
            })
        };
        let tasks: Vec<_> = cases.iter().map(play).collect();
        let mut outcomes = BTreeMap::new();
        for task in tasks {
            let (id, outcome) = task.await.expect("a case does not panic")?;
            outcomes.insert(id, outcome);
        }
        Ok(outcomes)
    }

    async fn play(&self, case: &Rc<Case>) -> Result<Outcome, SuiteError> {
        let play = Rc::new(Play {
            case: Rc::clone(case),
            clients: RefCell::default(),
            origins: RefCell::default(),
            logs: RefCell::default(),
            base: Cell::new(Instant::now()),
            frozen: Cell::new(false),
        });
        self.enter(&play);
        let limit = Duration::from_secs_f64(case.limit_s.unwrap_or(self.suite.limit_s));
        let trouble = match timeout(limit, client::play(self, &play)).await {
            Err(_) => Some("case time limit".to_owned()),
            Ok(played) => played?,
        };
        let outcome = match trouble {
            Some(failed) => {
                play.leave().await;
                Outcome::Failed { failed }
            }
            None => Outcome::Played(self.watch(&play).await),
        };
        self.exit(&play);
        Ok(outcome)
    }

    /// Watches for what still happens after the last step, then takes the results.
    async fn watch(&self, play: &Rc<Play>) -> Transcript {
        let window = play.case.window_ms.unwrap_or(self.suite.window_ms);
        sleep(Duration::from_millis(window)).await;
        let mut transcript = self.transcript(play);
        play.leave().await;
        if self.suite.logs {
            let deadline = Instant::now() + LOG_PATIENCE;
            while play.logs.borrow().len() < play.case.log_lines && Instant::now() < deadline {
                sleep(LOG_POLL).await;
            }
            sleep(LOG_SETTLE).await;
            transcript.log = Some(self.normalised_logs(play));
        }
        transcript
    }

    fn transcript(&self, play: &Play) -> Transcript {
        Transcript {
            clients: play
                .clients
                .borrow()
                .iter()
                .map(|c| c.side(self, play))
                .collect(),
            origins: Some(
                play.origins
                    .borrow()
                    .iter()
                    .map(|o| o.side(self, play))
                    .collect(),
            ),
            log: None,
        }
    }

    fn normalised_logs(&self, play: &Play) -> Vec<String> {
        let line = |datagram: &Vec<u8>| {
            self.normaliser
                .log_line(datagram, &self.places, |port| self.is_client(port))
        };
        play.logs.borrow().iter().map(line).collect()
    }

    /// What a peer received, made comparable.
    pub(super) fn normalised(&self, received: &[u8]) -> String {
        self.normaliser
            .bytes(received, &self.places, |port| self.is_client(port))
    }

    /// When a connection ended, as precisely as the suite wants to know it.
    pub(super) fn rounded(&self, ended_at: Option<Instant>, base: Instant) -> Option<i64> {
        let step = f64::from(self.suite.timing_ms?);
        let at = ended_at?;
        let milliseconds = if at >= base {
            at.duration_since(base).as_secs_f64() * 1000.0
        } else {
            base.duration_since(at).as_secs_f64() * -1000.0
        };
        Some((milliseconds / step + 0.5) as i64 * step as i64)
    }

    /// The case that a connection to an origin belongs to, as far as can be known yet.
    pub(super) fn owner(&self, origin: &str, received: &[u8]) -> Option<Rc<Play>> {
        if let Some(play) = self.owners.borrow().get(origin) {
            return Some(Rc::clone(play));
        }
        if let Some(play) = &*self.current.borrow() {
            return Some(Rc::clone(play));
        }
        self.tagged(received)
    }

    fn tagged(&self, bytes: &[u8]) -> Option<Rc<Play>> {
        let tag = TAG.captures(bytes)?;
        let id = std::str::from_utf8(&tag[1]).ok()?;
        self.playing.borrow().get(id).cloned()
    }

    pub(super) fn add_client_port(&self, port: u16, play: &Rc<Play>) {
        self.by_client_port
            .borrow_mut()
            .insert(port, Rc::clone(play));
    }

    fn is_client(&self, port: u16) -> bool {
        self.by_client_port.borrow().contains_key(&port)
    }

    fn enter(&self, play: &Rc<Play>) {
        self.playing
            .borrow_mut()
            .insert(play.case.id.clone(), Rc::clone(play));
        for origin in &play.case.owns {
            self.owners
                .borrow_mut()
                .insert(origin.clone(), Rc::clone(play));
        }
        if self.suite.serial {
            *self.current.borrow_mut() = Some(Rc::clone(play));
        }
    }

    fn exit(&self, play: &Rc<Play>) {
        for origin in &play.case.owns {
            self.owners.borrow_mut().remove(origin);
        }
        if self.suite.serial {
            *self.current.borrow_mut() = None;
        }
        self.playing.borrow_mut().remove(&play.case.id);
    }

    async fn collect_logs(self: Rc<Self>, socket: UdpSocket) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        while let Ok(size) = socket.recv(&mut buffer).await {
            let datagram = &buffer[..size];
            if let Some(play) = self.logged(datagram) {
                play.logs.borrow_mut().push(datagram.to_vec());
            }
        }
    }

    /// The case that a log line is about.
    fn logged(&self, datagram: &[u8]) -> Option<Rc<Play>> {
        let port = CLIENT_ADDRESS
            .captures(datagram)
            .and_then(|found| std::str::from_utf8(&found[1]).ok()?.parse::<u16>().ok());
        let by_port = port.and_then(|port| self.by_client_port.borrow().get(&port).cloned());
        if by_port.is_some() || !self.suite.log_by_tag {
            return by_port;
        }
        if TAG.is_match(datagram) {
            self.tagged(datagram)
        } else {
            self.current.borrow().clone()
        }
    }
}

impl Play {
    /// Ends the connections of the case: clients leave first, always.
    async fn leave(&self) {
        self.frozen.set(true);
        for client in self.clients.borrow().iter() {
            client.connection.close();
        }
        sleep(BETWEEN_SIDES).await;
        for origin in self.origins.borrow().iter() {
            origin.connection.close();
        }
    }
}

fn write_files(
    suite: &Suite,
    places: &Places,
    folder: &Path,
) -> Result<std::path::PathBuf, SuiteError> {
    for (name, text) in &suite.files {
        std::fs::write(folder.join(name), places.expand(text))?;
    }
    let mut text = suite.config.join("\n");
    text.push('\n');
    let path = folder.join("proxy.cfg");
    std::fs::write(&path, to_bytes(&places.fill(&text)))?;
    Ok(path)
}

fn describe(end: &ProxyEnd) -> Option<String> {
    end.by_itself
        .map(|status| format!("proxy exited by itself: {status}"))
}

/// Where scripted peers live.
pub(super) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

const BETWEEN_SIDES: Duration = Duration::from_millis(50);
const LOG_PATIENCE: Duration = Duration::from_millis(600);
const LOG_POLL: Duration = Duration::from_millis(20);
const LOG_SETTLE: Duration = Duration::from_millis(80);
const MAX_DATAGRAM: usize = 64 * 1024;

static TAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"~([A-Za-z0-9_.-]+)~").expect("a constant pattern"));
static CLIENT_ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"127\.0\.0\.1:(\d+)").expect("a constant pattern"));
