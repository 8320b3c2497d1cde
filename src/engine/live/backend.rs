//! What lives of a backend: its servers, whose turn it is, who is waiting.
//!
//! One short lock guards all of that: choosing a server and taking a slot on it is one step, so that
//! limits and turns are exact across workers. A slot is given back without the lock where nothing
//! depends on how many are taken.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::queue::{Queue, Ticket, Turn, Waiter};
use super::{Counters, Gate, Peak, Server};
use crate::balance::weight::SCALE;
use crate::balance::{Balancer, Candidate};
use haproxy_cfg_grammar::Dialect;

use crate::plan::{self, Balance, HashType, Plan, ProxyId, Way};
use crate::stats::Captured;

/// A backend across plans.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Its sessions.
    pub(crate) sessions: Arc<Gate>,
    /// What is counted of it.
    pub(crate) counters: Counters,
    /// Most requests that have waited for any of its servers.
    pub(crate) queue_peak: Peak,
    /// The last invalid response.
    pub(crate) bad_response: Mutex<Option<Arc<Captured>>>,
    workers: usize,
    servers: Mutex<HashMap<(String, usize), Arc<Server>>>,
    /// What the plan in service says of it.
    pub(super) plan: ArcSwapOption<(Arc<Plan>, ProxyId)>,
    pub(super) state: Mutex<State>,
    /// Something depends on how many slots are taken.
    watched: AtomicBool,
    /// Requests in all of its queues.
    queued: AtomicU32,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    /// Servers in the order of the running plan.
    pub(super) members: Vec<Member>,
    pub(super) balancer: Balancer,
    /// What the balancer was made for.
    rules: Option<(Balance, HashType, bool, bool)>,
    pub(super) queue: Queue,
    /// Numbers those who wait.
    next: u64,
    /// Sessions at which servers get their whole `maxconn`.
    fullconn: u32,
    pub(super) availability: Availability,
}

/// Whether there is a server at all, and since when.
#[derive(Debug)]
pub(super) struct Availability {
    up: bool,
    changed: Instant,
    times_down: u64,
    down_time: Duration,
}

/// A server among those of the backend.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) live: Arc<Server>,
    candidate: Candidate,
    maxconn: u32,
    minconn: u32,
    maxqueue: u32,
    pub(super) slowstart: u64,
    pub(super) queue: Queue,
    /// How many sessions it may have now, in percent of its limit: less while it warms up.
    pub(super) share: u32,
}

impl Member {
    /// How many sessions it may have when the backend has so many; 0 for no limit.
    fn limit(&self, sessions: u32, fullconn: u32) -> u32 {
        let limit = if self.minconn == 0 || sessions >= fullconn {
            self.maxconn
        } else {
            let share = u64::from(sessions) * u64::from(self.maxconn) / u64::from(fullconn);
            self.minconn.max(share as u32)
        };
        if limit == 0 || self.share >= 100 {
            return limit;
        }
        (limit * self.share / 100).max(1)
    }

    /// Whether it can take one more, and nobody waits for it.
    fn has_room(&self, sessions: u32, fullconn: u32) -> bool {
        self.maxconn == 0
            || self.queue.len() == 0 && self.live.sessions() < self.limit(sessions, fullconn)
    }
}

/// Which server is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// This one, or none.
    pub(crate) only: Option<&'a Server>,
    /// This one, when it can be used and has room.
    pub(crate) preferred: Option<&'a Server>,
    /// It stays with that one even when it goes down.
    pub(crate) faithful: bool,
    /// One that just failed: only when there is no other.
    pub(crate) avoid: Option<&'a Server>,
    /// What the request is hashed to, when that decides.
    pub(crate) hash: Option<u32>,
    /// When the request was complete.
    pub(crate) since: Instant,
}

/// The answer to that.
#[derive(Debug)]
pub(crate) enum Choice {
    /// That server, with a slot on it.
    Server(Slot),
    /// All usable servers are full, or the one that is asked for: one waits.
    Wait(Ticket),
    /// Too many wait for that server.
    Full(Arc<Server>),
    /// No server can be used.
    None,
}

/// What the servers of a backend add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InUse {
    /// Active servers that can be used.
    pub(crate) active: u32,
    /// Backup servers that could be.
    pub(crate) backup: u32,
    /// Weight of those that requests go to.
    pub(crate) weight: u32,
}

/// A place on a server, given back when dropped: to the first who waits, else to nobody.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The server.
    pub(crate) server: Arc<Server>,
    backend: Arc<Backend>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.backend.release(&self.server);
    }
}

/// Those whose turn has come, to be told once the lock is free: what they are told may end in the
/// drop of a slot, which takes it.
pub(super) type Woken = Vec<(Waiter, Turn)>;

pub(super) fn wake(woken: Woken) {
    for (waiter, turn) in woken {
        waiter.tell(turn);
    }
}

impl Backend {
    /// A backend of a process with that many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            sessions: Arc::default(),
            counters: Counters::new(workers),
            queue_peak: Peak::default(),
            bad_response: Mutex::default(),
            workers,
            servers: Mutex::default(),
            plan: ArcSwapOption::empty(),
            state: Mutex::new(State {
                members: Vec::new(),
                balancer: Balancer::new(
                    &Balance::RoundRobin,
                    HashType::default(),
                    Vec::new(),
                    false,
                ),
                rules: None,
                queue: Queue::default(),
                next: 0,
                fullconn: 0,
                availability: Availability {
                    up: true,
                    changed: Instant::now(),
                    times_down: 0,
                    down_time: Duration::ZERO,
                },
            }),
            watched: AtomicBool::new(false),
            queued: AtomicU32::new(0),
        }
    }

    /// Takes over the servers of a plan. Servers are known by name, those of one name by their
    /// order; turns go on when servers and weights are what they were.
    pub(crate) fn adopt(self: &Arc<Self>, plan: &Arc<Plan>, id: ProxyId) -> Vec<Arc<Server>> {
        let proxy = plan.proxy(id);
        let live = self.adopt_servers(&proxy.servers);
        self.plan.store(Some(Arc::new((Arc::clone(plan), id))));
        let watched = proxy.balance == Balance::LeastConn
            || proxy.servers.iter().any(|server| server.maxconn != 0);
        let limited = live.iter().any(|server| server.maxconn.get() != 0);
        self.watched.store(watched || limited, Ordering::SeqCst);
        let rules = (
            proxy.balance.clone(),
            proxy.hash_type,
            proxy.options.allbackups,
            proxy.way() == Way::Balanced,
        );

        let mut state = self.state.lock();
        let mut old = std::mem::take(&mut state.members);
        for (server, live) in proxy.servers.iter().zip(&live) {
            let queue = old
                .iter_mut()
                .find(|member| Arc::ptr_eq(&member.live, live))
                .map(|member| std::mem::take(&mut member.queue));
            state.members.push(Member {
                live: Arc::clone(live),
                candidate: Candidate {
                    id: server.numeric_id,
                    weight: server.weight.into(),
                    backup: server.backup,
                },
                maxconn: live.maxconn.configure(server.maxconn),
                minconn: server.minconn,
                maxqueue: server.maxqueue,
                slowstart: seconds(server.slowstart),
                queue: queue.unwrap_or_default(),
                share: 100,
            });
        }
        state.fullconn = super::super::statistics::fullconn(plan, id);
        let first = state.rules.is_none();
        let same = !first
            && state.rules.as_ref() == Some(&rules)
            && old.len() == state.members.len()
            && old.iter().zip(&state.members).all(|(old, new)| {
                Arc::ptr_eq(&old.live, &new.live) && old.candidate == new.candidate
            });
        if !same {
            let candidates = state
                .members
                .iter()
                .map(|member| member.candidate)
                .collect();
            let (balance, hash, all_backups, balances) = &rules;
            state.balancer = if *balances {
                Balancer::new(balance, *hash, candidates, *all_backups)
            } else {
                Balancer::nobody(candidates)
            };
            if plan.dialect == Dialect::V1_4 {
                state.balancer.cap();
            }
            let now = Instant::now();
            let weights: Vec<u32> = (0..state.members.len())
                .map(|index| state.effective(index, now))
                .collect();
            state.balancer.start(&weights);
            for index in 0..state.members.len() {
                let served = state.members[index].live.sessions();
                state.balancer.set_served(index, served);
            }
            state.rules = Some(rules);
        }
        let mut woken: Woken = Vec::new();
        // Who waits for a server that is gone must go elsewhere.
        for member in &mut old {
            for waiter in member.queue.take_all() {
                self.forget_waiter(Some(&member.live));
                woken.push((waiter, Turn::Elsewhere));
            }
        }
        if first {
            // As it starts, so it is: nothing has changed.
            state.availability.up = state.balancer.is_usable() || state.members.is_empty();
        }
        drop(state);
        wake(woken);
        self.refresh_all();
        live
    }

    fn adopt_servers(&self, servers: &[plan::Server]) -> Vec<Arc<Server>> {
        let mut known = self.servers.lock();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut keys = Vec::with_capacity(servers.len());
        let live = servers
            .iter()
            .enumerate()
            .map(|(index, server)| {
                let number = seen.entry(&server.name).or_default();
                let key = (server.name.clone(), *number);
                *number += 1;
                let live = known
                    .entry(key.clone())
                    .or_insert_with(|| Arc::new(Server::new(server, self.workers)));
                live.configure(server, index);
                keys.push(key);
                Arc::clone(live)
            })
            .collect();
        known.retain(|key, server| Arc::strong_count(server) > 1 || keys.contains(key));
        live
    }

    /// Chooses a server and takes a slot on it, or a place in a queue.
    pub(crate) fn choose(self: &Arc<Self>, ask: Ask<'_>) -> Choice {
        let sessions = self.sessions.now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let (members, fullconn) = (&state.members, state.fullconn);
        let member_of = |server: &Server| {
            let index = server.index();
            members
                .get(index)
                .filter(|member| std::ptr::eq(&*member.live, server))
                .map(|_| index)
        };
        // A server that a reload has taken away is not waited for: any other will do.
        let index = match ask.only.and_then(member_of) {
            Some(index) => index,
            None => {
                if !state.balancer.is_usable() {
                    return Choice::None;
                }
                let preferred = ask.preferred.filter(|server| server.is_up());
                let preferred = preferred
                    .and_then(member_of)
                    .filter(|index| members[*index].has_room(sessions, fullconn));
                let hashed = ask.hash.and_then(|hash| state.balancer.by_hash(hash));
                let chosen = preferred.or(hashed).or_else(|| {
                    let room = |index: usize| members[index].has_room(sessions, fullconn);
                    state.balancer.next(ask.avoid.and_then(member_of), room)
                });
                let Some(index) = chosen else {
                    let number = self.number(state);
                    let turn = state.queue.join(number, ask.since, false);
                    let place = state.queue.len();
                    self.queue_peak.note(place);
                    return Choice::Wait(self.ticket(turn, number, None, place));
                };
                index
            }
        };
        let member = &state.members[index];
        if member.has_room(sessions, fullconn) {
            let server = state.take(index);
            drop(guard);
            return Choice::Server(self.slot(server));
        }
        let server = Arc::clone(&member.live);
        if member.maxqueue > 0 && member.queue.len() >= member.maxqueue {
            return Choice::Full(server);
        }
        let number = self.number(state);
        let queue = &mut state.members[index].queue;
        let turn = queue.join(number, ask.since, ask.faithful);
        let place = queue.len();
        server.waiting.fetch_add(1, Ordering::Relaxed);
        server.queue_peak.note(place);
        Choice::Wait(self.ticket(turn, number, Some(server), place))
    }

    fn number(&self, state: &mut State) -> u64 {
        self.queued.fetch_add(1, Ordering::SeqCst);
        state.next += 1;
        state.next
    }

    fn ticket(
        self: &Arc<Self>,
        turn: tokio::sync::oneshot::Receiver<Turn>,
        number: u64,
        server: Option<Arc<Server>>,
        place: u32,
    ) -> Ticket {
        Ticket {
            turn,
            number,
            backend: Arc::clone(self),
            server,
            place,
            over: false,
        }
    }

    /// The slot that was counted under the lock.
    fn slot(self: &Arc<Self>, server: Arc<Server>) -> Slot {
        Slot {
            server,
            backend: Arc::clone(self),
        }
    }

    /// A slot is given back.
    fn release(self: &Arc<Self>, server: &Arc<Server>) {
        if !self.watched.load(Ordering::Acquire) {
            server.sessions.fetch_sub(1, Ordering::AcqRel);
            if self.queued.load(Ordering::SeqCst) == 0 {
                return;
            }
        } else {
            let mut state = self.state.lock();
            let served = server.sessions.fetch_sub(1, Ordering::AcqRel) - 1;
            if let Some(index) = state.find(server) {
                state.balancer.set_served(index, served);
                let woken = self.serve(&mut state, index);
                drop(state);
                wake(woken);
            }
            return;
        }
        let mut state = self.state.lock();
        if let Some(index) = state.find(server) {
            let woken = self.serve(&mut state, index);
            drop(state);
            wake(woken);
        }
    }

    /// Gives the room that a server has to those who wait: for it, or for any; the oldest first.
    pub(super) fn serve(self: &Arc<Self>, state: &mut State, index: usize) -> Woken {
        let mut woken = Vec::new();
        if self.queued.load(Ordering::SeqCst) == 0 {
            return woken;
        }
        let open = state.balancer.weight(index) > 0;
        let sessions = self.sessions.now();
        loop {
            let limit = state.members[index].limit(sessions, state.fullconn);
            let member = &mut state.members[index];
            if limit != 0 && member.live.sessions() >= limit {
                break;
            }
            let any = state.queue.first().filter(|_| open);
            let own = member.queue.first();
            let waiter = match (own, any) {
                (Some(own), Some(any)) if any < own => state.queue.take(),
                (Some(_), _) => {
                    member.live.waiting.fetch_sub(1, Ordering::Relaxed);
                    member.queue.take()
                }
                (None, Some(_)) => state.queue.take(),
                (None, None) => break,
            };
            let Some(waiter) = waiter else { break };
            self.queued.fetch_sub(1, Ordering::SeqCst);
            let server = state.take(index);
            woken.push((waiter, Turn::Served(self.slot(server))));
        }
        woken
    }

    /// One who waited is gone.
    pub(super) fn forget_waiter(&self, server: Option<&Arc<Server>>) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
        if let Some(server) = server {
            server.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// One who waits has given up.
    pub(super) fn leave_queue(&self, number: u64, server: Option<&Arc<Server>>) {
        let mut state = self.state.lock();
        let left = match server {
            None => state.queue.leave(number),
            Some(server) => match state.find(server) {
                Some(index) => state.members[index].queue.leave(number),
                None => false,
            },
        };
        if left {
            self.forget_waiter(server);
        }
    }

    /// Forgets the highest values; with `all`, everything that was counted.
    pub(crate) fn clear(&self, all: bool) {
        self.counters.clear(all);
        self.sessions.peak().clear();
        self.queue_peak.clear();
    }

    /// How often it had no server left, since when it is as it is, and how long it had none.
    pub(crate) fn availability(&self, now: Instant) -> (u64, Duration, Duration) {
        let state = self.state.lock();
        let Availability {
            up,
            changed,
            times_down,
            down_time,
        } = state.availability;
        let since = now.saturating_duration_since(changed);
        let down = if up { down_time } else { down_time + since };
        (times_down, since, down)
    }

    /// What the servers that can be used now add up to.
    pub(crate) fn in_use(&self) -> InUse {
        let state = self.state.lock();
        let (active, backup) = state.balancer.usable();
        InUse {
            active,
            backup,
            weight: state.balancer.shown(state.balancer.weight_in_use()),
        }
    }

    /// Whether its algorithm can live with other weights than those of the file.
    pub(crate) fn takes_any_weight(&self) -> bool {
        self.state.lock().balancer.is_dynamic()
    }

    /// Gives a server another limit of sessions, until a plan says something else; 0 for none.
    pub(crate) fn set_maxconn(self: &Arc<Self>, server: &Server, maxconn: u32) {
        let mut state = self.state.lock();
        let Some(index) = state.find(server) else {
            return;
        };
        server.maxconn.set(maxconn);
        state.members[index].maxconn = maxconn;
        self.watched.store(true, Ordering::SeqCst);
        let woken = self.serve(&mut state, index);
        drop(state);
        wake(woken);
    }

    /// Active and backup servers that can be used.
    pub(crate) fn usable_servers(&self) -> (u32, u32) {
        self.state.lock().balancer.usable()
    }

    /// Servers that requests can go to now: the active ones, or else the backup ones (the first of
    /// them alone, unless all are used).
    pub(crate) fn usable(&self, all_backups: bool) -> u32 {
        match (self.state.lock().balancer.usable(), all_backups) {
            ((0, backup), true) => backup,
            ((0, backup), false) => backup.min(1),
            ((active, _), _) => active,
        }
    }

    /// How many are waiting for any of its servers.
    pub(crate) fn waiting(&self) -> u32 {
        self.state.lock().queue.len()
    }

    /// The weight of a server as people see it, and how much of it counts while it warms up, in
    /// percent.
    pub(crate) fn shown_weight(&self, server: &Server) -> (u32, u32) {
        let state = self.state.lock();
        let Some(index) = state.find(server) else {
            return (server.weights().0, 100);
        };
        let now = Instant::now();
        let full = state.balancer.effective(server.weights().0, 1, 0);
        let effective = state.warmed(index, now);
        // Rounded as HAProxy does, who counts in steps of the weight.
        let percent = if effective < full {
            (effective * 100 + SCALE - 1) / full
        } else {
            100
        };
        (state.balancer.shown(effective), percent)
    }
}

impl State {
    /// The index of a server, if the running plan has it.
    pub(super) fn find(&self, server: &Server) -> Option<usize> {
        let index = server.index();
        self.members
            .get(index)
            .filter(|member| std::ptr::eq(&*member.live, server))
            .map(|_| index)
    }

    fn take(&mut self, index: usize) -> Arc<Server> {
        let live = &self.members[index].live;
        let served = live.sessions.fetch_add(1, Ordering::AcqRel) + 1;
        live.peak.note(served);
        self.balancer.set_served(index, served);
        Arc::clone(live)
    }

    /// The effective weight of a server as if it could be used.
    fn warmed(&self, index: usize, now: Instant) -> u32 {
        let record = self.members[index].live.record.lock();
        let since = now.saturating_duration_since(record.changed).as_secs();
        self.balancer.effective(
            record.weight_before.unwrap_or(record.weight),
            since,
            record.slowstart,
        )
    }

    /// The effective weight of a server now: 0 when it takes no clients.
    pub(super) fn effective(&self, index: usize, now: Instant) -> u32 {
        if self.members[index].live.takes_clients() {
            self.warmed(index, now)
        } else {
            0
        }
    }

    /// Looks whether there is still a server, or one again. Answers whether the last one is lost.
    pub(super) fn note_availability(&mut self, now: Instant) -> bool {
        let up = self.balancer.is_usable() || self.members.is_empty();
        let known = &mut self.availability;
        if std::mem::replace(&mut known.up, up) == up {
            return false;
        }
        if up {
            known.down_time += now.saturating_duration_since(known.changed);
        } else {
            known.times_down += 1;
        }
        known.changed = now;
        !up
    }
}

/// Whole seconds, rounded up.
fn seconds(duration: Option<Duration>) -> u64 {
    duration.map_or(0, |duration| {
        duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
    })
}

#[cfg(test)]
mod tests;
