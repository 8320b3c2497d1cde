//! What lives of a backend: its servers, whose turn it is, who is waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Gate, Rate, Server};
use crate::balance::RoundRobin;
use crate::plan;

/// A backend across plans.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    /// Its sessions.
    pub(crate) sessions: Arc<Gate>,
    /// Its new sessions.
    pub(crate) rate: Rate,
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
    /// Takes over the servers of a plan. Servers are known by name and address; turns go on when
    /// servers and weights are what they were.
    pub(crate) fn adopt(self: &Arc<Self>, servers: &[plan::Server]) -> Vec<Arc<Server>> {
        let mut known = self.servers.lock();
        let live: Vec<Arc<Server>> = servers
            .iter()
            .map(|server| {
                let live = known
                    .entry(server.name.clone())
                    .or_insert_with(|| Arc::new(Server::new(server)));
                if live.address != server.address {
                    *live = Arc::new(Server::new(server));
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
                weight: u32::from(server.weight),
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
        state.servers = members;
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
                state.next += 1;
                let number = state.next;
                let server = only.map(|server| server.name.clone());
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
            .choose(None, |index| open(index) && !failed(&servers[index]))
            .or_else(|| turns.choose(None, open));
        match chosen {
            Some(index) => Self::take(&servers[index]),
            None if (0..servers.len()).any(candidate) => Pick::Full,
            None => Pick::None,
        }
    }

    fn take(member: &Member) -> Pick {
        member.live.sessions.fetch_add(1, Ordering::AcqRel);
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
