//! Which backend a request goes to.

use super::Transaction;
use crate::acl::Facts;
use crate::engine::session::Session;
use crate::plan::{ProxyId, SwitchingTarget};

impl Transaction {
    /// `use_backend` rules in order, then `default_backend`; a listen section is its own backend.
    pub(super) fn switch(&self, session: &mut Session) {
        let bytes = self.up.buffer.bytes();
        let backend = choose(session, Some((&self.request, bytes)));
        enter(session, backend);
    }

    /// The same without a request.
    pub(crate) fn switch_tcp(&self, session: &mut Session) {
        let backend = choose(session, None);
        enter(session, backend);
    }
}

fn choose(session: &Session, request: Option<(&crate::http1::Head, &[u8])>) -> ProxyId {
    let proxy = session.proxy();
    if proxy.switching.is_empty() {
        return proxy.default_backend.unwrap_or(session.frontend);
    }
    let facts = Facts {
        request,
        source: session.peer,
        destination: session.client.socket.local_addr(),
    };
    let acls = &session.frontend_handles().acls;
    for rule in &proxy.switching {
        let applies = rule
            .condition
            .as_ref()
            .is_none_or(|condition| acls.applies(condition, &facts));
        if applies {
            match rule.target {
                SwitchingTarget::Backend(backend) => return backend,
            }
        }
    }
    proxy.default_backend.unwrap_or(session.frontend)
}

fn enter(session: &mut Session, backend: ProxyId) {
    session.backend = backend;
    session.in_backend = session.backend_handles().backend.sessions.try_enter(0);
}
