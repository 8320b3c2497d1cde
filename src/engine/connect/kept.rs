//! Connections that are there already: this client's own, and those that others have left.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use crate::engine::idle::Wanted;
use crate::engine::live::{Place, Server, Slot};
use crate::engine::session::Session;
use crate::engine::transaction::Transaction;
use crate::plan::HttpReuse;

/// Takes a connection that another client, or this one, has left there: `http-reuse`. The first
/// request of a client cannot be repeated by it without notice, so that it is put at risk only
/// when the configuration says so.
pub(super) fn borrow(
    session: &mut Session,
    transaction: &Transaction,
    server: &Arc<Server>,
    at: &Place,
) -> bool {
    let first = transaction.is_first();
    let proven = match session.backend().http_reuse {
        HttpReuse::Never => return false,
        HttpReuse::Safe if first => return false,
        HttpReuse::Aggressive => first,
        HttpReuse::Safe | HttpReuse::Always => false,
    };
    if transaction.is_replayed() {
        return false;
    }
    let v1_8 = session.generation.plan.dialect == Dialect::V1_8;
    let wanted = Wanted {
        server,
        at,
        proven,
        owner: v1_8.then_some(session.card.id),
    };
    let Some(mut link) = session.worker.idle.take(wanted) else {
        return false;
    };
    session.close_server(true);
    link.backend = session.backend;
    session.card.server.replace(Some(Arc::clone(server)));
    session.server = Some(link);
    session.close_lent();
    true
}

/// Whether the kept connection can carry the next request.
pub(super) fn reuse(session: &mut Session, server: Option<&Arc<Server>>, at: &Place) -> bool {
    session.server.as_ref().is_some_and(|link| {
        link.server.as_ref().map(Arc::as_ptr) == server.map(Arc::as_ptr)
            && link.backend == session.backend
            && link.at == *at
            && !link.side.read_closed
            && link.side.socket.is_quiet()
    })
}

/// The request leaves on the connection that is there.
pub(super) fn go_along(session: &mut Session, transaction: &mut Transaction, slot: Option<Slot>) {
    transaction.note_for_replay();
    let now = session.worker.now();
    if let Some(link) = &mut session.server {
        link.slot = slot;
        link.reused = true;
        link.side.active = now;
    }
    session.count_reuse(transaction.server.as_deref());
    transaction.timing.connected = Some(now);
}
