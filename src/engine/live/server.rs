//! What lives of a server.

mod due;
mod place;
mod shown;

pub(crate) use due::Due;
pub(crate) use place::{Place, Whereabouts};
pub(crate) use shown::Particulars;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Adjustable, Backend, Counters, Peak};
use crate::check::{self, Report};
use crate::log::Cause;
use crate::plan::{self, ServerCheck};
use place::{Moved, place};

/// A server across plans.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its name.
    pub(crate) name: String,
    /// What the plan in service says of it.
    settings: ArcSwap<plan::Server>,
    /// Its place in that plan.
    index: AtomicU32,
    /// Sessions that hold a slot on it.
    pub(super) sessions: AtomicU32,
    /// `maxconn`.
    pub(crate) maxconn: Adjustable,
    /// What an administrator has changed of where it is.
    moved: Mutex<Moved>,
    /// How often it has moved.
    moves: AtomicU32,
    checks_paused: AtomicBool,
    agent_paused: AtomicBool,
    /// Most sessions at once.
    pub(crate) peak: Peak,
    /// Requests that wait for it alone.
    pub(super) waiting: AtomicU32,
    /// Most requests that have waited for it.
    pub(crate) queue_peak: Peak,
    /// What is counted of it.
    pub(crate) counters: Counters,
    /// Health and administration allow its use.
    running: AtomicBool,
    /// It takes new clients, as of the last look.
    welcoming: AtomicBool,
    /// Its traffic is looked at (`observe`).
    observed: AtomicBool,
    /// Errors in a row that its traffic has shown (`observe`).
    errors: AtomicU32,
    /// What is known of its health. Never locked while the state of a backend is taken.
    pub(super) record: Mutex<Record>,
    /// Servers that take their state from this one.
    pub(super) followers: Mutex<Vec<(Weak<Backend>, Weak<Self>)>>,
    /// For how long its sessions may go on.
    life: Mutex<Arc<Life>>,
    /// When its next check is due.
    pub(crate) next_check: Due,
    /// When its agent is asked next.
    pub(crate) next_question: Due,
}

/// For how long the sessions of a server may go on.
#[derive(Debug, Default)]
struct Life {
    ended: CancellationToken,
    cause: OnceLock<Cause>,
}

impl Life {
    /// Waits for the end, and says why it came.
    async fn end(self: Arc<Self>) -> Cause {
        self.ended.cancelled().await;
        self.cause.get().copied().unwrap_or(Cause::Down)
    }
}

/// The health of a server, and who has a say in it.
#[derive(Debug)]
pub(super) struct Record {
    /// What its checks say.
    pub(super) health: check::Health,
    /// Whether it is checked, by itself or as the one that it tracks.
    pub(super) checked: bool,
    /// It has been taken out by an administrator, or by the file.
    pub(super) maintenance: bool,
    /// It was down already when it was taken out.
    pub(super) was_down: bool,
    /// It gets no new clients, as an administrator wants it.
    pub(super) drain: bool,
    /// What its agent says: up, or not.
    pub(super) agent: check::Health,
    /// What has come of asking its agent last.
    pub(super) agent_report: Report,
    /// It is being asked.
    asking_agent: bool,
    /// What the file said last: `disabled`.
    disabled: bool,
    /// The weight that it has now.
    pub(super) weight: u32,
    /// The weight that is shown during maintenance: 1.8 shows a new one only after it.
    pub(super) weight_before: Option<u32>,
    /// The weight that the file gives.
    initial_weight: u32,
    /// The server whose state it takes, with the name of its backend.
    pub(super) follows: Option<(String, Arc<Server>)>,
    /// The last check that is over.
    pub(super) report: Report,
    /// One is under way.
    checking: bool,
    pub(super) failed_checks: u64,
    pub(super) failed_responses: u64,
    pub(super) times_down: u64,
    /// When it last came up or went down.
    pub(super) changed: Instant,
    down_time: Duration,
    /// It is warming up: since `changed`, for that many seconds.
    pub(super) slowstart: u64,
}

impl Record {
    /// The health that its checks have found, its own or those of the server that it tracks.
    fn checked_health(&self) -> check::Health {
        match &self.follows {
            Some((_, followed)) => followed.checked_health(),
            None => self.health,
        }
    }

    /// Whether health and administration allow its use, as far as this server itself decides.
    pub(super) fn is_up_itself(&self) -> bool {
        !self.maintenance && self.agent.is_up() && self.health.is_up()
    }

    /// Notes that it has come up or gone down.
    pub(super) fn note_change(&mut self, up: bool, now: Instant) {
        if up {
            self.down_time += now.saturating_duration_since(self.changed);
        } else {
            self.times_down += 1;
        }
        self.changed = now;
    }
}

fn is_observed(server: &plan::Server) -> bool {
    server.traffic_check.is_some() && server.check.is_some()
}

impl Server {
    pub(super) fn new(server: &plan::Server, workers: usize) -> Self {
        let (rise, fall) = limits(server);
        Self {
            name: server.name.clone(),
            settings: ArcSwap::from_pointee(server.clone()),
            index: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            maxconn: Adjustable::default(),
            moved: Mutex::default(),
            moves: AtomicU32::new(0),
            checks_paused: AtomicBool::new(false),
            agent_paused: AtomicBool::new(false),
            peak: Peak::default(),
            waiting: AtomicU32::new(0),
            queue_peak: Peak::default(),
            counters: Counters::new(workers),
            running: AtomicBool::new(!server.disabled),
            welcoming: AtomicBool::new(!server.disabled),
            observed: AtomicBool::new(is_observed(server)),
            errors: AtomicU32::new(0),
            record: Mutex::new(Record {
                health: check::Health::new(rise, fall),
                checked: server.check.is_some(),
                maintenance: server.disabled,
                was_down: false,
                drain: false,
                agent: check::Health::new(1, 1),
                agent_report: Report::default(),
                asking_agent: false,
                disabled: server.disabled,
                weight: server.weight.into(),
                weight_before: None,
                initial_weight: server.weight.into(),
                follows: None,
                report: Report::default(),
                checking: false,
                failed_checks: 0,
                failed_responses: 0,
                times_down: 0,
                changed: Instant::now(),
                down_time: Duration::ZERO,
                slowstart: 0,
            }),
            followers: Mutex::default(),
            life: Mutex::default(),
            next_check: Due::default(),
            next_question: Due::default(),
        }
    }

    /// Lets its checks rest, or go on. Answers whether that is news.
    pub(crate) fn pause_checks(&self, pause: bool) -> bool {
        self.checks_paused.swap(pause, Ordering::Relaxed) != pause
    }

    /// Whether its checks rest.
    pub(crate) fn checks_are_paused(&self) -> bool {
        self.checks_paused.load(Ordering::Relaxed)
    }

    /// The same for its agent.
    pub(crate) fn pause_agent(&self, pause: bool) -> bool {
        self.agent_paused.swap(pause, Ordering::Relaxed) != pause
    }

    /// Whether its agent is left alone.
    pub(crate) fn agent_is_paused(&self) -> bool {
        self.agent_paused.load(Ordering::Relaxed)
    }

    /// Whether its agent has a say.
    pub(crate) fn asks_agent(&self) -> bool {
        self.settings().agent.is_some() && !self.agent_is_paused()
    }

    /// Sessions that hold a slot on it.
    pub(crate) fn sessions(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Requests that wait for it alone.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// What the plan in service says of it.
    pub(crate) fn settings(&self) -> arc_swap::Guard<Arc<plan::Server>> {
        self.settings.load()
    }

    /// Whether its traffic is looked at: `observe`, on a server that is checked.
    pub(super) fn is_observed(&self) -> bool {
        self.observed.load(Ordering::Relaxed)
    }

    /// Its place among the servers of the plan in service, unless that has it no more.
    pub(super) fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed) as usize
    }

    /// Takes over what a new plan says. Only a change of the file changes the state: what happened
    /// since the start stays, and so does the verdict of its checks.
    pub(super) fn configure(&self, server: &plan::Server, index: usize) {
        self.index.store(index as u32, Ordering::Relaxed);
        let settings = Arc::new(self.moved.lock().apply(server));
        let old = self.settings.swap(Arc::clone(&settings));
        self.observed
            .store(is_observed(&settings), Ordering::Relaxed);
        let mut record = self.record.lock();
        if std::mem::replace(&mut record.disabled, server.disabled) != server.disabled {
            record.maintenance = server.disabled;
        }
        let weight = u32::from(server.weight);
        if std::mem::replace(&mut record.initial_weight, weight) != weight {
            record.weight = weight;
        }
        let (rise, fall) = limits(server);
        record.health.set_limits(rise, fall);
        record.checked = server.check.is_some();
        if server.agent.is_none() {
            record.agent.fill();
        }
        if server.check.is_none() && server.track.is_none() && old.check.is_some() {
            // Nobody will ever say again that it is up.
            record.health = check::Health::new(rise, fall);
        }
        drop(record);
        let moves = place(&old) != place(&settings);
        if moves {
            self.note_move();
        }
        if moves || old.check != settings.check {
            self.next_check.hurry(Instant::now());
        }
        self.refresh();
    }

    /// Forgets whom it tracks, and by whom it is tracked.
    pub(crate) fn unlink(&self) {
        self.record.lock().follows = None;
        self.followers.lock().clear();
        self.refresh();
    }

    /// Takes its state from another server from now on.
    pub(crate) fn follow(
        self: &Arc<Self>,
        backend: &str,
        followed: &Arc<Self>,
        own: &Arc<Backend>,
    ) {
        let mut record = self.record.lock();
        record.checked = true;
        record.follows = Some((backend.to_owned(), Arc::clone(followed)));
        drop(record);
        let link = (Arc::downgrade(own), Arc::downgrade(self));
        followed.followers.lock().push(link);
        self.refresh();
    }

    /// Whether it takes its state from that server, at whatever distance: who would then track it
    /// would track itself.
    pub(crate) fn comes_from(&self, server: &Arc<Self>) -> bool {
        if std::ptr::eq(self, &**server) {
            return true;
        }
        let followed = self.record.lock().follows.clone();
        followed.is_some_and(|(_, followed)| followed.comes_from(server))
    }

    /// Whether health and administration allow its use.
    pub(crate) fn is_up(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// Whether it takes new clients: it is up, and neither its checks nor an administrator say that
    /// it gets none.
    pub(super) fn takes_clients(&self) -> bool {
        let record = self.record.lock();
        let stopping = match &record.follows {
            Some((_, followed)) => followed.record.lock().health.stopping,
            None => record.health.stopping,
        };
        self.is_up() && !stopping && !record.drain
    }

    /// Looks again at everything that has a say. Answers whether it was up, and is.
    pub(super) fn refresh(&self) -> (bool, bool) {
        let record = self.record.lock();
        let up = match &record.follows {
            Some((_, followed)) => !record.maintenance && followed.is_up(),
            None => record.is_up_itself(),
        };
        drop(record);
        let was_up = self.running.swap(up, Ordering::Relaxed);
        self.welcoming
            .store(self.takes_clients(), Ordering::Relaxed);
        (was_up, up)
    }

    /// Whether it was in use and got new clients when somebody looked last.
    pub(super) fn took_clients(&self) -> bool {
        self.welcoming.load(Ordering::Relaxed)
    }

    /// Notes whether it is up, for somebody who will look again.
    pub(super) fn set_up(&self, up: bool) {
        self.running.store(up, Ordering::Relaxed);
    }

    /// Ends its sessions, because it went down or because another one came up.
    pub(super) fn end_sessions(&self, cause: Cause) {
        let mut life = self.life.lock();
        let old = std::mem::take(&mut *life);
        drop(life);
        let _ = old.cause.set(cause);
        old.ended.cancel();
    }

    /// What is ready, with the cause, when a session that it has now is to end; `None` when that
    /// can never be.
    pub(crate) fn life(&self) -> Option<Pin<Box<dyn Future<Output = Cause>>>> {
        let settings = self.settings();
        if !settings.shutdown_sessions && !settings.backup {
            return None;
        }
        let life = Arc::clone(&self.life.lock());
        Some(Box::pin(life.end()))
    }

    /// Whether it is in maintenance.
    pub(crate) fn is_in_maintenance(&self) -> bool {
        self.record.lock().maintenance
    }

    /// Whether an administrator lets it get no new clients.
    pub(crate) fn is_drained(&self) -> bool {
        self.record.lock().drain
    }

    /// Notes during maintenance whether it is to be drained afterwards.
    pub(crate) fn drain_later(&self, drained: bool) {
        self.record.lock().drain = drained;
    }

    /// Whether its health is its own: it does not track another server.
    pub(crate) fn is_checked(&self) -> bool {
        self.record.lock().follows.is_none()
    }

    /// The weight that it has now, and the one that the file gives.
    pub(crate) fn weights(&self) -> (u32, u32) {
        let record = self.record.lock();
        (record.weight, record.initial_weight)
    }

    /// Forgets the highest values; with `all`, everything that was counted.
    pub(crate) fn clear(&self, all: bool) {
        self.counters.clear(all);
        self.peak.clear();
        self.queue_peak.clear();
        if all {
            let mut record = self.record.lock();
            record.failed_checks = 0;
            record.failed_responses = 0;
            record.times_down = 0;
        }
    }

    /// Counts an error of its traffic. Answers how many there were in a row.
    pub(super) fn count_error(&self) -> u32 {
        self.errors.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Forgets the errors of its traffic.
    pub(super) fn forget_errors(&self) {
        if self.errors.load(Ordering::Relaxed) != 0 {
            self.errors.store(0, Ordering::Relaxed);
        }
    }

    /// A check begins.
    pub(crate) fn begin_check(&self) {
        self.record.lock().checking = true;
    }

    /// The check that was under way is over, or given up.
    pub(crate) fn end_check(&self) {
        self.record.lock().checking = false;
    }

    /// Its agent is asked.
    pub(crate) fn begin_question(&self) {
        let mut record = self.record.lock();
        record.asking_agent = true;
        record.agent_report.said.clear();
    }

    /// What has come of asking it last.
    pub(crate) fn agent_status(&self) -> check::Status {
        self.record.lock().agent_report.status
    }

    /// Shows what has come of asking it, before that is over.
    pub(crate) fn note_agent(&self, report: Report) {
        self.record.lock().agent_report = report;
    }

    /// It has answered, or nobody waits for that any more.
    pub(crate) fn end_question(&self) {
        self.record.lock().asking_agent = false;
    }

    /// The health that its checks have found, its own or those of the server that it tracks.
    pub(crate) fn checked_health(&self) -> check::Health {
        self.record.lock().checked_health()
    }

    /// Whether it, or the server that it tracks, is in maintenance.
    fn is_out(&self) -> bool {
        let record = self.record.lock();
        record.maintenance
            || record
                .follows
                .as_ref()
                .is_some_and(|(_, followed)| followed.is_out())
    }
}

/// `rise` and `fall`; of a server that is not checked what they are when nothing is said.
fn limits(server: &plan::Server) -> (u32, u32) {
    let default = ServerCheck::default();
    let check = server.check.as_ref().unwrap_or(&default);
    (check.rise, check.fall)
}
