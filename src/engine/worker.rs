//! One thread with one runtime. The only module that builds runtimes.
//!
//! Workers share nothing on the request path but the counters and turns of [`super::live`]. Each
//! has its own listening sockets, which the kernel spreads connections over.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::accept;
use super::buffer::{Pool, PoolUse};
use super::control::{Control, Reloads};
use super::generation::Generation;
use super::idle::Idle;
use super::listening::ListenerKey;
use super::live::{Gate, Registry, second};
use super::poller;
use super::roster::{Card, Roster, Whom};
use super::runner;
use super::spare::Spares;
use super::splice::{Pipe, Pipes};
use super::syslog;
use super::trace::Trace;
use super::transaction::Transaction;
use crate::admin::clients::Clients;
use crate::stats::SessionReport;

/// What the control thread tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept from this socket. There may be several of one key.
    Listen(ListenerKey, Arc<OwnedFd>),
    /// Close the sockets of that key.
    Unlisten(ListenerKey),
    /// Look at the new generation now, even when idle.
    Refresh,
    /// End the sessions of that generation and of those before it.
    Cut(u64),
    /// Say that the thread runs.
    Beat,
    /// Tell how many buffers there are.
    Memory(std::sync::mpsc::Sender<PoolUse>),
    /// Close all sockets; the thread ends with its last session.
    Drain,
    /// End now.
    Stop,
    /// Tell about the sessions.
    Report(UnboundedSender<Vec<SessionReport>>),
    /// End some sessions, and tell how many.
    End(Whom, UnboundedSender<usize>),
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The plan in service.
    pub(crate) current: Arc<ArcSwap<Generation>>,
    /// Live state by name.
    pub(crate) registry: Registry,
    /// Clients of the statistics sockets.
    pub(crate) cli: Arc<Gate>,
    /// The same, one by one.
    pub(crate) clients: Arc<Clients>,
    /// The way to the control thread.
    pub(crate) control: Control,
    /// What is known about reloads.
    pub(crate) reloads: Reloads,
    /// Debug mode.
    pub(crate) trace: Option<Trace>,
    /// Where the workers take their orders.
    pub(crate) orders: OnceLock<Vec<UnboundedSender<Command>>>,
}

impl Shared {
    /// Gives every worker an order.
    pub(crate) fn tell_workers(&self, order: impl Fn() -> Command) {
        for worker in self.orders.get().into_iter().flatten() {
            // A worker that has ended has no sessions.
            let _ = worker.send(order());
        }
    }
}

/// The context of every session of one thread.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Which of them, from 0 on: where it counts.
    pub(crate) index: usize,
    /// What all workers share.
    pub(crate) shared: Arc<Shared>,
    /// Buffers.
    pub(crate) pool: Rc<Pool>,
    /// Pipes for bodies that are spliced.
    pub(crate) pipes: Pipes,
    /// Sockets to be connected again.
    pub(crate) spares: Spares,
    /// Server connections that any client may use.
    pub(crate) idle: Idle,
    /// The sessions.
    pub(crate) roster: Roster,
    /// Log sockets.
    pub(crate) log: syslog::Sender,
    /// Connections that are accepted and may not begin yet.
    pub(crate) held: Cell<usize>,
    /// Whether the thread takes no new connections any more.
    pub(crate) draining: Cell<bool>,
    now: Cell<Instant>,
    /// The round of the poller in which the clock was read.
    round: Cell<Option<u64>>,
    /// The second that this time lies in, and when the next one begins.
    second: Cell<(u64, Instant)>,
    sessions: Cell<u64>,
    generation: RefCell<Cache<Arc<ArcSwap<Generation>>, Arc<Generation>>>,
    #[allow(
        clippy::vec_box,
        reason = "they move between here and sessions, at a kilobyte each"
    )]
    transactions: RefCell<Vec<Box<Transaction>>>,
}

pin_project_lite::pin_project! {
    /// A session that reads the clock whenever it is woken.
    struct Ticking<F> {
        worker: Rc<Worker>,
        card: Rc<Card>,
        place: usize,
        #[pin]
        session: F,
    }

    impl<F> PinnedDrop for Ticking<F> {
        fn drop(this: Pin<&mut Self>) {
            this.worker.roster.remove(this.place);
        }
    }
}

impl<F: Future<Output = ()>> Future for Ticking<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.worker.wake_up();
        this.card.woken();
        this.session.poll(cx)
    }
}

/// Transactions that are kept for the next request.
const KEPT_TRANSACTIONS: usize = 256;

impl Worker {
    fn new(index: usize, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let bufsize = shared.current.load().plan.global.tune.bufsize as usize;
        Self {
            index,
            pool: Rc::new(Pool::new(bufsize)),
            pipes: Pipes::new(Arc::clone(&shared.registry.pipes)),
            spares: Spares::default(),
            idle: Idle::default(),
            roster: Roster::default(),
            log: syslog::Sender::default(),
            held: Cell::new(0),
            draining: Cell::new(false),
            now: Cell::new(now),
            round: Cell::new(None),
            second: Cell::new(second(now)),
            sessions: Cell::new(0),
            generation: RefCell::new(Cache::new(Arc::clone(&shared.current))),
            transactions: RefCell::default(),
            shared,
        }
    }

    /// A number for a session, unique in the process.
    pub(crate) fn number_session(&self) -> u64 {
        let n = self.sessions.get();
        self.sessions.set(n + 1);
        n * self.shared.registry.counting() as u64 + self.index as u64
    }

    /// The plan in service now.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        Arc::clone(self.generation.borrow_mut().load())
    }

    /// A pipe, unless `maxpipes` are in use.
    pub(crate) fn take_pipe(&self) -> Option<Pipe> {
        let generation = self.generation();
        let global = &generation.plan.global;
        self.pipes.take(match global.maxpipes {
            0 => global.maxconn / 4,
            limit => limit,
        })
    }

    /// A transaction, blank.
    pub(crate) fn take_transaction(&self) -> Box<Transaction> {
        self.transactions.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a transaction's allocations for the next request.
    pub(crate) fn give_transaction(&self, mut transaction: Box<Transaction>) {
        let mut kept = self.transactions.borrow_mut();
        if kept.len() < KEPT_TRANSACTIONS {
            transaction.reset(self);
            kept.push(transaction);
        }
    }

    /// Starts a session on this thread.
    pub(crate) fn spawn(
        self: &Rc<Self>,
        card: Rc<Card>,
        session: impl Future<Output = ()> + 'static,
    ) {
        let ticking = Ticking {
            worker: Rc::clone(self),
            place: self.roster.add(Rc::clone(&card)),
            card: Rc::clone(&card),
            session,
        };
        card.served_by(runner::spawn(ticking));
    }

    /// Closes what is only kept to save work: descriptors have run out.
    pub(crate) fn spare_descriptors(&self) {
        self.spares.clear();
        self.idle.clear();
    }

    /// Begins a wake-up. All of a crowded round have the same time, as in HAProxy.
    fn wake_up(&self) {
        let round = poller::round();
        if round.is_none() || round != self.round.replace(round) {
            self.look_at_clock();
        }
    }

    /// Reads the clock, at the start of a wake-up or where something begins outside of one.
    pub(crate) fn look_at_clock(&self) -> Instant {
        let now = Instant::now();
        self.now.set(now);
        if now >= self.second.get().1 {
            self.second.set(second(now));
        }
        now
    }

    /// The second of this wake-up, for what is counted per second.
    pub(crate) fn second(&self) -> u64 {
        self.second.get().0
    }

    /// The time of this wake-up: the clock is read once for all that a session does in one go.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }
}

/// The control thread's end of a worker.
#[derive(Debug)]
pub(crate) struct Handle {
    commands: UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
    /// How often it was asked whether it runs.
    asked: u64,
    /// How often it has said so.
    beats: Arc<AtomicU64>,
}

impl Handle {
    /// Starts a worker thread.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be created.
    pub(crate) fn start(index: usize, shared: Arc<Shared>) -> io::Result<Self> {
        let (commands, orders) = unbounded_channel();
        let beats = Arc::new(AtomicU64::new(0));
        let heart = Arc::clone(&beats);
        // Built here only to know that it can be; it must live on its thread.
        drop(bare_runtime()?);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || match bare_runtime() {
                // What a worker runs is all one task to the runtime, which would have that pause.
                Ok(runtime) => runtime.block_on(tokio::task::unconstrained(async {
                    serve(index, shared, orders, heart);
                })),
                Err(error) => tracing::error!(%error, "worker {index} has no runtime"),
            })?;
        Ok(Self {
            commands,
            thread: Some(thread),
            asked: 0,
            beats,
        })
    }

    /// Whether the thread has answered since it was asked last; asks again.
    pub(crate) fn is_well(&mut self) -> bool {
        let well = self.beats.load(Ordering::Relaxed) == self.asked;
        if well {
            self.asked += 1;
            self.send(Command::Beat);
        }
        well || self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Sends an order. A worker that has ended needs none.
    pub(crate) fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Where it takes its orders.
    pub(crate) fn orders(&self) -> UnboundedSender<Command> {
        self.commands.clone()
    }

    /// The thread, to be waited for; once.
    pub(crate) fn take_thread(&mut self) -> Option<JoinHandle<()>> {
        self.thread.take()
    }
}

/// A thread beside the workers, for what is no traffic: statistics sockets, health checks.
#[derive(Debug)]
pub(crate) struct Aside {
    jobs: UnboundedSender<Job>,
}

/// Starts something on the thread, by `tokio::task::spawn_local`.
type Job = Box<dyn FnOnce() + Send>;

impl Aside {
    /// Starts the thread. It ends when this is dropped.
    ///
    /// # Errors
    /// When the thread cannot be created.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, mut orders) = unbounded_channel::<Job>();
        std::thread::Builder::new()
            .name("aside".into())
            .spawn(move || match runtime() {
                Ok(runtime) => runtime.block_on(async {
                    if !watch_sockets() {
                        return;
                    }
                    while let Some(job) = orders.recv().await {
                        job();
                    }
                }),
                Err(error) => tracing::error!(%error, "no runtime beside the workers"),
            })?;
        Ok(Self { jobs })
    }

    /// Runs a future there, to its end or until the token is cancelled.
    pub(crate) fn spawn<F>(
        &self,
        stop: CancellationToken,
        make: impl FnOnce() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + 'static,
    {
        let job: Job = Box::new(move || {
            tokio::task::spawn_local(async move {
                stop.run_until_cancelled_owned(make()).await;
            });
        });
        // The thread ends only when nobody holds the other end.
        let _ = self.jobs.send(job);
    }
}

/// The runtime of a thread whose sockets are watched by [`poller`].
fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(LocalOptions::default())
}

/// The runtime of a worker. It has neither timers nor sockets, and runs no tasks: the worker does that
/// itself (see [`runner`]). It is there for what would make the worker wait.
fn bare_runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        // For hashes of passwords.
        .max_blocking_threads(2)
        .build_local(LocalOptions::default())
}

/// Makes the poller of this thread and sets it going as a task of the runtime. `false` when that cannot
/// be.
fn watch_sockets() -> bool {
    if let Err(error) = poller::install() {
        tracing::error!(%error, "a thread has no poller");
        return false;
    }
    tokio::task::spawn_local(async {
        if let Err(error) = poller::drive().await {
            tracing::error!(%error, "the poller of a thread has failed");
        }
    });
    true
}

/// Does what a worker does, to its end.
fn serve(
    index: usize,
    shared: Arc<Shared>,
    orders: UnboundedReceiver<Command>,
    heart: Arc<AtomicU64>,
) {
    let over = Rc::new(Cell::new(false));
    let ends = Rc::clone(&over);
    let done = poller::install().and_then(|()| {
        runner::install()?;
        runner::spawn(async move {
            run(index, shared, orders, &heart).await;
            ends.set(true);
        });
        poller::run(&over)
    });
    if let Err(error) = done {
        tracing::error!(%error, "the poller of a worker has failed");
    }
    runner::clear();
}

async fn run(
    index: usize,
    shared: Arc<Shared>,
    mut orders: UnboundedReceiver<Command>,
    heart: &AtomicU64,
) {
    let worker = Rc::new(Worker::new(index, shared));
    let mut listeners: HashMap<ListenerKey, Vec<CancellationToken>> = HashMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Command::Listen(key, fd) => {
                let stop = CancellationToken::new();
                let accept = accept::run(Rc::clone(&worker), key.clone(), fd);
                let stopped = stop.clone();
                runner::spawn(async move {
                    // The socket is closed when the accepting future is dropped.
                    stopped.run_until_cancelled(accept).await;
                });
                listeners.entry(key).or_default().push(stop);
            }
            Command::Unlisten(key) => {
                for stop in listeners.remove(&key).into_iter().flatten() {
                    stop.cancel();
                }
            }
            Command::Refresh => drop(worker.generation()),
            Command::Cut(generation) => worker.roster.cut(generation),
            Command::Beat => beat(heart),
            Command::Memory(reply) => tell_memory(&worker, &reply),
            Command::Drain => {
                worker.draining.set(true);
                for stop in listeners.drain().flat_map(|(_, stops)| stops) {
                    stop.cancel();
                }
                tokio::select! {
                    () = worker.roster.emptied() => return,
                    () = stop_order(&worker, &mut orders, heart) => return,
                }
            }
            Command::Stop => return,
            Command::Report(reply) => tell(&reply, worker.roster.report()),
            Command::End(whom, reply) => tell(&reply, worker.roster.end(&whom)),
        }
    }
}

/// Whoever asked may have gone.
fn tell<T>(reply: &UnboundedSender<T>, what: T) {
    let _ = reply.send(what);
}

fn beat(heart: &AtomicU64) {
    heart.fetch_add(1, Ordering::Relaxed);
}

fn tell_memory(worker: &Worker, reply: &std::sync::mpsc::Sender<PoolUse>) {
    // Whoever asked may have given up.
    let _ = reply.send(worker.pool.usage());
}

/// Waits for [`Command::Stop`] while the last sessions end.
async fn stop_order(worker: &Worker, orders: &mut UnboundedReceiver<Command>, heart: &AtomicU64) {
    while let Some(order) = orders.recv().await {
        match order {
            Command::Stop => return,
            Command::Cut(generation) => worker.roster.cut(generation),
            Command::Beat => beat(heart),
            Command::Memory(reply) => tell_memory(worker, &reply),
            Command::Report(reply) => tell(&reply, worker.roster.report()),
            Command::End(whom, reply) => tell(&reply, worker.roster.end(&whom)),
            _ => {}
        }
    }
}
