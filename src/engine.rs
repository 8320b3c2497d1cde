//! Runs a plan: accepts, forwards, answers, logs, and swaps the plan while traffic flows.
//!
//! [`Engine`] belongs to the control thread. It opens listening sockets and starts [`worker`]
//! threads; each worker [`accept`]s connections and runs a [`session`] for each, which for HTTP is a
//! loop of [`transaction`]s. [`generation`] is one plan in service, [`live`] what outlives it,
//! [`reload`] what changes between two.

mod accept;
mod accounting;
mod admission;
mod buffer;
mod capture;
mod check;
mod connect;
pub mod control;
mod deadline;
mod doors;
mod duties;
mod exchange;
mod flow;
mod frontends;
pub(crate) mod generation;
mod idle;
mod listeners;
mod listening;
pub(crate) mod live;
pub(crate) mod metrics;
mod oversight;
pub(crate) mod patterns;
mod poller;
mod pooled;
mod relay;
mod reload;
pub(crate) mod roster;
mod runner;
mod session;
mod side;
pub mod signals;
mod socket;
mod source;
mod spare;
mod splice;
pub(crate) mod statistics;
mod syslog;
mod target;
mod timers;
pub(crate) mod trace;
mod transaction;
pub(crate) mod worker;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::SocketError;
use crate::plan::{Plan, Severity};
use control::{Control, Question, Reloads, Reply};
use doors::{Metrics, Socket};
use generation::Generation;
pub use listeners::Listeners;
use listeners::refit;
pub use listening::{ListenError, ListenerKey, Local, Opener, Sockets, nobody_listens};
use live::Registry;
use oversight::Retired;
pub use oversight::{GenerationState, Generations, Memory};
use trace::Trace;
use worker::{Aside, Command, Handle, Shared};

/// Bytes that one worker may use beyond what `maxconn` accounts for: larger blocks for streams, and
/// what a crowded round receives and sends.
pub const WORKER_BYTES: u64 = (buffer::MOST_LARGE * buffer::LARGE + poller::ROUND_BYTES) as u64;

/// Why a plan cannot be put into service.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing to listen on.
    #[error("no enabled frontend or listen section has an address to listen on")]
    NoListener,
    /// The half of the process that has kept the privileges.
    #[error("{0}")]
    Keeper(String),
    /// A listening socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A regular expression of an ACL.
    #[error("an ACL has an invalid regular expression: {0}")]
    Regex(#[from] crate::regular_expression::BadRegex),
    /// The statistics socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A worker thread.
    #[error("cannot start a worker: {0}")]
    Worker(#[from] io::Error),
}

/// What a reload has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Number of the generation in service.
    pub generation: u64,
    /// Listening sockets opened.
    pub opened: usize,
    /// Listening sockets closed.
    pub closed: usize,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "configuration {} is in service: {} listening addresses opened, {} closed",
            self.generation, self.opened, self.closed
        )
    }
}

/// A running proxy.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    workers: Vec<Handle>,
    aside: Aside,
    /// Ends the health checks of the generation in service.
    checks: CancellationToken,
    sockets: Vec<Socket>,
    metrics: Vec<Metrics>,
    listening: Sockets,
    opener: Box<dyn Opener>,
    number: u64,
    /// When the running generation was put into service.
    started: Instant,
    /// Those before it that have sessions.
    retired: Vec<Retired>,
    draining: bool,
    paused: bool,
    /// Frontends that an administrator has disabled, by name.
    disabled: BTreeSet<String>,
}

impl Engine {
    /// Puts a plan into service on sockets that were opened for it. `opener` opens those of later
    /// plans.
    ///
    /// # Errors
    /// When a regular expression cannot be compiled or a thread cannot be started.
    pub fn start(
        plan: Plan,
        listeners: Listeners,
        opener: Box<dyn Opener>,
    ) -> Result<Self, EngineError> {
        let registry = Registry::new(listeners.workers());
        let debug = plan.global.debug;
        let first = Generation::new(1, Arc::new(plan), &registry)?;
        let shared = Arc::new(Shared {
            current: Arc::new(ArcSwap::from_pointee(first)),
            registry,
            cli: Arc::default(),
            clients: Arc::default(),
            control: Control::default(),
            reloads: Reloads::default(),
            trace: debug.then(Trace::default),
            orders: OnceLock::new(),
        });
        let workers = (0..listeners.workers())
            .map(|index| Handle::start(index, Arc::clone(&shared)))
            .collect::<Result<Vec<_>, _>>()?;
        // It is set here alone.
        let orders = workers.iter().map(Handle::orders).collect();
        let _ = shared.orders.set(orders);
        let mut engine = Self {
            shared,
            workers,
            aside: Aside::start()?,
            sockets: Vec::new(),
            metrics: Vec::new(),
            checks: CancellationToken::new(),
            listening: Sockets::new(),
            opener,
            number: 1,
            started: Instant::now(),
            retired: Vec::new(),
            draining: false,
            paused: false,
            disabled: BTreeSet::new(),
        };
        let plan = engine.plan();
        engine.hand_out(&plan, listeners.sockets);
        engine.open_doors(listeners.doors);
        engine.start_checks();
        Ok(engine)
    }

    /// Swaps the plan while traffic flows. Sockets that did not change stay open; sessions finish
    /// under the plan that they began with.
    ///
    /// # Errors
    /// Nothing has changed then: the old plan stays in service.
    pub fn apply(&mut self, plan: Plan) -> Result<Applied, EngineError> {
        let plan = Arc::new(plan);
        // Everything that can fail comes first.
        let mut wanted = listening::wanted(&plan);
        if wanted.is_empty() {
            return Err(EngineError::NoListener);
        }
        wanted.retain(|_, (id, _)| !self.disabled.contains(&plan.proxies[*id].name));
        let change = reload::compare(self.listening.keys(), wanted.keys());
        let opened = self.opener.open(&plan, &change.open, self.workers.len())?;
        for (key, sockets) in &self.listening {
            if let Some(place) = wanted.get(key) {
                refit(&plan, *place, sockets)?;
            }
        }
        let doors = self.missing_doors(&plan)?;
        let next = Generation::new(self.number + 1, Arc::clone(&plan), &self.shared.registry)?;

        let old = {
            // Nobody changes patterns until they are changed in this one.
            let mut patterns = self.shared.registry.patterns.lock();
            next.adopt_patterns(&mut patterns);
            self.shared.current.swap(Arc::new(next))
        };
        old.retire();
        let before = Arc::clone(&old.plan);
        let started = std::mem::replace(&mut self.started, Instant::now());
        self.retired.push(Retired::new(self.number, started, &old));
        drop(old);
        self.number += 1;
        self.shared.reloads.applied(self.number);
        self.shared.reloads.draining(self.retired.len());
        let applied = Applied {
            generation: self.number,
            opened: change.open.len(),
            closed: change.close.len(),
        };
        for key in &change.close {
            self.unlisten(key);
        }
        self.opener.remove(&change.close);
        for worker in &self.workers {
            worker.send(Command::Refresh);
        }
        let mut opened = opened;
        opened.extend(self.take_back(&before, &plan));
        self.hand_out(&plan, opened);
        self.unpause();
        self.note_reopened(&plan);
        self.close_unwanted_doors(&plan);
        self.open_doors(doors);
        self.shared.registry.forget_unused();
        self.start_checks();
        Ok(applied)
    }

    /// Checks the servers of the generation in service, and no others any more.
    fn start_checks(&mut self) {
        let stop = CancellationToken::new();
        std::mem::replace(&mut self.checks, stop.clone()).cancel();
        let generation = self.shared.current.load_full();
        self.aside.spawn(stop, move || check::run(generation));
    }

    /// Spreads sockets over the workers that serve them. There may be more of a key than workers,
    /// when another process had more of them; and fewer.
    fn hand_out(&mut self, plan: &Plan, sockets: Sockets) {
        let wanted = listening::wanted(plan);
        for (key, sockets) in sockets {
            let serving = match wanted.get(&key) {
                Some((proxy, index)) => plan.proxies[*proxy].workers(*index, self.workers.len()),
                None => (0..self.workers.len()).collect(),
            };
            for (socket, index) in sockets.iter().zip(serving.iter().cycle()) {
                let order = Command::Listen(key.clone(), Arc::clone(socket));
                self.workers[*index].send(order);
            }
            self.listening.insert(key, sockets);
        }
    }

    /// The sockets that stay and are served by other workers than before: `bind-process` has
    /// changed. They are taken from all workers, to be handed out again.
    fn take_back(&mut self, old: &Plan, new: &Plan) -> Sockets {
        let (before, after) = (listening::wanted(old), listening::wanted(new));
        let count = self.workers.len();
        let moved = |key: &ListenerKey| match (before.get(key), after.get(key)) {
            (Some((a, i)), Some((b, j))) => {
                old.proxies[*a].workers(*i, count) != new.proxies[*b].workers(*j, count)
            }
            _ => false,
        };
        let keys: Vec<_> = self
            .listening
            .keys()
            .filter(|key| moved(key))
            .cloned()
            .collect();
        let mut taken = Sockets::new();
        for key in keys {
            for worker in &self.workers {
                worker.send(Command::Unlisten(key.clone()));
            }
            if let Some(sockets) = self.listening.remove(&key) {
                taken.insert(key, sockets);
            }
        }
        taken
    }

    fn unlisten(&mut self, key: &ListenerKey) {
        if self.listening.remove(key).is_some() {
            for worker in &self.workers {
                worker.send(Command::Unlisten(key.clone()));
            }
        }
    }

    /// The sockets that are listened on.
    pub fn listening(&self) -> &Sockets {
        &self.listening
    }

    /// The plan in service.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.shared.current.load().plan)
    }

    /// The number of the generation in service.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Client connections at this moment.
    pub fn connections(&self) -> u32 {
        self.shared.registry.process.now()
    }

    /// Says where questions to the control thread go.
    pub fn asks(&self, control: impl Fn(Question, Reply) + Send + Sync + 'static) {
        self.shared.control.set(Box::new(control));
    }

    /// Notes that a reload changed nothing.
    pub fn not_reloaded(&self) {
        self.shared.reloads.failed();
    }

    /// Clients of the statistics sockets at this moment.
    pub fn socket_clients(&self) -> u32 {
        self.shared.cli.now()
    }

    /// Tells the log targets of the `global` section.
    pub fn log(&self, text: &str) {
        let plan = self.plan();
        let sender = syslog::Sender::default();
        sender.send(
            &plan.global.log_targets,
            &plan.global,
            Severity(5),
            text.as_bytes(),
        );
    }

    /// Log lines that could not be sent.
    pub fn dropped_log_lines(&self) -> u64 {
        syslog::dropped()
    }

    /// Stops listening; the workers end with their last sessions, and `done` is called then.
    pub fn drain(&mut self, done: impl FnOnce() + Send + 'static) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        self.shared.current.load().retire();
        self.listening.clear();
        self.close_doors_softly();
        self.checks.cancel();
        let mut threads = Vec::new();
        for worker in &mut self.workers {
            worker.send(Command::Drain);
            threads.extend(worker.take_thread());
        }
        let waiter = std::thread::Builder::new()
            .name("drain".into())
            .spawn(move || {
                for thread in threads {
                    // A panic was reported by its own hook.
                    let _ = thread.join();
                }
                done();
            });
        if let Err(error) = waiter {
            tracing::error!(%error, "nobody can wait for the last session");
        }
    }

    /// Whether [`Engine::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Ends everything at once.
    pub fn stop(self) {
        for worker in &self.workers {
            worker.send(Command::Stop);
        }
        for mut worker in self.workers {
            if let Some(thread) = worker.take_thread() {
                // A panic was reported by its own hook.
                let _ = thread.join();
            }
        }
    }
}
