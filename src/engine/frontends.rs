//! Frontends that are closed for a while or for good, and opened again.

use std::sync::atomic::Ordering;

use super::control::FrontendOrder;
use super::listening::{self, ListenerKey};
use super::{Engine, EngineError};
use crate::plan::{Plan, ProxyId};

impl Engine {
    /// Closes all listening sockets for a while: another process wants the addresses.
    pub fn pause(&mut self) {
        let keys: Vec<ListenerKey> = self.listening.keys().cloned().collect();
        for key in &keys {
            self.unlisten(key);
        }
        self.paused = true;
        self.pause_doors();
        self.show_paused(true);
    }

    /// Has the statistics say that frontends listen, or do not.
    fn show_paused(&self, paused: bool) {
        let generation = self.shared.current.load();
        for (proxy, handles) in generation.plan.proxies.iter().zip(generation.all_handles()) {
            let paused = paused || self.disabled.contains(&proxy.name);
            handles.frontend.paused.store(paused, Ordering::Relaxed);
        }
    }

    pub(super) fn unpause(&mut self) {
        if !std::mem::take(&mut self.paused) {
            return;
        }
        self.resume_doors();
        self.show_paused(false);
    }

    /// Whether [`Engine::pause`] was called, and not [`Engine::resume`] after it.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Stops listening for one proxy of the plan in service.
    pub fn stop_listening(&mut self, id: ProxyId) {
        let plan = self.plan();
        for listener in &plan.proxy(id).listeners {
            self.unlisten(&ListenerKey::of(listener));
        }
    }

    /// Listens again after [`Engine::pause`].
    ///
    /// # Errors
    /// The first socket that cannot be opened.
    pub fn resume(&mut self) -> Result<(), EngineError> {
        if self.draining {
            return Ok(());
        }
        let plan = self.plan();
        let missing: Vec<ListenerKey> = listening::wanted(&plan)
            .into_iter()
            .filter(|(_, (id, _))| !self.is_closed(ProxyId(*id as u32)))
            .map(|(key, _)| key)
            .filter(|key| !self.listening.contains_key(key))
            .collect();
        let opened = self.opener.open(&plan, &missing, self.workers.len())?;
        self.hand_out(&plan, opened);
        self.unpause();
        Ok(())
    }

    /// Whether an administrator has closed a frontend of the plan in service.
    fn is_closed(&self, id: ProxyId) -> bool {
        let generation = self.shared.current.load();
        let stopped = &generation.handles(id).frontend.stopped;
        self.disabled.contains(&generation.proxy(id).name) || stopped.load(Ordering::Relaxed)
    }

    /// A new plan opens what was shut down, and forgets what it does not have.
    pub(super) fn note_reopened(&mut self, plan: &Plan) {
        self.disabled
            .retain(|name| plan.proxies.iter().any(|proxy| proxy.name == *name));
        for handles in self.shared.current.load().all_handles() {
            handles.frontend.stopped.store(false, Ordering::Relaxed);
        }
    }

    /// Closes a frontend of the plan in service, or opens it again. A frontend that is disabled
    /// stays so over reloads, by its name.
    ///
    /// # Errors
    /// The first socket that cannot be opened; it stays closed then.
    pub fn order_frontend(&mut self, id: ProxyId, order: FrontendOrder) -> Result<(), EngineError> {
        let generation = self.shared.current.load_full();
        let frontend = &generation.handles(id).frontend;
        let proxy = generation.proxy(id);
        match order {
            FrontendOrder::Disable => {
                self.stop_listening(id);
                self.disabled.insert(proxy.name.clone());
                frontend.paused.store(true, Ordering::Relaxed);
            }
            FrontendOrder::Shutdown => {
                let keys = proxy.listeners.iter().map(ListenerKey::of);
                let keys: Vec<ListenerKey> = keys.collect();
                self.stop_listening(id);
                self.opener.remove(&keys);
                frontend.stopped.store(true, Ordering::Relaxed);
            }
            FrontendOrder::Enable => {
                let plan = &generation.plan;
                if !self.paused && !self.draining {
                    let keys: Vec<ListenerKey> = listening::wanted(plan)
                        .into_iter()
                        .filter(|(_, (owner, _))| *owner == id.0 as usize)
                        .map(|(key, _)| key)
                        .filter(|key| !self.listening.contains_key(key))
                        .collect();
                    let opened = self.opener.open(plan, &keys, self.workers.len())?;
                    self.hand_out(plan, opened);
                }
                self.disabled.remove(&proxy.name);
                frontend.paused.store(self.paused, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
