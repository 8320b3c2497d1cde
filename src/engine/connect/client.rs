//! The client, while there is no server for it: it goes, or says nothing for too long. Whether that
//! ends the wait depends on what is still expected of it.

use std::task::{Context, Poll, ready};

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::Failure;
use crate::engine::deadline::{TOGETHER, earlier};
use crate::engine::session::Session;
use crate::engine::transaction::Transaction;
use crate::log::{Cause, Stage};
use crate::plan::{Balance, Mode};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A place on a server.
    Queue,
    /// The next attempt.
    Rest,
    /// The server's part of the handshake.
    Handshake,
}

impl Wait {
    fn stage(self) -> Stage {
        match self {
            Self::Queue => Stage::Queue,
            Self::Rest | Self::Handshake => Stage::Connect,
        }
    }
}

/// Waits until that time. `Err` when the client ends the wait before.
pub(super) fn poll(
    session: &mut Session,
    transaction: &mut Transaction,
    wait: Wait,
    until: Option<Instant>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Failure>> {
    // What it does after that changes nothing. When both run out together, it is the server that is late.
    let now = session.worker.now();
    let by = until.map_or(now, |until| now.min(until - TOGETHER));
    transaction.unheard |= is_impatient(session, transaction, by);
    let departed = match session.proxy().mode {
        _ if transaction.unheard => Ok(()),
        Mode::Http => watch(session, transaction, wait, cx),
        _ => watch_stream(session, transaction, wait, cx),
    };
    if let Err(failure) = departed {
        return Poll::Ready(Err(failure));
    }
    let patience = patience(session, wait);
    ready!(session.deadline.poll(cx, earlier(until, patience)));
    let now = Instant::now();
    let over = until.is_some_and(|until| until <= now + TOGETHER);
    Poll::Ready(match patience {
        // When both run out together, it is the server that is late.
        Some(at) if at <= now && !over => Err(impatient(session, wait)),
        _ => Ok(()),
    })
}

/// `Err` when a client whose silence counts was silent for too long by the end of an attempt.
pub(super) fn check_patience(session: &Session) -> Result<(), Failure> {
    match patience(session, Wait::Rest) {
        Some(at) if at <= session.worker.now() => Err(impatient(session, Wait::Rest)),
        _ => Ok(()),
    }
}

/// With `balance url_param`, HAProxy looks at requests until they have left: whoever has sent one must
/// stay, and say something now and then.
fn is_examined(session: &Session) -> bool {
    matches!(session.backend().balance, Balance::UrlParam { .. })
}

/// Until when the client may say nothing, where that ends the wait.
fn patience(session: &Session, wait: Wait) -> Option<Instant> {
    let aborts = session.backend().options.abortonclose && wait != Wait::Handshake;
    let counts = session.proxy().mode == Mode::Http && (is_examined(session) || aborts);
    let limit = session.proxy().timeouts.client?;
    (counts && !has_ended(session)).then(|| session.client.active + limit)
}

fn has_ended(session: &Session) -> bool {
    session.client.left || session.client.read_closed
}

/// Whether a client that is read from while there is no server was silent for longer than it may, by
/// the time that the wait for one ended. What HTTP clients have asked for they get all the same.
pub(super) fn is_impatient(session: &Session, transaction: &Transaction, until: Instant) -> bool {
    if transaction.unheard {
        return true;
    }
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    let is_read = match session.proxy().mode {
        Mode::Http => transaction.is_client_read(session),
        _ => v1_4,
    };
    let patience = session.proxy().timeouts.client;
    let patience = patience.filter(|_| !has_ended(session));
    is_read && patience.is_some_and(|limit| session.client.active + limit <= until)
}

fn impatient(session: &Session, wait: Wait) -> Failure {
    let failure = Failure::new(Cause::ClientTimeout, wait.stage());
    failure.answered(!is_examined(session))
}

/// Reads what a client of HTTP owes, and finds out whether it has gone.
fn watch(
    session: &mut Session,
    transaction: &mut Transaction,
    wait: Wait,
    cx: &mut Context<'_>,
) -> Result<(), Failure> {
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    let aborts = session.backend().options.abortonclose;
    let examined = is_examined(session);
    let owed = transaction.up.body.is_awaited();
    let owes = if owed {
        receive(session, transaction, cx)
    } else {
        session.client.poll_watch(cx);
        false
    };
    let gone = Failure::new(Cause::ClientAbort, wait.stage());
    if session.client.broken {
        // Nobody notices it of a client that is not read from.
        let counts = owed || examined || transaction.is_client_read(session);
        let answered = !examined || wait == Wait::Handshake;
        return if counts {
            Err(gone.answered(answered))
        } else {
            Ok(())
        };
    }
    if !has_ended(session) {
        return Ok(());
    }
    let aside = aborts || examined && !transaction.has_body();
    let early = wait == Wait::Handshake && !v1_4 && aside;
    if (owes || examined) && !early {
        return Err(Failure::new(Cause::ClientAbort, Stage::Headers).answered(false));
    }
    if aborts || early { Err(gone) } else { Ok(()) }
}

/// The same for `mode tcp`, where a client may end its stream before anything is said.
fn watch_stream(
    session: &mut Session,
    transaction: &mut Transaction,
    wait: Wait,
    cx: &mut Context<'_>,
) -> Result<(), Failure> {
    let aborts = session.backend().options.abortonclose;
    if aborts || wait == Wait::Rest {
        let known = session.client.broken;
        session.client.poll_watch(cx);
        let client = &session.client;
        // Its reset has nobody else to be told apart from.
        if wait == Wait::Rest && client.broken && !known {
            return Err(Failure::new(Cause::ClientAbort, Stage::Data));
        }
        if aborts && (client.left || client.read_closed || client.broken) {
            return Err(Failure::new(Cause::ClientAbort, wait.stage()));
        }
    }
    if wait == Wait::Queue || !transaction.up.body.is_awaited() {
        return Ok(());
    }
    let owes = receive(session, transaction, cx);
    if session.client.broken {
        return Err(Failure::new(Cause::ClientAbort, Stage::Connect));
    }
    if session.client.read_closed && owes {
        return Err(Failure::new(Cause::ClientAbort, Stage::Headers).answered(false));
    }
    Ok(())
}

/// Receives what there is room for. Answers whether there is more to come.
fn receive(session: &mut Session, transaction: &mut Transaction, cx: &mut Context<'_>) -> bool {
    let up = &mut transaction.up;
    let bufsize = session.generation.plan.global.tune.bufsize as usize;
    while !session.client.read_closed
        && up
            .poll_fill(cx, &mut session.client, &session.worker, bufsize)
            .is_ready()
    {}
    let mut body = up.body;
    // What is wrong with it is found out when it leaves.
    let known = body.advance(&up.buffer.bytes()[up.scheduled..]);
    known.is_ok() && body.is_awaited()
}
