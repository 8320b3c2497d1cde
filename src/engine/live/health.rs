//! What changes the state of a server, and what follows from it: for whom it balances, who waits,
//! who tracks it, what the log says.
//!
//! A record is never locked while the state of a backend is taken, only the other way round.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use haproxy_cfg_grammar::keywords::server::{Observe, OnError};
use tokio::time::Instant;

use super::backend::{Woken, wake};
use super::queue::Turn;
use super::{Backend, Server};
use crate::check::agent::{Admin, Saying};
use crate::check::log::{self, ALERT, EMERGENCY, Left, Named, News, Reason};
use crate::check::{Change, Health, Report, Status};
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

/// What traffic has shown of a server, for `observe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A connection stands.
    Connected,
    /// It does not.
    Unreachable,
    /// A response came, with this status.
    Response(u16),
    /// What came is no response.
    Invalid,
    /// None came in time.
    Timeout,
    /// The connection broke before one came.
    Broken,
    /// It was closed before one came.
    Closed,
}

impl Sign {
    /// Whether it is an error for this kind of observation; `None` when it does not say.
    fn is_error(self, observe: Observe) -> Option<bool> {
        match (observe, self) {
            (Observe::Layer4, Self::Connected) => Some(false),
            (Observe::Layer4, Self::Unreachable) => Some(true),
            (Observe::Layer4, _) => None,
            // A response is what tells at layer 7 that a connection was good.
            (Observe::Layer7, Self::Connected) => None,
            (Observe::Layer7, Self::Response(status)) => {
                Some(status < 100 || status >= 500 && !matches!(status, 501 | 505))
            }
            (Observe::Layer7, _) => Some(true),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Connected => "L4 successful connection",
            Self::Unreachable => "L4 unsuccessful connection",
            Self::Response(_) => "Wrong http response",
            Self::Invalid => "Invalid http response (headers)",
            Self::Timeout => "Read timeout (http)",
            Self::Broken => "Read error (http)",
            Self::Closed => "Close from server (http)",
        }
    }
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

    /// A check is over.
    pub(crate) fn checked(self: &Arc<Self>, server: &Arc<Server>, report: Report) {
        let dialect = self.dialect();
        let v1_4 = dialect == Dialect::V1_4;
        let (change, moved, health, was_stopping) = {
            let mut record = server.record.lock();
            let before = record.health;
            // Since 1.5 another result is news, even where it moves nothing.
            let other = dialect != Dialect::V1_4 && record.report.status != report.status;
            let change = if report.status.passes() {
                record.health.pass(report.status == Status::L7Conditional)
            } else {
                record.health.fail(forgiving(dialect))
            };
            if !report.status.passes() && before.is_up() && !(v1_4 && change == Change::Down) {
                record.failed_checks += 1;
            }
            record.report = report.clone();
            (
                change,
                before != record.health || other,
                record.health,
                before.stopping,
            )
        };
        if report.status.passes() {
            server.forget_errors();
        }
        if moved {
            self.log_check(server, log::Asked::Server, &report, &health);
        }
        self.follow_up(server, change, was_stopping, (&report, 0));
    }

    fn logs_checks(&self) -> bool {
        self.with_plan(|_, proxy| proxy.options.log_health_checks)
            .unwrap_or(false)
    }

    /// `option log-health-checks`: a verdict was news, and the `health` is that after it.
    fn log_check(&self, server: &Server, asked: log::Asked, report: &Report, health: &Health) {
        if !self.logs_checks() {
            return;
        }
        let (weight, _) = server.weights();
        let line = self.with_plan(|plan, proxy| {
            let named = Named {
                backend: &proxy.name,
                server: &server.name,
                is_backup: server.settings().backup,
            };
            let drained = plan.dialect != Dialect::V1_4 && weight == 0;
            log::checked(named, asked, report, health, drained)
        });
        self.tell(log::NOTICE, &line.unwrap_or_default());
    }

    /// What follows from a verdict. So many sessions are on their way out because of it.
    fn follow_up(
        self: &Arc<Self>,
        server: &Arc<Server>,
        change: Change,
        was_stopping: bool,
        (report, leaving): (&Report, u32),
    ) {
        let news = match change {
            Change::None | Change::Moved => return,
            Change::Up => News::Up,
            Change::Resumed => News::Resumed,
            Change::Down => News::Down { was_stopping },
            Change::Stopping => News::Stopping,
        };
        let reason = if self.logs_checks() {
            Reason::Said
        } else {
            Reason::Check(report)
        };
        self.turn_as_seen(server, news, reason, leaving);
    }

    /// Traffic has shown something of a server. Costs nothing to speak of unless it is observed.
    pub(crate) fn observe(self: &Arc<Self>, server: &Arc<Server>, sign: Sign) {
        if !server.is_observed() {
            return;
        }
        let settings = server.settings();
        let Some(observed) = settings.traffic_check else {
            return;
        };
        match sign.is_error(observed.observe) {
            None => return,
            Some(false) => {
                server.forget_errors();
                return;
            }
            Some(true) => {}
        }
        let errors = server.count_error();
        if errors < observed.error_limit {
            return;
        }
        server.forget_errors();
        let words = format!(
            "Detected {errors} consecutive errors, last one was: {}",
            sign.words()
        );
        let report = Report::new(Status::Observed).saying(words.as_bytes());
        let dialect = self.dialect();
        let v1_4 = dialect == Dialect::V1_4;
        let forgiving = forgiving(dialect);
        // Later versions look when the session has left the server, 1.4 where it was broken off.
        let leaving = u32::from(!v1_4 || sign == Sign::Broken);
        let (change, moved, health, was_stopping) = {
            let mut record = server.record.lock();
            let before = record.health;
            record.failed_responses += 1;
            let change = match observed.on_error {
                OnError::Fastinter => Change::None,
                OnError::FailCheck => record.health.fail(forgiving),
                OnError::SuddenDeath => {
                    record.health.weaken();
                    record.health.fail(forgiving)
                }
                OnError::MarkDown => record.health.kill(),
            };
            let lost = v1_4 && change == Change::Down;
            if observed.on_error != OnError::Fastinter && before.is_up() && !lost {
                record.failed_checks += 1;
            }
            if observed.on_error != OnError::Fastinter {
                record.report = report.clone();
            }
            (
                change,
                before != record.health,
                record.health,
                before.stopping,
            )
        };
        if moved {
            self.log_check(server, log::Asked::Server, &report, &health);
        }
        self.follow_up(server, change, was_stopping, (&report, leaving));
        if let Some(fast) = settings.check.as_ref().and_then(|check| check.fastinter) {
            server.next_check.hurry(Instant::now() + fast);
        }
    }

    /// An agent was asked how its server is. `saying` is what could be understood of its answer.
    pub(crate) fn agent_answered(
        self: &Arc<Self>,
        server: &Arc<Server>,
        saying: Option<&Saying>,
        report: &Report,
    ) {
        if let Some(saying) = saying {
            self.agent_limits(server, saying);
        }
        let (change, health, other) = {
            let mut record = server.record.lock();
            let change = match report.status {
                Status::L7Ok => record.agent.pass(false),
                Status::L7Wrong => record.agent.fail(false),
                _ => Change::None,
            };
            let other = record.agent_report.status != report.status;
            record.agent_report = report.clone();
            (change, record.agent, other)
        };
        // Another result is news, unless it says nothing about up or down.
        let news = other && report.status != Status::Unchanged || change != Change::None;
        if news {
            self.log_check(server, log::Asked::Agent, report, &health);
        }
        if let Some(admin) = saying.and_then(|saying| saying.admin) {
            self.administer(server, admin, Reason::Administrator);
        }
        self.follow_up(server, change, false, (report, 0));
    }

    /// What an agent wants its server to have.
    fn agent_limits(self: &Arc<Self>, server: &Arc<Server>, saying: &Saying) {
        let (_, initial) = server.weights();
        if let Some(percent) = saying.weight {
            self.set_weight(server, (initial * percent / 100).min(256));
        }
        if let Some(maxconn) = saying.maxconn {
            self.set_maxconn(server, maxconn);
        }
    }

    /// Says in place of its agent whether a server is up.
    pub(crate) fn set_agent(self: &Arc<Self>, server: &Arc<Server>, up: bool) {
        let change = {
            let mut record = server.record.lock();
            match up {
                true => record.agent.pass(false),
                false => record.agent.kill(),
            }
        };
        let was_stopping = false;
        match change {
            Change::Up => self.turn(server, News::Up, Reason::Administrator),
            Change::Down => self.turn(server, News::Down { was_stopping }, Reason::Administrator),
            Change::None | Change::Moved | Change::Stopping | Change::Resumed => {}
        }
    }

    /// Gives a server another weight.
    pub(crate) fn set_weight(self: &Arc<Self>, server: &Arc<Server>, weight: u32) {
        let dialect = self.dialect();
        {
            let mut record = server.record.lock();
            let before = std::mem::replace(&mut record.weight, weight);
            if dialect == Dialect::V1_8 && record.maintenance {
                record.weight_before.get_or_insert(before);
            }
        }
        let now = Instant::now();
        if dialect == Dialect::V1_4 {
            // A backend whose weights are all 0 has no server, but did not lose any.
            self.look_again(server, now, false);
            return;
        }
        let effects = self.update(server, now);
        if effects.none_left {
            self.tell_none_left();
        }
        if server.is_drained() && !server.is_in_maintenance() {
            self.tell_still_drained(server);
        }
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

    /// Takes a server out, brings it back, or lets it get no new clients.
    pub(crate) fn administer(self: &Arc<Self>, server: &Arc<Server>, wish: Admin, by: Reason<'_>) {
        let v1_4 = self.dialect() == Dialect::V1_4;
        let took_clients = server.takes_clients();
        let was_running = server.is_up();
        let (was_out, was_drained, was_down, up) = {
            let mut record = server.record.lock();
            let before = (record.maintenance, record.drain);
            record.maintenance = wish == Admin::Maintenance;
            match wish {
                Admin::Maintenance => {}
                Admin::Drain => record.drain = true,
                Admin::Ready => record.drain = false,
            }
            if before.0 != record.maintenance {
                record.weight_before = None;
            }
            // One that was down before stays so, since 1.5.
            let was_down = std::mem::replace(
                &mut record.was_down,
                !v1_4 && wish == Admin::Maintenance && !before.0 && !was_running,
            );
            if before.0 && wish == Admin::Maintenance {
                record.was_down = was_down;
            } else if before.0 && record.follows.is_none() && !was_down {
                // Up, until the first check says otherwise.
                record.health.level = record.health.rise;
                record.health.stopping = false;
            }
            (before.0, before.1, was_down, record.is_up_itself())
        };
        let news = match (wish, was_out, was_drained) {
            (Admin::Maintenance, true, _) | (Admin::Ready, false, false) => return,
            (Admin::Drain, false, true) => return,
            (Admin::Maintenance, false, _) if !v1_4 && !was_running => News::MaintenanceWhileDown,
            // 1.4 is alarmed by one that is down, too, but not by one that gets no new clients.
            (Admin::Maintenance, false, _) => News::Maintenance {
                was_up: took_clients || !was_running,
            },
            (Admin::Ready, true, false) if was_down => return,
            (Admin::Ready, true, _) if !was_down => News::Ready { drained: false, up },
            (Admin::Ready, _, _) => News::Undrained { up: was_running },
            (Admin::Drain, true, _) => News::Ready { drained: true, up },
            (Admin::Drain, false, false) => News::Drain { up: was_running },
        };
        let follows = server.record.lock().follows.clone();
        let held_down = follows.filter(|(_, followed)| v1_4 && !followed.is_up());
        match held_down.filter(|_| matches!(news, News::Ready { .. })) {
            // It does not come back: the one that it tracks is down.
            Some((backend, followed)) => {
                let reason = Reason::Tracked(&backend, &followed.name);
                let news = News::Down {
                    was_stopping: false,
                };
                self.turn(server, news, reason);
            }
            None => self.turn(server, news, by),
        }
        if matches!(news, News::Ready { drained: true, .. }) {
            self.tell_still_drained(server);
        }
        if was_out && wish != Admin::Maintenance && self.dialect() == Dialect::Hapax {
            // Those that it speaks like let the next check come when it is due.
            server.next_check.hurry(Instant::now());
        }
    }

    /// Sets what the checks of a server have found, until they find something else.
    pub(crate) fn set_health(
        self: &Arc<Self>,
        server: &Arc<Server>,
        up: bool,
        stopping: bool,
        by: Reason<'_>,
    ) {
        let change = {
            let mut record = server.record.lock();
            if record.maintenance {
                return;
            }
            if up {
                let was_up = record.health.is_up();
                let was_stopping = std::mem::replace(&mut record.health.stopping, stopping);
                record.health.fill();
                match (was_up, was_stopping, stopping) {
                    (false, ..) => Some(News::Up),
                    (true, false, true) => Some(News::Stopping),
                    (true, true, false) => Some(News::Up),
                    _ => None,
                }
            } else {
                let was_stopping = record.health.stopping;
                (record.health.kill() == Change::Down).then_some(News::Down { was_stopping })
            }
        };
        if let Some(news) = change {
            self.turn(server, news, by);
        }
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

/// Whether a server on its way up stays where it is when a check fails: 1.5 to 1.8 let it.
fn forgiving(dialect: Dialect) -> bool {
    dialect == Dialect::V1_8
}
