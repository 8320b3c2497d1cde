//! What lives of a backend: its servers, whose turn it is, who is waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Counters, Gate, Peak, Server};
use crate::balance::RoundRobin;
use crate::plan;
use crate::stats::Captured;

/// A backend across plans.
#[derive(Debug, Default)]
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
    servers: Mutex<HashMap<String, Arc<Server>>>,
    state: Mutex<State>,
}

/// What one short lock guards: choosing a server and taking its slot is one step, so that limits
/// are exact across workers.
#[derive(Debug, Default)]
struct State {
    /// Servers in the order of the running plan.
    servers: Vec<Member>,
    turns: Turns,
    waiting: VecDeque<Waiter>,
    /// Numbers the waiters.
    next: u64,
    availability: Availability,
}

/// Whether there is a server at all, and since when.
#[derive(Debug)]
struct Availability {
    up: bool,
    changed: Instant,
    times_down: u64,
    down_time: Duration,
}

impl Default for Availability {
    fn default() -> Self {
        Self {
            up: true,
            changed: Instant::now(),
            times_down: 0,
            down_time: Duration::ZERO,
        }
    }
}

#[derive(Debug)]
struct Member {
    live: Arc<Server>,
    weight: u32,
    backup: bool,
    maxconn: u32,
}

impl Member {
    fn has_room(&self) -> bool {
        self.maxconn == 0 || self.live.sessions() < self.maxconn
    }
}

/// Whose turn it is, among active and among backup servers.
#[derive(Debug)]
struct Turns {
    all: RoundRobin,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: RoundRobin::new([]),
        }
    }
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    /// Only this server will do.
    server: Option<String>,
    wake: oneshot::Sender<Slot>,
}

/// The answer to a request for a server.
#[derive(Debug)]
pub(crate) enum Choice {
    /// That server, with a slot on it.
    Server(Slot),
    /// All usable servers are full: the slot comes through the receiver.
    Wait {
        /// Where the slot comes.
        slot: oneshot::Receiver<Slot>,
        /// How many were waiting before.
        ahead: u32,
        /// To be given back to [`Backend::leave_queue`].
        number: u64,
    },
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
        self.server.sessions.fetch_sub(1, Ordering::AcqRel);
        self.backend.serve_queue();
    }
}

impl Backend {
    /// A backend of a process with that many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            counters: Counters::new(workers),
            workers,
            ..Self::default()
        }
    }

    /// Takes over the servers of a plan. Servers are known by name and address; turns go on when
    /// servers and weights are what they were.
    pub(crate) fn adopt(self: &Arc<Self>, servers: &[plan::Server]) -> Vec<Arc<Server>> {
        let mut known = self.servers.lock();
        let live: Vec<Arc<Server>> = servers
            .iter()
            .map(|server| {
                let live = known
                    .entry(server.name.clone())
                    .or_insert_with(|| Arc::new(Server::new(server, self.workers)));
                if live.address != server.address {
                    *live = Arc::new(Server::new(server, self.workers));
                }
                live.configure(server);
                Arc::clone(live)
            })
            .collect();
        known.retain(|name, server| {
            Arc::strong_count(server) > 1 || servers.iter().any(|s| s.name == *name)
        });
        drop(known);

        let members: Vec<Member> = servers
            .iter()
            .zip(&live)
            .map(|(server, live)| Member {
                live: Arc::clone(live),
                weight: live.weights().0,
                backup: server.backup,
                maxconn: server.maxconn,
            })
            .collect();
        let mut state = self.state.lock();
        let same = state.servers.len() == members.len()
            && state.servers.iter().zip(&members).all(|(old, new)| {
                old.live.name == new.live.name
                    && old.weight == new.weight
                    && old.backup == new.backup
            });
        if !same {
            state.turns.all = RoundRobin::new(members.iter().map(|member| member.weight));
        }
        let first = state.servers.is_empty();
        state.servers = members;
        if first {
            // As it starts, so it is: nothing has changed.
            let up = state.servers.iter().any(|m| m.weight > 0 && m.live.is_up());
            state.availability.up = up || state.servers.is_empty();
        } else {
            state.note_availability();
        }
        drop(state);
        // Limits may have grown, and who waited for a server that is gone must go elsewhere.
        self.serve_queue();
        live
    }

    /// Chooses a server whose turn it is and takes a slot on it.
    ///
    /// `only` names the server that must be used (a retry); `except` one that just failed and is
    /// taken only when there is no other.
    pub(crate) fn choose(
        self: &Arc<Self>,
        only: Option<&Server>,
        except: Option<&Server>,
    ) -> Choice {
        let mut state = self.state.lock();
        match state.pick(only, except) {
            Pick::Server(server) => {
                drop(state);
                Choice::Server(self.slot(server))
            }
            Pick::Full => {
                let (wake, slot) = oneshot::channel();
                let ahead = state.waiting.len() as u32;
                self.queue_peak.note(ahead + 1);
                state.next += 1;
                let number = state.next;
                let server = only.map(|server| server.name.clone());
                if let Some(only) = only {
                    let waits = |w: &&Waiter| w.server.as_deref() == Some(&only.name);
                    let waiting = state.waiting.iter().filter(waits).count() as u32;
                    only.queue_peak.note(waiting + 1);
                }
                state.waiting.push_back(Waiter {
                    number,
                    server,
                    wake,
                });
                Choice::Wait {
                    slot,
                    ahead,
                    number,
                }
            }
            Pick::None => Choice::None,
        }
    }

    /// Forgets the highest values; with `all`, everything that was counted.
    pub(crate) fn clear(&self, all: bool) {
        self.counters.clear(all);
        self.sessions.peak().clear();
        self.queue_peak.clear();
    }

    /// Gives a server another weight. `counts` says whether a backend that loses its last server by
    /// that counts as down, which it does since 1.5.
    pub(crate) fn set_weight(self: &Arc<Self>, server: &Server, weight: u32, counts: bool) {
        server.set_weight(weight);
        let mut state = self.state.lock();
        for member in &mut state.servers {
            if std::ptr::eq(&*member.live, server) {
                member.weight = weight;
            }
        }
        if counts {
            state.note_availability();
        }
        let weights: Vec<u32> = state.servers.iter().map(|member| member.weight).collect();
        state.turns.all = RoundRobin::new(weights);
        drop(state);
        self.serve_queue();
    }

    /// Takes a server out, or back in.
    pub(crate) fn set_maintenance(self: &Arc<Self>, server: &Server, maintenance: bool) {
        server.set_maintenance(maintenance);
        self.health_has_changed();
    }

    /// The health of one of its servers is another one now.
    pub(crate) fn health_has_changed(self: &Arc<Self>) {
        self.state.lock().note_availability();
        self.serve_queue();
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
    pub(crate) fn in_use(&self, all_backups: bool) -> InUse {
        let state = self.state.lock();
        let usable = |backup: bool| {
            let of_kind = move |m: &&Member| m.backup == backup && m.weight > 0 && m.live.is_up();
            state.servers.iter().filter(of_kind).map(|m| m.weight)
        };
        let (active, backup) = (usable(false).count() as u32, usable(true).count() as u32);
        let weight = match (active, all_backups) {
            (0, true) => usable(true).sum(),
            (0, false) => usable(true).next().unwrap_or(0),
            _ => usable(false).sum(),
        };
        InUse {
            active,
            backup,
            weight,
        }
    }

    /// Servers that requests can go to now: the active ones, or else the backup ones (the first of
    /// them alone, unless all are used).
    pub(crate) fn usable(&self, all_backups: bool) -> u32 {
        let state = self.state.lock();
        let usable = |backup: bool| {
            let of_kind = |m: &&Member| m.backup == backup && m.weight > 0 && m.live.is_up();
            state.servers.iter().filter(of_kind).count() as u32
        };
        match (usable(false), all_backups) {
            (0, true) => usable(true),
            (0, false) => usable(true).min(1),
            (active, _) => active,
        }
    }

    /// How many are waiting.
    pub(crate) fn waiting(&self) -> u32 {
        self.state.lock().waiting.len() as u32
    }

    /// How many are waiting for one server alone.
    pub(crate) fn waiting_for(&self, server: &str) -> u32 {
        let state = self.state.lock();
        let waits = |waiter: &&Waiter| waiter.server.as_deref() == Some(server);
        state.waiting.iter().filter(waits).count() as u32
    }

    /// Takes a waiter out of the queue.
    pub(crate) fn leave_queue(&self, number: u64) {
        self.state
            .lock()
            .waiting
            .retain(|waiter| waiter.number != number);
    }

    /// The slot that was counted under the lock.
    fn slot(self: &Arc<Self>, server: Arc<Server>) -> Slot {
        Slot {
            server,
            backend: Arc::clone(self),
        }
    }

    /// Gives free slots to those who wait, first come, first served.
    fn serve_queue(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            let mut found = None;
            for index in 0..state.waiting.len() {
                let only = state.waiting[index].server.clone();
                match state.pick_named(only.as_deref()) {
                    Pick::Server(server) => {
                        found = Some((index, server));
                        break;
                    }
                    Pick::Full if only.is_none() => break,
                    _ => {}
                }
            }
            let Some((index, server)) = found else {
                return;
            };
            let waiter = state.waiting.remove(index);
            drop(state);
            // A waiter that has just given up drops the slot, which serves the next one.
            if let Some(waiter) = waiter {
                let _ = waiter.wake.send(self.slot(server));
            }
        }
    }
}

enum Pick {
    Server(Arc<Server>),
    Full,
    None,
}

impl State {
    /// Looks whether there is a server, after something has changed.
    fn note_availability(&mut self) {
        let mut servers = self.servers.iter();
        let up = servers.any(|m| m.weight > 0 && m.live.is_up());
        let before = &mut self.availability;
        if before.up != up {
            let now = Instant::now();
            if up {
                before.down_time += now.saturating_duration_since(before.changed);
            } else {
                before.times_down += 1;
            }
            before.up = up;
            before.changed = now;
        }
    }

    fn pick_named(&mut self, only: Option<&str>) -> Pick {
        match only {
            None => self.pick(None, None),
            Some(name) => match self.servers.iter().find(|m| m.live.name == name) {
                Some(member) if member.has_room() => Self::take(member),
                Some(_) => Pick::Full,
                // The server is gone: any other.
                None => self.pick(None, None),
            },
        }
    }

    fn pick(&mut self, only: Option<&Server>, except: Option<&Server>) -> Pick {
        // A server that a reload has taken away is not waited for: any other will do.
        if let Some(only) = only
            && let Some(member) = self.servers.iter().find(|m| std::ptr::eq(&*m.live, only))
        {
            return if member.has_room() {
                Self::take(member)
            } else {
                Pick::Full
            };
        }
        let servers = &self.servers;
        let usable = |m: &Member| m.weight > 0 && m.live.is_up();
        let failed = |m: &Member| except.is_some_and(|failed| std::ptr::eq(failed, &*m.live));
        // Backup servers are used when no other can be, the first of them alone.
        let active = servers.iter().any(|m| usable(m) && !m.backup);
        let first_backup = servers.iter().position(|m| usable(m) && m.backup);
        let candidate = |index: usize| {
            let member = &servers[index];
            usable(member)
                && (if active {
                    !member.backup
                } else {
                    Some(index) == first_backup
                })
        };
        let open = |index: usize| candidate(index) && servers[index].has_room();
        let turns = &mut self.turns.all;
        let chosen = turns
            .choose(|index| open(index) && !failed(&servers[index]))
            .or_else(|| turns.choose(open));
        match chosen {
            Some(index) => Self::take(&servers[index]),
            None if (0..servers.len()).any(candidate) => Pick::Full,
            None => Pick::None,
        }
    }

    fn take(member: &Member) -> Pick {
        let before = member.live.sessions.fetch_add(1, Ordering::AcqRel);
        member.live.peak.note(before + 1);
        Pick::Server(Arc::clone(&member.live))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ServerAddress, ServerPort};

    fn server(name: &str, disabled: bool) -> plan::Server {
        let address = ServerAddress {
            ip: Some([127, 0, 0, 1].into()),
            port: ServerPort::Fixed(80),
        };
        plan::Server {
            disabled,
            ..plan::Server::new(name, address)
        }
    }

    fn chosen(backend: &Arc<Backend>) -> Option<String> {
        match backend.choose(None, None) {
            Choice::Server(slot) => Some(slot.server.name.clone()),
            _ => None,
        }
    }

    #[test]
    fn a_reload_that_disables_a_server_takes_it_out_and_the_next_brings_it_back() {
        let backend = Arc::new(Backend::default());
        backend.adopt(&[server("a", false), server("b", false)]);
        backend.adopt(&[server("a", true), server("b", false)]);
        assert_eq!(chosen(&backend).as_deref(), Some("b"));
        assert_eq!(chosen(&backend).as_deref(), Some("b"));
        backend.adopt(&[server("a", false), server("b", true)]);
        assert_eq!(chosen(&backend).as_deref(), Some("a"));
        backend.adopt(&[server("a", true), server("b", true)]);
        assert_eq!(chosen(&backend), None);
    }
}
