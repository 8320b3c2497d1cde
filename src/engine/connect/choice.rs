//! Which server a request gets: now, after a wait in a queue, or none.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use super::Failure;
use super::client::{self, Wait};
use crate::engine::deadline::after;
use crate::engine::live::{Ask, Choice, Server, Slot, Ticket, Turn};
use crate::engine::session::Session;
use crate::engine::transaction::Transaction;
use crate::log::{Cause, Stage};

/// What speaks for one server or against another.
pub(super) struct Wish<'a> {
    /// This one, or none.
    pub(super) only: Option<&'a Arc<Server>>,
    /// This one, when it has room.
    pub(super) preferred: Option<&'a Arc<Server>>,
    /// One that just failed.
    pub(super) failed: Option<&'a Server>,
}

/// The server of the request before, where the next one is to stay with it and there still is a
/// connection: `option prefer-last-server`, or a server that has asked for a password.
pub(super) fn preferred(session: &mut Session, transaction: &Transaction) -> Option<Arc<Server>> {
    let server = session.preferred.take()?;
    let own = session
        .server
        .as_ref()
        .and_then(|link| link.server.as_ref());
    let held = own.is_some_and(|own| Arc::ptr_eq(own, &server)) || session.worker.idle.has(&server);
    (held && transaction.hash.is_none()).then_some(server)
}

/// A slot on a server, now or after a wait in a queue.
pub(super) async fn obtain(
    session: &mut Session,
    transaction: &mut Transaction,
    wish: Wish<'_>,
) -> Result<Slot, Failure> {
    let Wish {
        mut only,
        preferred,
        failed,
    } = wish;
    let redispatch = session.backend().options.redispatch && !transaction.is_forced();
    let since = transaction.timing.received.unwrap_or(session.started);
    let mut left: Option<Arc<Server>> = None;
    let mut full: Option<Arc<Server>> = None;
    let mut waited = false;
    loop {
        let choice = session.backend_handles().backend.choose(Ask {
            only: only.map(|server| &**server),
            preferred: preferred.map(|server| &**server),
            faithful: transaction.is_forced(),
            avoid: left.as_deref().or(full.as_deref()).or(failed),
            hash: transaction.hash,
            since,
        });
        let slot = match choice {
            Choice::Server(slot) => slot,
            Choice::None => {
                session.count_connect_error(None);
                return Err(Failure::new(Cause::ServerAbort, Stage::Connect));
            }
            Choice::Full(server) if redispatch && only.is_some() => {
                only = None;
                // That counts at once, even where the way leads back to the same server.
                session.count_retry(&server, true);
                transaction.redispatched = true;
                transaction.lose_persistence();
                full = Some(server);
                continue;
            }
            Choice::Full(server) => {
                session.count_connect_error(Some(&server));
                transaction.server = Some(server);
                return Err(Failure::new(Cause::ServerAbort, Stage::Queue));
            }
            Choice::Wait(ticket) => match wait(session, transaction, ticket).await? {
                Turn::Served(slot) => {
                    waited = true;
                    slot
                }
                Turn::Elsewhere => {
                    left = only.take().cloned();
                    continue;
                }
            },
        };
        // What comes out of a queue was not balanced.
        let balanced = only.is_none()
            && !waited
            && !preferred.is_some_and(|server| Arc::ptr_eq(server, &slot.server));
        if balanced {
            session.count_choice(&slot.server);
        }
        if let Some(left) = left {
            moved(session, transaction, &left, &slot.server);
        }
        return Ok(slot);
    }
}

/// Waits in a queue.
async fn wait(
    session: &mut Session,
    transaction: &mut Transaction,
    mut ticket: Ticket,
) -> Result<Turn, Failure> {
    match ticket.server {
        Some(_) => transaction.queued.0 += ticket.place,
        None => transaction.queued.1 += ticket.place,
    }
    let timeouts = &session.backend().timeouts;
    let limit = after(session.worker.now(), timeouts.queue.or(timeouts.connect));
    let got = poll_fn(|cx| {
        if let Poll::Ready(turn) = ticket.poll(cx) {
            return Poll::Ready(Ok(turn));
        }
        let over = ready!(client::poll(session, transaction, Wait::Queue, limit, cx));
        Poll::Ready(Err(over.err()))
    })
    .await;
    got.map_err(|given_up| {
        let failure = given_up.unwrap_or_else(|| {
            let cause = if client::is_impatient(session, transaction, session.worker.now()) {
                Cause::ClientTimeout
            } else {
                Cause::ServerTimeout
            };
            Failure::new(cause, Stage::Queue)
        });
        // Who gets no answer has not been in the queue, as far as the log is concerned.
        if failure.status.is_some() {
            session.count_connect_error(ticket.server.as_deref());
            transaction.timing.assigned = Some(session.worker.now());
        }
        transaction.server = ticket.server.clone();
        failure
    })
}

/// A redispatch has found a server: another one than the one that failed, or the same again.
pub(super) fn moved(
    session: &Session,
    transaction: &mut Transaction,
    from: &Arc<Server>,
    to: &Arc<Server>,
) {
    let elsewhere = !Arc::ptr_eq(from, to);
    session.count_retry(from, elsewhere);
    if elsewhere {
        transaction.redispatched = true;
        transaction.lose_persistence();
    }
}
