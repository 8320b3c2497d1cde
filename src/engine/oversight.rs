//! What the control thread finds out about a running engine: the configurations in service, memory,
//! the state of proxies, whether the workers work.

use std::fmt;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::buffer::PoolUse;
use super::generation::Generation;
use super::live::Counter;
use super::worker::Command;
use super::{Engine, syslog};
use crate::log::lifecycle::{ProxyState, ServerState};
use crate::plan::{Proxy, ProxyId, Severity};

/// A generation that another one has replaced, while it has sessions.
#[derive(Debug)]
pub(super) struct Retired {
    number: u64,
    started: Instant,
    retired: Instant,
    generation: Weak<Generation>,
    cut: bool,
}

impl Retired {
    /// To be called when another generation has taken over.
    pub(super) fn new(number: u64, started: Instant, generation: &Arc<Generation>) -> Self {
        Self {
            number,
            started,
            retired: Instant::now(),
            generation: Arc::downgrade(generation),
            cut: false,
        }
    }

    /// Its sessions: each holds it, its card does, and nothing else.
    fn sessions(&self) -> usize {
        self.generation.strong_count().div_ceil(2)
    }
}

/// One configuration in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerationState {
    /// Its number; the one that the process started with is 1.
    pub number: u64,
    /// How long ago it was put into service.
    pub age: Duration,
    /// How long ago another one has taken over; `None` for the running one.
    pub draining: Option<Duration>,
    /// Client connections that follow it.
    pub sessions: usize,
}

/// The configurations in service, the running one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generations(pub Vec<GenerationState>);

impl fmt::Display for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for generation in &self.0 {
            let GenerationState {
                number,
                age,
                sessions,
                ..
            } = generation;
            let age = age.as_secs();
            match generation.draining {
                None => writeln!(
                    f,
                    "generation={number} state=running age={age}s sessions={sessions}"
                )?,
                Some(since) => writeln!(
                    f,
                    "generation={number} state=draining age={age}s draining={}s \
                     sessions={sessions}",
                    since.as_secs()
                )?,
            }
        }
        Ok(())
    }
}

/// Memory that is allocated for traffic, as SIGQUIT shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    buffers: PoolUse,
    sessions: u32,
    /// Resident memory of the process in bytes; 0 when the system does not tell.
    resident: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolUse { size, used, free } = self.buffers;
        let allocated = used + free;
        writeln!(f, "Dumping pools usage.")?;
        writeln!(
            f,
            "  - Pool buffer ({size} bytes) : {allocated} allocated ({} bytes), {used} used",
            allocated * size
        )?;
        writeln!(f, "  - Sessions : {}", self.sessions)?;
        writeln!(f, "  - Process : {} bytes resident", self.resident)?;
        writeln!(
            f,
            "Total: 1 pools, {} bytes allocated, {} used.",
            allocated * size,
            used * size
        )
    }
}

/// How long a worker that does something else is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often retired generations are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Engine {
    /// The configurations in service.
    pub fn generations(&self) -> Generations {
        let now = Instant::now();
        let draining: Vec<GenerationState> = self
            .retired
            .iter()
            .filter(|retired| retired.sessions() > 0)
            .map(|retired| GenerationState {
                number: retired.number,
                age: now - retired.started,
                draining: Some(now - retired.retired),
                sessions: retired.sessions(),
            })
            .collect();
        let others: usize = draining.iter().map(|state| state.sessions).sum();
        let running = GenerationState {
            number: self.number,
            age: now - self.started,
            draining: None,
            sessions: (self.connections() as usize).saturating_sub(others),
        };
        Generations(std::iter::once(running).chain(draining).collect())
    }

    /// Notes which retired generations have ended, and cuts off those that take longer than
    /// `hard-stop-after`.
    pub fn bound_generations(&mut self, now: Instant) {
        if self.retired.is_empty() {
            return;
        }
        let limit = self.plan().global.hard_stop_after;
        let mut ended = Vec::new();
        let mut cut = None;
        for retired in &mut self.retired {
            if retired.sessions() == 0 {
                ended.push((retired.number, now - retired.retired));
            } else if limit.is_some_and(|limit| retired.retired + limit <= now) && !retired.cut {
                retired.cut = true;
                cut = Some(retired.number);
            }
        }
        self.retired.retain(|retired| retired.sessions() > 0);
        self.shared.reloads.draining(self.retired.len());
        // Whether there was anything to wait for is of interest, not every number.
        for (number, after) in ended.into_iter().filter(|(_, after)| *after >= LOOK) {
            let seconds = after.as_secs();
            self.log(&format!(
                "configuration {number} has ended, {seconds} s after it was replaced"
            ));
        }
        if let Some(number) = cut {
            self.log(&format!(
                "hard-stop-after has passed: the connections of configuration {number} are cut off"
            ));
            for worker in &self.workers {
                worker.send(Command::Cut(number));
            }
        }
    }

    /// When [`Engine::bound_generations`] should be called next.
    pub fn next_bound(&self) -> Option<Instant> {
        (!self.retired.is_empty()).then(|| Instant::now() + LOOK)
    }

    /// Memory that is allocated for traffic. Waits for busy workers, though not for long.
    pub fn memory(&self) -> Memory {
        let (sender, answers) = mpsc::channel();
        for worker in &self.workers {
            worker.send(Command::Memory(sender.clone()));
        }
        drop(sender);
        let mut buffers = PoolUse::default();
        while let Ok(answer) = answers.recv_timeout(PATIENCE) {
            buffers.size = answer.size;
            buffers.used += answer.used;
            buffers.free += answer.free;
        }
        Memory {
            buffers,
            sessions: self.connections(),
            resident: resident().unwrap_or(0),
        }
    }

    /// Whether every worker has answered since the last call.
    pub fn is_well(&mut self) -> bool {
        // All are asked, whatever the first of them says.
        let ill = self.workers.iter_mut().map(|w| w.is_well()).filter(|w| !w);
        ill.count() == 0
    }

    /// Tells the log targets of a proxy.
    pub fn log_proxy(&self, proxy: &Proxy, severity: Severity, text: &str) {
        let plan = self.plan();
        let sender = syslog::Sender::default();
        sender.send(&proxy.log_targets, &plan.global, severity, text.as_bytes());
    }

    /// The state of a proxy of the plan in service.
    pub fn proxy_state(&self, id: ProxyId) -> ProxyState {
        let generation = self.shared.current.load();
        let handles = generation.handles(id);
        let servers = handles.servers.iter().map(|server| ServerState {
            name: server.name.clone(),
            up: server.is_up(),
            current: server.sessions(),
            waiting: server.waiting(),
            total: server.counters.get(Counter::Sessions),
        });
        let waiting = handles.backend.waiting();
        let of_servers: Vec<ServerState> = servers.collect();
        let for_one: u32 = of_servers.iter().map(|server| server.waiting).sum();
        let usable = |backup: bool| {
            let servers = generation.proxy(id).servers.iter().zip(&of_servers);
            servers
                .filter(|(plan, live)| plan.backup == backup && live.up)
                .count() as u32
        };
        ProxyState {
            usable: (usable(false), usable(true)),
            current: (
                handles.frontend.sessions.now(),
                handles.backend.sessions.now(),
            ),
            waiting: (waiting, waiting.saturating_sub(for_one)),
            total: self.sessions_so_far(id),
            servers: of_servers,
        }
    }

    /// Sessions of both sides of a proxy since the start.
    pub fn sessions_so_far(&self, id: ProxyId) -> (u64, u64) {
        let generation = self.shared.current.load();
        let handles = generation.handles(id);
        (
            handles.frontend.counters.get(Counter::Sessions),
            handles.backend.counters.get(Counter::Sessions),
        )
    }
}

/// Resident memory of this process in bytes.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
