//! What a plan listens on, opened before privileges are dropped and threads are started.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::EngineError;
use super::doors::Doors;
use super::listening::{self, ListenError, Local, Opener as _, Place, Sockets};
use crate::plan::Plan;

/// Listening sockets opened for a plan, before privileges are dropped and threads are started.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(super) sockets: Sockets,
    pub(super) doors: Doors,
    workers: usize,
}

impl Listeners {
    /// Opens and binds everything that a plan listens on, but for what is there already: sockets
    /// that the process before this one has passed on. Those that the plan does not want are closed.
    ///
    /// # Errors
    /// The first socket that cannot be opened; none is left open then.
    pub fn open(plan: &Plan, inherited: &Sockets) -> Result<Self, EngineError> {
        let workers = worker_count(plan);
        let mut sockets = Sockets::new();
        let mut missing = Vec::new();
        for (key, place) in listening::wanted(plan) {
            match inherited.get(&key) {
                Some(known) if !known.is_empty() => {
                    refit(plan, place, known)?;
                    sockets.insert(key, known.clone());
                }
                _ => missing.push(key),
            }
        }
        sockets.extend(Local.open(plan, &missing, workers)?);
        let (stats, metrics) = (&plan.global.stats_sockets, &plan.global.metrics);
        Ok(Self {
            sockets,
            doors: Doors::open(&mut Local, plan, stats.clone(), metrics.clone())?,
            workers,
        })
    }

    /// How many workers they are for.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Whether there is nothing to listen on.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }
}

/// Gives open sockets the settings of a plan.
pub(super) fn refit(
    plan: &Plan,
    (id, index): Place,
    sockets: &[Arc<OwnedFd>],
) -> Result<(), ListenError> {
    let proxy = &plan.proxies[id];
    for socket in sockets {
        listening::refit(socket, proxy, &proxy.listeners[index])?;
    }
    Ok(())
}

/// `nbthread` or `nbproc` when given, otherwise one for every usable core.
fn worker_count(plan: &Plan) -> usize {
    plan.global.workers.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |workers| usize::from(workers).max(1),
    )
}
