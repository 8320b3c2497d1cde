//! Health checks in motion: when each is due, its connection, its conversation.
//!
//! All of it runs on the thread beside the workers. A server is a task that mostly sleeps; what a
//! conversation needs is there only while it lasts. What checks have found is kept by the server in
//! [`super::live`], so that a new plan goes on from there.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use haproxy_cfg_grammar::Dialect;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::generation::Generation;
use super::live::{Backend, Due, Place, Server};
use super::target::Target;
use crate::check::{Obstacle, Program, Report, ServerState, pace, server_state};
use crate::plan::{Plan, Proxy, ProxyId, ServerCheck, Source};

mod agent;
mod conversation;

use agent::Asked;
use conversation::{Conversation, Limits};

/// A server that is checked.
struct Checked {
    plan: Arc<Plan>,
    proxy: ProxyId,
    backend: Arc<Backend>,
    server: Arc<Server>,
    program: Arc<Program>,
    check: ServerCheck,
    /// When the checks of its plan began: a moment that all have in common.
    began: Instant,
}

/// How often servers that are warming up are looked at.
const WARM_UP: Duration = Duration::from_secs(1);

/// Checks the servers of a generation until dropped.
pub(crate) async fn run(generation: Arc<Generation>) {
    let mut tasks = JoinSet::new();
    for duty in schedule(&generation) {
        match duty {
            Duty::Check(checked) => tasks.spawn_local(watch(checked)),
            Duty::Agent(asked) => tasks.spawn_local(asked.watch()),
        };
    }
    let handles = generation.all_handles();
    for (proxy, handles) in generation.plan.proxies.iter().zip(handles) {
        let slow = |server: &crate::plan::Server| server.slowstart.is_some();
        if !proxy.disabled && proxy.servers.iter().any(slow) {
            tasks.spawn_local(warm_up(Arc::clone(&handles.backend)));
        }
    }
    drop(generation);
    while tasks.join_next().await.is_some() {}
}

/// What is done again and again for a server.
enum Duty {
    /// It is checked.
    Check(Checked),
    /// Its agent is asked.
    Agent(Asked),
}

impl Duty {
    fn interval(&self) -> Duration {
        match self {
            Self::Check(checked) => checked.interval(),
            Self::Agent(asked) => asked.agent.inter,
        }
    }

    /// When it is due.
    fn next(&self) -> &Due {
        match self {
            Self::Check(checked) => &checked.server.next_check,
            Self::Agent(asked) => &asked.server.next_question,
        }
    }
}

/// The servers that are checked and the agents that are asked, each with the time of its next turn:
/// those that had none yet are spread so that they do not all come at once.
fn schedule(generation: &Generation) -> Vec<Duty> {
    let plan = &generation.plan;
    let mut all = Vec::new();
    let began = Instant::now();
    for (id, (proxy, handles)) in plan
        .proxies
        .iter()
        .zip(generation.all_handles())
        .enumerate()
    {
        if proxy.disabled {
            continue;
        }
        for (server, live) in proxy.servers.iter().zip(&handles.servers) {
            if let Some(check) = &server.check {
                all.push(Duty::Check(Checked {
                    plan: Arc::clone(plan),
                    proxy: ProxyId(id as u32),
                    backend: Arc::clone(&handles.backend),
                    server: Arc::clone(live),
                    program: Arc::clone(&handles.check),
                    check: check.clone(),
                    began,
                }));
            }
            if let Some(agent) = &server.agent {
                all.push(Duty::Agent(Asked {
                    backend: Arc::clone(&handles.backend),
                    server: Arc::clone(live),
                    agent: agent.clone(),
                    spread_percent: plan.global.spread_checks,
                    began,
                }));
            }
        }
    }
    let window = pace::start_window(all.iter().map(Duty::interval));
    let count = all.len() as u64;
    for (index, duty) in all.iter().enumerate() {
        if duty.next().at().is_none() {
            let interval = duty.interval();
            let after = pace::first(interval, window, index as u64, count);
            duty.next().set(began + pace::together(after, interval));
        }
    }
    all
}

/// When a turn that is over now is to be followed by the next one. `began` is a moment that all have
/// in common.
fn next_turn(began: Instant, interval: Duration, spread_percent: u8) -> Instant {
    let random = if spread_percent > 0 { random() } else { 0 };
    let pause = pace::spread(interval, spread_percent, random);
    let after = Instant::now().saturating_duration_since(began) + pause;
    began + pace::together(after, interval)
}

async fn warm_up(backend: Arc<Backend>) {
    let mut pause = WARM_UP;
    loop {
        tokio::time::sleep(pause).await;
        let next = backend.warm_up();
        pause = next.map_or(WARM_UP, |next| next.min(WARM_UP));
    }
}

/// Checks a server, again and again.
async fn watch(checked: Checked) {
    let server = &checked.server;
    let mut read = Vec::new();
    loop {
        server.next_check.come().await;
        // A server in maintenance is left alone.
        if !server.is_in_maintenance() && !server.checks_are_paused() {
            // A conversation is large, and rare.
            if let Some(report) = Box::pin(checked.converse(&mut read)).await {
                checked.backend.checked(server, report);
            }
        }
        let percent = checked.plan.global.spread_checks;
        let next = next_turn(checked.began, checked.interval(), percent);
        server.next_check.set(next);
    }
}

/// Any number. It need not be hard to guess.
fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}

/// Ends a check that was begun, whatever becomes of it.
struct UnderWay<'a>(&'a Server);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.end_check();
    }
}

impl Checked {
    fn proxy(&self) -> &Proxy {
        self.plan.proxy(self.proxy)
    }

    fn interval(&self) -> Duration {
        pace::interval(&self.check, &self.server.checked_health())
    }

    /// Makes a check. Nothing may come of one that could not even begin. What it has `read` is left
    /// there for the next one, which HAProxy 1.4 reads on from when this one has waited in vain.
    async fn converse(&self, read: &mut Vec<u8>) -> Option<Report> {
        let started = Instant::now();
        self.server.begin_check();
        let _under_way = UnderWay(&self.server);
        let timeouts = &self.proxy().timeouts;
        let whole = self.interval();
        let state = if self.program.sends_state() {
            self.state()
        } else {
            Vec::new()
        };
        let conversation = Conversation {
            program: &self.program,
            target: self.target(),
            source: self.source(),
            limits: Limits {
                whole: started + whole,
                connect: match (timeouts.check, timeouts.connect) {
                    (Some(_), Some(connect)) => started + whole.min(connect),
                    _ => started + whole,
                },
                answer: timeouts.check,
            },
            room: self.plan.global.tune.chksize as usize,
            v1_4: self.plan.dialect == Dialect::V1_4,
            send_proxy: self.check.send_proxy,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs() as u32);
        let is_up = self.server.checked_health().is_up();
        let mut report = conversation.run((&state, now, is_up), read).await;
        if !(conversation.v1_4 && report.status.is_timeout()) {
            *read = Vec::new();
        }
        match report.obstacle {
            // There the next check is waited for.
            Some(Obstacle::Port) if self.plan.dialect == Dialect::V1_4 => return None,
            // Since 1.5 checks connect as sessions do, who say so.
            Some(Obstacle::Port) => self.backend.tell_of_no_port(),
            Some(Obstacle::Source) => self.backend.tell_of_no_source(),
            None => {}
        }
        let took = Instant::now().saturating_duration_since(started);
        report.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Some(report)
    }

    /// Where the check goes.
    fn target(&self) -> Target {
        let settings = self.server.settings();
        let own = settings
            .socket
            .as_ref()
            .filter(|_| self.check.addr.is_none());
        if let Some(socket) = self.check.socket.as_ref().or(own) {
            return Target::Unix(Arc::clone(socket));
        }
        let ip = self.check.addr.or(settings.address.ip);
        let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let port = settings.check.as_ref().map_or(self.check.port, |c| c.port);
        Target::Internet(SocketAddr::new(ip, port))
    }

    /// Where it comes from.
    fn source(&self) -> Option<Source> {
        let settings = self.server.settings();
        let source = settings.source.as_ref();
        source.or_else(|| self.proxy().source.as_ref()).cloned()
    }

    /// The header that tells a server what is thought of it.
    fn state(&self) -> Vec<u8> {
        let (backend, server) = (&self.backend, &self.server);
        let global = &self.plan.global;
        let node = global.node.clone();
        let node = node.unwrap_or_else(super::statistics::host_name);
        let since_1_5 = self.plan.dialect != Dialect::V1_4;
        server_state(&ServerState {
            state: &server.state().to_string(),
            place: since_1_5.then(|| {
                let Place::Internet(address) = server.place() else {
                    return ("unix".to_owned(), String::new());
                };
                let ip = address.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                let port = match address.port {
                    crate::plan::ServerPort::Fixed(port) => port,
                    crate::plan::ServerPort::Mapped(_) => 0,
                };
                (ip.to_string(), port.to_string())
            }),
            names: (&self.proxy().name, &server.name),
            node: &node,
            weight: (backend.shown_weight(server).0, backend.in_use().weight),
            sessions: (server.sessions(), backend.sessions.now()),
            waiting: server.waiting(),
        })
    }
}
