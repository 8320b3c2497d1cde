//! What changes the state of a server, and what follows from it: for whom it balances, who waits,
//! who tracks it, what the log says.
//!
//! What follows is here. It is changed by what checks and agents find ([`verdict`]), what requests
//! show ([`traffic`]) and what administrators want ([`administration`]).
//!
//! A record is never locked while the state of a backend is taken, only the other way round.

mod administration;
mod traffic;
mod verdict;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

pub(crate) use traffic::Sign;

use super::backend::{Woken, wake};
use super::queue::Turn;
use super::{Backend, Server};
use crate::check::log::{self, ALERT, EMERGENCY, Left, Named, News, Reason};
use crate::engine::syslog::Sender;
use crate::log::Cause;
use crate::plan::{Plan, Proxy, ProxyId, Severity};
use crate::rewrite::cacheability;

thread_local! {
    /// Where this thread tells its news.
    static SENDER: OnceCell<Sender> = const { OnceCell::new() };
}

/// What one change has led to, in numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Effects {
    left: Left,
    /// The backend has lost its last server.
    none_left: bool,
}

impl Backend {
    /// Sends a line to the targets of the proxy.
    fn tell(&self, severity: Severity, line: &str) {
        let Some(plan) = self.plan.load_full() else {
            return;
        };
        let proxy = plan.0.proxy(plan.1);
        SENDER.with(|sender| {
            sender.get_or_init(Sender::default).send(
                &proxy.log_targets,
                &plan.0.global,
                severity,
                line.as_bytes(),
            );
        });
    }

    /// Says that there was no port for a connection to come from.
    pub(crate) fn tell_of_no_port(&self) {
        let line = self.with_plan(|_, proxy| log::no_port(&proxy.name));
        self.tell(log::ERR, &line.unwrap_or_default());
    }

    /// Says that the address that connections come from is none of this machine.
    pub(crate) fn tell_of_no_source(&self) {
        let line = self.with_plan(|plan, proxy| log::no_source(&proxy.name, plan.dialect));
        self.tell(EMERGENCY, &line.unwrap_or_default());
    }

    /// Says that `option checkcache` has kept back a response of this server.
    pub(crate) fn tell_of_cookie_for_all(&self, server: &str) {
        let line = self.with_plan(|_, proxy| cacheability::refusal(&proxy.name, server));
        self.tell(ALERT, &line.unwrap_or_default());
    }

    /// Calls with what the plan in service says of the proxy.
    fn with_plan<T>(&self, look: impl FnOnce(&Plan, &Proxy) -> T) -> Option<T> {
        let plan = self.plan.load();
        let (plan, id): &(Arc<Plan>, ProxyId) = plan.as_ref()?;
        Some(look(plan, plan.proxy(*id)))
    }

    fn dialect(&self) -> Dialect {
        self.with_plan(|plan, _| plan.dialect).unwrap_or_default()
    }

    /// Looks at all servers again.
    pub(crate) fn refresh_all(self: &Arc<Self>) {
        let now = Instant::now();
        let mut woken: Woken = Vec::new();
        let mut state = self.state.lock();
        for index in 0..state.members.len() {
            let weight = state.effective(index, now);
            state.balancer.set_weight(index, weight);
        }
        state.note_availability(now);
        for index in 0..state.members.len() {
            woken.extend(self.serve(&mut state, index));
        }
        drop(state);
        wake(woken);
    }

    /// Looks at one server again: its weight, and those who wait for it.
    fn update(self: &Arc<Self>, server: &Arc<Server>, now: Instant) -> Effects {
        self.look_again(server, now, true)
    }

    /// The same; whether the backend still has servers is `noticed`, or not.
    fn look_again(self: &Arc<Self>, server: &Arc<Server>, now: Instant, noticed: bool) -> Effects {
        let leaves = self
            .with_plan(|_, proxy| proxy.options.redispatch && !proxy.options.persist)
            .unwrap_or(false);
        let mut state = self.state.lock();
        let Some(index) = state.find(server) else {
            return Effects::default();
        };
        let before = state.balancer.weight(index);
        let weight = state.effective(index, now);
        state.balancer.set_weight(index, weight);
        let mut woken: Woken = Vec::new();
        if weight == 0 && before > 0 && leaves {
            for waiter in state.members[index].queue.take_unfaithful() {
                self.forget_waiter(Some(server));
                woken.push((waiter, Turn::Elsewhere));
            }
        }
        let none_left = noticed && state.note_availability(now);
        if weight > 0 {
            woken.extend(self.serve(&mut state, index));
        }
        let (active, backup) = state.balancer.usable();
        let left = Left {
            active,
            backup,
            sessions: server.sessions(),
            requeued: woken.len() as u32,
            waiting: if weight > 0 {
                state.queue.len()
            } else {
                state.members[index].queue.len()
            },
        };
        drop(state);
        wake(woken);
        Effects { left, none_left }
    }

    fn tell_change(&self, server: &Server, news: News, reason: Reason<'_>, effects: Effects) {
        let told = self.with_plan(|plan, proxy| {
            let named = Named {
                backend: &proxy.name,
                server: &server.name,
                is_backup: server.settings().backup,
            };
            log::change(named, news, reason, effects.left, plan.dialect)
        });
        let Some((severity, line)) = told else {
            return;
        };
        self.tell(severity, &line);
        if effects.none_left {
            self.tell_none_left();
        }
    }

    /// A server has come up, or gone down: everything that follows, for it and for those that track
    /// it.
    fn turn(self: &Arc<Self>, server: &Arc<Server>, news: News, reason: Reason<'_>) {
        self.turn_as_seen(server, news, reason, 0);
    }

    /// The same; so many of its sessions are as good as gone.
    fn turn_as_seen(
        self: &Arc<Self>,
        server: &Arc<Server>,
        news: News,
        reason: Reason<'_>,
        leaving: u32,
    ) {
        let now = Instant::now();
        let (was_up, up) = server.refresh();
        let v1_4 = self.dialect() == Dialect::V1_4;
        // Nobody is alarmed by one that got no new clients anyway.
        let news = match news {
            News::Down { was_stopping } => News::Down {
                was_stopping: was_stopping || !v1_4 && server.is_drained(),
            },
            news => news,
        };
        // Since 1.5 checks, agents and administrators each have a say.
        let no_news = match news {
            News::Up => !up,
            News::Down { .. } => !was_up,
            _ => false,
        };
        if no_news && !v1_4 {
            return;
        }
        if was_up != up {
            let slowstart = self.slowstart(server);
            let mut record = server.record.lock();
            record.note_change(up, now);
            record.slowstart = if up { slowstart } else { 0 };
        }
        // For 1.4 one that is down goes down once more when it is taken out.
        let again = !was_up && !up && matches!(news, News::Maintenance { .. }) && v1_4;
        if again {
            server.record.lock().note_change(false, now);
        }
        let mut effects = self.update(server, now);
        effects.left.sessions = effects.left.sessions.saturating_sub(leaving);
        self.tell_change(server, news, reason, effects);
        let checks_say = matches!(
            news,
            News::Up | News::Down { .. } | News::Stopping | News::Resumed
        );
        if checks_say && !v1_4 && server.is_drained() {
            self.tell_still_drained(server);
        }
        if was_up && !up && server.settings().shutdown_sessions {
            server.end_sessions(Cause::Down);
        }
        if !was_up && up && server.settings().shutdown_backup_sessions {
            for stand_in in self.backup_servers() {
                stand_in.end_sessions(Cause::Up);
            }
        }
        let followers = server.followers.lock().clone();
        let name = self
            .with_plan(|_, proxy| proxy.name.clone())
            .unwrap_or_default();
        // Who has begun to track it last is told first.
        for (backend, follower) in followers.into_iter().rev() {
            let (Some(backend), Some(follower)) = (backend.upgrade(), follower.upgrade()) else {
                continue;
            };
            let before = (follower.is_up(), follower.took_clients());
            follower.refresh();
            let after = (follower.is_up(), follower.takes_clients());
            if before == after && !again || follower.is_in_maintenance() {
                continue;
            }
            // Undone, so that the change is seen where it is told.
            follower.set_up(before.0);
            let news = match after {
                (true, true) if before.0 => News::Resumed,
                (true, true) => News::Up,
                (true, false) => News::Stopping,
                (false, _) => News::Down {
                    was_stopping: !before.1 && !again,
                },
            };
            backend.turn(&follower, news, Reason::Tracked(&name, &server.name));
        }
    }

    fn backup_servers(&self) -> Vec<Arc<Server>> {
        let state = self.state.lock();
        let backups = state.members.iter().filter(|m| m.live.settings().backup);
        backups.map(|member| Arc::clone(&member.live)).collect()
    }

    fn slowstart(&self, server: &Server) -> u64 {
        let state = self.state.lock();
        state
            .find(server)
            .map_or(0, |index| state.members[index].slowstart)
    }

    /// That a server gets no new clients, whatever else has happened to it.
    fn tell_still_drained(&self, server: &Server) {
        let (by, effects) = (Reason::Administrator, Effects::default());
        self.tell_change(server, News::StillDrained, by, effects);
    }

    fn tell_none_left(&self) {
        let line = self.with_plan(|_, proxy| log::none_left(&proxy.name, proxy.role));
        self.tell(EMERGENCY, &line.unwrap_or_default());
    }

    /// Lets servers that came up a while ago have more of their weight. Answers how long it is until
    /// one of them gets some more: that comes with every second after it came up.
    pub(crate) fn warm_up(self: &Arc<Self>) -> Option<Duration> {
        const STEP: Duration = Duration::from_secs(1);
        let now = Instant::now();
        let mut state = self.state.lock();
        let mut next: Option<Duration> = None;
        let mut woken: Woken = Vec::new();
        for index in 0..state.members.len() {
            let since = {
                let mut record = state.members[index].live.record.lock();
                if record.slowstart == 0 {
                    continue;
                }
                let since = now.saturating_duration_since(record.changed);
                if since >= Duration::from_secs(record.slowstart) {
                    record.slowstart = 0;
                    None
                } else {
                    let left = STEP - Duration::from_nanos(since.subsec_nanos().into());
                    next = Some(next.map_or(left, |next| next.min(left)));
                    Some(since.as_secs() * 100 / record.slowstart)
                }
            };
            state.members[index].share = since.map_or(100, |percent| percent.max(1) as u32);
            let weight = state.effective(index, now);
            state.balancer.set_weight(index, weight);
            woken.extend(self.serve(&mut state, index));
        }
        drop(state);
        wake(woken);
        next
    }
}
