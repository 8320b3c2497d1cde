//! Runs a plan: accepts, forwards, answers, logs, and swaps the plan while traffic flows.
//!
//! [`Engine`] belongs to the control thread. It opens listening sockets and starts [`worker`]
//! threads; each worker [`accept`]s connections and runs a [`session`] for each, which for HTTP is a
//! loop of [`transaction`]s. [`generation`] is one plan in service, [`live`] what outlives it,
//! [`reload`] what changes between two.

mod accept;
mod accounting;
mod buffer;
mod capture;
mod connect;
mod deadline;
mod exchange;
pub(crate) mod generation;
pub(crate) mod live;
mod poller;
mod reload;
pub(crate) mod roster;
mod session;
pub mod signals;
mod socket;
pub(crate) mod statistics;
mod syslog;
mod transaction;
pub(crate) mod worker;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, SocketError};
use crate::plan::{Plan, Severity, StatsSocket};
use generation::Generation;
use live::Registry;
pub use reload::ListenError;
use reload::ListenerKey;
use worker::{Aside, Command, Handle, Shared};

/// Why a plan cannot be put into service.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
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
    /// The statistics sockets, with what closes them.
    sockets: Vec<(StatsSocket, CancellationToken)>,
    listening: Vec<ListenerKey>,
    number: u64,
    draining: bool,
}

/// Listening sockets opened for a plan, before privileges are dropped and threads are started.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: HashMap<ListenerKey, Vec<OwnedFd>>,
    stats: Vec<(StatsSocket, UnixListener)>,
    workers: usize,
}

impl Listeners {
    /// Opens and binds everything that a plan listens on.
    ///
    /// # Errors
    /// The first socket that cannot be opened; none is left open then.
    pub fn open(plan: &Plan) -> Result<Self, EngineError> {
        let workers = worker_count(plan);
        let mut sockets = HashMap::new();
        for proxy in plan.proxies.iter().filter(|proxy| !proxy.disabled) {
            for listener in &proxy.listeners {
                let opened = reload::open(proxy, listener, workers)?;
                sockets.insert(ListenerKey::of(listener), opened);
            }
        }
        let mut stats = Vec::new();
        for socket in &plan.global.stats_sockets {
            stats.push((socket.clone(), admin::socket::open(socket)?));
        }
        Ok(Self {
            sockets,
            stats,
            workers,
        })
    }

    /// Whether there is nothing to listen on.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

/// `nbthread` or `nbproc` when given, otherwise one for every usable core.
fn worker_count(plan: &Plan) -> usize {
    plan.global.workers.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |workers| usize::from(workers).max(1),
    )
}

impl Engine {
    /// Puts a plan into service on sockets that were opened for it.
    ///
    /// # Errors
    /// When a regular expression cannot be compiled or a thread cannot be started.
    pub fn start(plan: Plan, listeners: Listeners) -> Result<Self, EngineError> {
        let registry = Registry::new(listeners.workers);
        let first = Generation::new(Arc::new(plan), &registry)?;
        let shared = Arc::new(Shared {
            current: Arc::new(ArcSwap::from_pointee(first)),
            registry,
            cli: Arc::default(),
            clients: Arc::default(),
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
            listening: Vec::new(),
            number: 1,
            draining: false,
        };
        engine.hand_out(listeners.sockets);
        for (socket, listener) in listeners.stats {
            engine.serve_socket(socket, listener);
        }
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
        let wanted: HashMap<ListenerKey, (usize, usize)> = plan
            .proxies
            .iter()
            .enumerate()
            .filter(|(_, proxy)| !proxy.disabled)
            .flat_map(|(id, proxy)| {
                proxy
                    .listeners
                    .iter()
                    .enumerate()
                    .map(move |(index, listener)| (ListenerKey::of(listener), (id, index)))
            })
            .collect();
        let change = reload::compare(&self.listening, wanted.keys());
        let mut opened = HashMap::new();
        for key in &change.open {
            let Some((id, index)) = wanted.get(key) else {
                continue;
            };
            let proxy = &plan.proxies[*id];
            let sockets = reload::open(proxy, &proxy.listeners[*index], self.workers.len())?;
            opened.insert(key.clone(), sockets);
        }
        let mut stats = Vec::new();
        for socket in &plan.global.stats_sockets {
            if !self.sockets.iter().any(|(present, _)| present == socket) {
                stats.push((socket.clone(), admin::socket::open(socket)?));
            }
        }
        let next = Generation::new(Arc::clone(&plan), &self.shared.registry)?;

        self.number += 1;
        let old = self.shared.current.swap(Arc::new(next));
        old.retire();
        drop(old);
        let applied = Applied {
            generation: self.number,
            opened: change.open.len(),
            closed: change.close.len(),
        };
        self.listening.retain(|key| !change.close.contains(key));
        for worker in &self.workers {
            for key in &change.close {
                worker.send(Command::Unlisten(key.clone()));
            }
            worker.send(Command::Refresh);
        }
        self.hand_out(opened);
        self.sockets.retain(|(socket, stop)| {
            let kept = plan.global.stats_sockets.contains(socket);
            if !kept {
                stop.cancel();
            }
            kept
        });
        for (socket, listener) in stats {
            self.serve_socket(socket, listener);
        }
        self.shared.registry.forget_unused();
        Ok(applied)
    }

    fn serve_socket(&mut self, socket: StatsSocket, listener: UnixListener) {
        let stop = CancellationToken::new();
        let shared = Arc::clone(&self.shared);
        let served = socket.clone();
        self.aside.spawn(stop.clone(), move || {
            admin::socket::serve(shared, listener, served)
        });
        self.sockets.push((socket, stop));
    }

    fn hand_out(&mut self, sockets: HashMap<ListenerKey, Vec<OwnedFd>>) {
        for (key, sockets) in sockets {
            for (worker, socket) in self.workers.iter().zip(sockets) {
                worker.send(Command::Listen(key.clone(), socket));
            }
            self.listening.push(key);
        }
    }

    /// The plan in service.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.shared.current.load().plan)
    }

    /// Client connections at this moment.
    pub fn connections(&self) -> u32 {
        self.shared.registry.process.now()
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
        for (_, stop) in self.sockets.drain(..) {
            stop.cancel();
        }
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
        for key in std::mem::take(&mut self.listening) {
            for worker in &self.workers {
                worker.send(Command::Unlisten(key.clone()));
            }
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
        let generation = self.shared.current.load_full();
        let mut opened = HashMap::new();
        for (key, id, index) in generation.listener_keys() {
            if !self.listening.contains(key) {
                let proxy = generation.proxy(id);
                let sockets = reload::open(proxy, &proxy.listeners[index], self.workers.len())?;
                opened.insert(key.clone(), sockets);
            }
        }
        self.hand_out(opened);
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
