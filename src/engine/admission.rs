//! Whether another client connection may begin: within the limits of process and frontend, and not
//! more often than the frontend allows. Manual 1.4, section 4.2 "maxconn", "rate-limit sessions".
//!
//! Connections that must wait are accepted all the same and held, up to a number: only so can they
//! begin in the order of their coming when several workers listen.

use std::rc::Rc;
use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use super::generation::Generation;
use super::listening::ListenerKey;
use super::live::{Entered, Frontend, Registry};
use super::timers;
use super::worker::Worker;
use crate::plan::{Proxy, ProxyId};

/// What a connection takes up.
#[derive(Debug)]
pub(crate) struct Places {
    /// A place in the process.
    pub(crate) process: Entered,
    /// One in the frontend.
    pub(crate) frontend: Entered,
    /// One in the listener, where that has a limit of its own.
    pub(crate) listener: Option<Entered>,
}

impl Places {
    /// Says that the places are really used.
    pub(crate) fn confirm(&self) {
        self.process.confirm();
        self.frontend.confirm();
        if let Some(listener) = &self.listener {
            listener.confirm();
        }
    }
}

/// How many connections a worker holds that may not begin yet. Others wait in the kernel.
const HELD: usize = 1024;

/// The places, when they are free and nobody waits. `None` when there is a wait, or when the socket
/// belongs to no frontend any more.
pub(crate) fn try_enter(worker: &Worker, key: &ListenerKey) -> Option<Places> {
    let generation = worker.generation();
    let (id, index) = generation.listener(key)?;
    let handles = generation.handles(id);
    let listener = match generation.proxy(id).listeners[index].maxconn {
        0 => None,
        limit => Some(handles.listeners[index].sessions.try_enter(limit)?),
    };
    let frontend = &handles.frontend;
    let frontend = frontend.sessions.try_enter(frontend.maxconn.get())?;
    let registry = &worker.shared.registry;
    let process = registry.process.try_enter(registry.maxconn.get())?;
    Some(Places {
        process,
        frontend,
        listener,
    })
}

/// Whether a connection that has its places may begin as far as the rate is concerned, which is
/// counted.
pub(crate) fn passes(registry: &Registry, generation: &Generation, id: ProxyId) -> bool {
    let proxy = generation.proxy(id);
    if !is_limited(registry, proxy) {
        return true;
    }
    let frontend = &generation.handles(id).frontend;
    // Whoever is held for the rate has come before.
    let dialect = generation.plan.dialect;
    frontend.turnstile.try_lock().is_ok() && pass(registry, proxy, frontend, dialect).is_ok()
}

/// Waits for the places. `None` when the socket belongs to no frontend any more.
pub(crate) async fn enter(worker: &Worker, key: &ListenerKey) -> Option<Places> {
    let generation = worker.generation();
    let (id, index) = generation.listener(key)?;
    let proxy = generation.proxy(id);
    let listener = match proxy.listeners[index].maxconn {
        0 => None,
        limit => {
            let listener = &generation.handles(id).listeners[index];
            Some(listener.sessions.enter(limit).await)
        }
    };
    let frontend = Arc::clone(&generation.handles(id).frontend);
    let own = frontend.sessions.enter(frontend.maxconn.get()).await;
    let registry = &worker.shared.registry;
    if is_limited(registry, proxy) {
        // One after the other, in the order of their coming.
        let _turn = frontend.turnstile.lock().await;
        while let Err(wait) = pass(registry, proxy, &frontend, generation.plan.dialect) {
            timers::sleep(wait).await;
        }
    }
    let process = registry.process.enter(registry.maxconn.get()).await;
    Some(Places {
        process,
        frontend: own,
        listener,
    })
}

/// Whether rates matter.
fn is_limited(registry: &Registry, proxy: &Proxy) -> bool {
    let rates = [&registry.connection_rate, &registry.session_rate];
    proxy.rate_limit_sessions != 0 || rates.iter().any(|rate| rate.limit.get() != 0)
}

fn pass(
    registry: &Registry,
    proxy: &Proxy,
    frontend: &Frontend,
    dialect: Dialect,
) -> Result<(), std::time::Duration> {
    let limit = proxy.rate_limit_sessions;
    let now = tokio::time::Instant::now();
    if limit != 0 {
        frontend
            .rate_limit
            .try_pass(limit, dialect == Dialect::V1_4, now)?;
    }
    registry.connection_rate.try_pass(now)?;
    registry.session_rate.try_pass(now)
}

/// One connection that is held.
pub(crate) struct Held(Rc<Worker>);

impl Held {
    /// Counts one, unless there are too many.
    pub(crate) fn new(worker: &Rc<Worker>) -> Option<Self> {
        let held = worker.held.get();
        if held >= HELD {
            return None;
        }
        worker.held.set(held + 1);
        Some(Self(Rc::clone(worker)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get() - 1);
    }
}
