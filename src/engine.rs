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
mod exchange;
mod flow;
pub(crate) mod generation;
mod idle;
mod listening;
pub(crate) mod live;
pub(crate) mod metrics;
mod oversight;
mod poller;
mod reload;
pub(crate) mod roster;
mod session;
mod side;
pub mod signals;
mod socket;
mod source;
mod spare;
mod splice;
pub(crate) mod statistics;
mod syslog;
mod transaction;
pub(crate) mod worker;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, SocketError};
use crate::plan::{Plan, ProxyId, Severity, StatsSocket};
use control::{Control, FrontendOrder, Question, Reloads, Reply};
use generation::Generation;
use listening::Place;
pub use listening::{ListenError, ListenerKey, Local, Opener, Sockets, nobody_listens};
use live::Registry;
use oversight::Retired;
pub use oversight::{GenerationState, Generations, Memory};
use worker::{Aside, Command, Handle, Shared};

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

/// A statistics socket.
#[derive(Debug)]
struct Socket {
    settings: StatsSocket,
    listener: UnixListener,
    /// The file that was there when it was opened: its device and number.
    file: Option<(u64, u64)>,
    /// Ends serving.
    stop: CancellationToken,
}

/// Where metrics are served.
#[derive(Debug)]
struct Metrics {
    address: SocketAddr,
    /// Ends serving.
    stop: CancellationToken,
}

/// Listening sockets opened for a plan, before privileges are dropped and threads are started.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: Sockets,
    stats: Vec<(StatsSocket, UnixListener)>,
    metrics: Vec<(SocketAddr, TcpListener)>,
    workers: usize,
}

impl Listeners {
    /// Opens and binds everything that a plan listens on, but for what is there already: sockets
    /// that the process before this one has passed on. Those that the plan does not want are closed.
    ///
    /// # Errors
    /// The first socket that cannot be opened; none is left open then.
    pub fn open(plan: &Plan, inherited: &Sockets) -> Result<Self, EngineError> {
        let workers = worker_count(plan);
        let mut sockets = Sockets::new();
        let mut missing = Vec::new();
        for (key, place) in listening::wanted(plan) {
            match inherited.get(&key) {
                Some(known) if !known.is_empty() => {
                    refit(plan, place, known)?;
                    sockets.insert(key, known.clone());
                }
                _ => missing.push(key),
            }
        }
        sockets.extend(Local.open(plan, &missing, workers)?);
        let sought = &plan.global.stats_sockets;
        let stats = Local.open_stats(plan, sought)?;
        let addresses = &plan.global.metrics;
        let metrics = Local.open_metrics(plan, addresses)?;
        Ok(Self {
            sockets,
            stats: sought.iter().cloned().zip(stats).collect(),
            metrics: addresses.iter().copied().zip(metrics).collect(),
            workers,
        })
    }

    /// How many workers they are for.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Whether there is nothing to listen on.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

/// Gives open sockets the settings of a plan.
fn refit(plan: &Plan, (id, index): Place, sockets: &[Arc<OwnedFd>]) -> Result<(), ListenError> {
    let proxy = &plan.proxies[id];
    for socket in sockets {
        listening::refit(socket, proxy, &proxy.listeners[index])?;
    }
    Ok(())
}

/// `nbthread` or `nbproc` when given, otherwise one for every usable core.
fn worker_count(plan: &Plan) -> usize {
    plan.global.workers.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |workers| usize::from(workers).max(1),
    )
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
        let registry = Registry::new(listeners.workers);
        let first = Generation::new(1, Arc::new(plan), &registry)?;
        let shared = Arc::new(Shared {
            current: Arc::new(ArcSwap::from_pointee(first)),
            registry,
            cli: Arc::default(),
            clients: Arc::default(),
            control: Control::default(),
            reloads: Reloads::default(),
            orders: OnceLock::new(),
        });
        let workers = (0..listeners.workers)
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
        for (socket, listener) in listeners.stats {
            engine.add_socket(socket, listener);
        }
        for (address, listener) in listeners.metrics {
            engine.add_metrics(address, listener);
        }
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
        let present =
            |socket: &&StatsSocket| self.sockets.iter().any(|known| known.settings == **socket);
        let sought = plan.global.stats_sockets.iter();
        let sought: Vec<StatsSocket> = sought.filter(|s| !present(s)).cloned().collect();
        let stats = self.opener.open_stats(&plan, &sought)?;
        let served = |address: &SocketAddr| self.metrics.iter().any(|m| m.address == *address);
        let addresses = plan.global.metrics.iter();
        let addresses: Vec<SocketAddr> = addresses.filter(|a| !served(a)).copied().collect();
        let metrics = self.opener.open_metrics(&plan, &addresses)?;
        let next = Generation::new(self.number + 1, Arc::clone(&plan), &self.shared.registry)?;

        let old = self.shared.current.swap(Arc::new(next));
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
        self.sockets.retain(|socket| {
            let kept = plan.global.stats_sockets.contains(&socket.settings);
            if !kept {
                socket.stop.cancel();
            }
            kept
        });
        for (socket, listener) in sought.into_iter().zip(stats) {
            self.add_socket(socket, listener);
        }
        self.metrics.retain(|metrics| {
            let kept = plan.global.metrics.contains(&metrics.address);
            if !kept {
                metrics.stop.cancel();
            }
            kept
        });
        for (address, listener) in addresses.into_iter().zip(metrics) {
            self.add_metrics(address, listener);
        }
        self.shared.registry.forget_unused();
        self.start_checks();
        Ok(applied)
    }

    fn add_socket(&mut self, settings: StatsSocket, listener: UnixListener) {
        let file = std::fs::metadata(&settings.path).ok();
        let socket = Socket {
            listener,
            file: file.map(|file| (file.dev(), file.ino())),
            stop: CancellationToken::new(),
            settings,
        };
        self.serve_socket(&socket);
        self.sockets.push(socket);
    }

    fn add_metrics(&mut self, address: SocketAddr, listener: TcpListener) {
        let stop = CancellationToken::new();
        let shared = Arc::clone(&self.shared);
        self.aside.spawn(stop.clone(), move || {
            admin::metrics::serve(shared, listener)
        });
        self.metrics.push(Metrics { address, stop });
    }

    /// Checks the servers of the generation in service, and no others any more.
    fn start_checks(&mut self) {
        let stop = CancellationToken::new();
        std::mem::replace(&mut self.checks, stop.clone()).cancel();
        let generation = self.shared.current.load_full();
        self.aside.spawn(stop, move || check::run(generation));
    }

    fn serve_socket(&self, socket: &Socket) {
        let shared = Arc::clone(&self.shared);
        let settings = socket.settings.clone();
        match socket.listener.try_clone() {
            Ok(listener) => self.aside.spawn(socket.stop.clone(), move || {
                admin::socket::serve(shared, listener, settings)
            }),
            Err(error) => tracing::error!(%error, "cannot serve a statistics socket"),
        }
    }

    /// Whether statistics sockets are paused and stopped like frontends. HAProxy 1.4 serves them as
    /// long as the process lives.
    fn sockets_are_frontends(&self) -> bool {
        self.plan().dialect != Dialect::V1_4
    }

    /// Lets no more clients in on the statistics sockets. HAProxy 1.4 removes their files in the end,
    /// but for those that another process has put in their place.
    pub fn close_sockets(&mut self) {
        let remove = !self.sockets_are_frontends();
        for socket in self.sockets.drain(..) {
            socket.stop.cancel();
            let path = &socket.settings.path;
            let there = std::fs::metadata(path).ok();
            let there = there.map(|file| (file.dev(), file.ino()));
            if remove && there.is_some() && there == socket.file {
                // A file that stays is in nobody's way.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Spreads sockets over the workers that serve them. There may be more of a key than workers,
    /// when another process had more of them; and fewer.
    fn hand_out(&mut self, plan: &Plan, sockets: Sockets) {
        let wanted = listening::wanted(plan);
        for (key, sockets) in sockets {
            let serving = match wanted.get(&key) {
                Some((proxy, _)) => plan.proxies[*proxy].workers(self.workers.len()),
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
            (Some((old_proxy, _)), Some((new_proxy, _))) => {
                old.proxies[*old_proxy].workers(count) != new.proxies[*new_proxy].workers(count)
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
        if self.sockets_are_frontends() {
            // The file stays, and refuses.
            for socket in self.sockets.drain(..) {
                socket.stop.cancel();
            }
        }
        // Whoever takes over serves them on the same address.
        for metrics in self.metrics.drain(..) {
            metrics.stop.cancel();
        }
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

    /// Closes all listening sockets for a while: another process wants the addresses.
    pub fn pause(&mut self) {
        let keys: Vec<ListenerKey> = self.listening.keys().cloned().collect();
        for key in &keys {
            self.unlisten(key);
        }
        self.paused = true;
        if self.sockets_are_frontends() {
            // Clients are let in by the system, and answered later.
            for socket in &mut self.sockets {
                std::mem::take(&mut socket.stop).cancel();
            }
        }
        self.show_paused(true);
    }

    /// Has the statistics say that frontends listen, or do not.
    fn show_paused(&self, paused: bool) {
        let generation = self.shared.current.load();
        for (proxy, handles) in generation.plan.proxies.iter().zip(generation.all_handles()) {
            let paused = paused || self.disabled.contains(&proxy.name);
            handles.frontend.paused.store(paused, Ordering::Relaxed);
        }
    }

    fn unpause(&mut self) {
        if !std::mem::take(&mut self.paused) {
            return;
        }
        if self.sockets_are_frontends() {
            for socket in &self.sockets {
                self.serve_socket(socket);
            }
        }
        self.show_paused(false);
    }

    /// Whether [`Engine::pause`] was called, and not [`Engine::resume`] after it.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Stops listening for one proxy of the plan in service.
    pub fn stop_listening(&mut self, id: ProxyId) {
        let plan = self.plan();
        for listener in &plan.proxy(id).listeners {
            self.unlisten(&ListenerKey::of(listener));
        }
    }

    /// Listens again after [`Engine::pause`].
    ///
    /// # Errors
    /// The first socket that cannot be opened.
    pub fn resume(&mut self) -> Result<(), EngineError> {
        if self.draining {
            return Ok(());
        }
        let plan = self.plan();
        let missing: Vec<ListenerKey> = listening::wanted(&plan)
            .into_iter()
            .filter(|(_, (id, _))| !self.is_closed(ProxyId(*id as u32)))
            .map(|(key, _)| key)
            .filter(|key| !self.listening.contains_key(key))
            .collect();
        let opened = self.opener.open(&plan, &missing, self.workers.len())?;
        self.hand_out(&plan, opened);
        self.unpause();
        Ok(())
    }

    /// Whether an administrator has closed a frontend of the plan in service.
    fn is_closed(&self, id: ProxyId) -> bool {
        let generation = self.shared.current.load();
        let stopped = &generation.handles(id).frontend.stopped;
        self.disabled.contains(&generation.proxy(id).name) || stopped.load(Ordering::Relaxed)
    }

    /// A new plan opens what was shut down, and forgets what it does not have.
    fn note_reopened(&mut self, plan: &Plan) {
        self.disabled
            .retain(|name| plan.proxies.iter().any(|proxy| proxy.name == *name));
        for handles in self.shared.current.load().all_handles() {
            handles.frontend.stopped.store(false, Ordering::Relaxed);
        }
    }

    /// Closes a frontend of the plan in service, or opens it again. A frontend that is disabled
    /// stays so over reloads, by its name.
    ///
    /// # Errors
    /// The first socket that cannot be opened; it stays closed then.
    pub fn order_frontend(&mut self, id: ProxyId, order: FrontendOrder) -> Result<(), EngineError> {
        let generation = self.shared.current.load_full();
        let frontend = &generation.handles(id).frontend;
        let proxy = generation.proxy(id);
        match order {
            FrontendOrder::Disable => {
                self.stop_listening(id);
                self.disabled.insert(proxy.name.clone());
                frontend.paused.store(true, Ordering::Relaxed);
            }
            FrontendOrder::Shutdown => {
                let keys = proxy.listeners.iter().map(ListenerKey::of);
                let keys: Vec<ListenerKey> = keys.collect();
                self.stop_listening(id);
                self.opener.remove(&keys);
                frontend.stopped.store(true, Ordering::Relaxed);
            }
            FrontendOrder::Enable => {
                let plan = &generation.plan;
                if !self.paused && !self.draining {
                    let keys: Vec<ListenerKey> = listening::wanted(plan)
                        .into_iter()
                        .filter(|(_, (owner, _))| *owner == id.0 as usize)
                        .map(|(key, _)| key)
                        .filter(|key| !self.listening.contains_key(key))
                        .collect();
                    let opened = self.opener.open(plan, &keys, self.workers.len())?;
                    self.hand_out(plan, opened);
                }
                self.disabled.remove(&proxy.name);
                frontend.paused.store(self.paused, Ordering::Relaxed);
            }
        }
        Ok(())
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
