//! Connections that are there already: this client's own, and those that others have left.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use crate::engine::idle::Wanted;
use crate::engine::live::{Server, Slot, Whereabouts};
use crate::engine::session::{Link, Session};
use crate::engine::transaction::Transaction;
use crate::plan::HttpReuse;

/// Takes a connection that another client, or this one, has left there: `http-reuse`. The first
/// request of a client cannot be repeated by it without notice, so that it is put at risk only
/// when the configuration says so.
pub(super) fn borrow(
    session: &mut Session,
    transaction: &Transaction,
    server: &Arc<Server>,
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
        at: &server.whereabouts(),
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

/// Whether the kept connection can carry the next request to that server.
pub(super) fn reuse(session: &Session, server: &Arc<Server>) -> bool {
    is_kept(session, |link| {
        let own = link.server.as_ref();
        own.is_some_and(|own| Arc::ptr_eq(own, server)) && server.is_still_at(&link.at)
    })
}

/// The same where there is no server, but an address.
pub(super) fn reuse_directly(session: &Session, at: &Whereabouts) -> bool {
    is_kept(session, |link| link.server.is_none() && link.at == *at)
}

/// Whether there is a connection that leads where it should, and can be used again.
fn is_kept(session: &Session, leads: impl Fn(&Link) -> bool) -> bool {
    session.server.as_ref().is_some_and(|link| {
        leads(link)
            && link.backend == session.backend
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
