//! Which backend a request goes to.

use super::Transaction;
use crate::engine::session::Session;
use crate::plan::{ProxyId, SwitchingTarget};
use crate::sample::format;

impl Transaction {
    /// `use_backend` rules in order, then `default_backend`; a listen section is its own backend.
    pub(super) fn switch(&self, session: &mut Session) {
        if !self.switched {
            let backend = self.choose(session, true);
            enter(session, backend);
        }
    }

    /// The same without a request.
    pub(crate) fn switch_tcp(&self, session: &mut Session) {
        let backend = self.choose(session, false);
        enter(session, backend);
    }

    fn choose(&self, session: &Session, http: bool) -> ProxyId {
        let proxy = session.proxy();
        if !proxy.switching.is_empty() {
            let facts = if http {
                self.request_facts(session, session.frontend)
            } else {
                let content = super::rules::whole(self.up.buffer.bytes());
                self.facts(session, session.frontend, content)
            };
            let handles = session.frontend_handles();
            let first = handles.switching.find(
                &proxy.switching,
                |rule| rule.condition.as_ref(),
                &handles.acls,
                &facts,
            );
            let backend = first.and_then(|rule| match &rule.target {
                SwitchingTarget::Backend(backend) => Some(*backend),
                SwitchingTarget::Named(format) => {
                    let mut name = Vec::new();
                    format::write(format, &facts, &mut name);
                    session.generation.backends.find(&name, proxy.mode)
                }
            });
            session.report_hopeless_pattern();
            if let Some(backend) = backend {
                return backend;
            }
        }
        proxy.default_backend.unwrap_or(session.frontend)
    }
}

/// Puts a session into a backend.
pub(super) fn enter(session: &mut Session, backend: ProxyId) {
    session.backend = backend;
    session.card.backend.set(Some(backend));
    if session.backend().disabled {
        // It counts nothing, and serves nobody.
        return;
    }
    let second = session.worker.second();
    let live = &session.backend_handles().backend;
    live.counters.count_session(session.worker.index, second);
    session.in_backend = Some(live.sessions.join());
}
