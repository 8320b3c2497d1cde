//! From "this backend" to a connected server: who is asked, how often, and what comes of it.
//!
//! - `choice`: which server, and the queues; `kept`: connections that are there already;
//! - `attempt`: one try;
//! - `client`: whether there still is somebody to connect for.

mod attempt;
mod choice;
mod client;
mod kept;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::deadline;
use super::live::{Place, Server, Sign, Slot, Whereabouts};
use super::session::Session;
use super::transaction::Transaction;
use crate::log::{Cause, Stage, Termination};
use crate::plan::{Balance, ErrorStatus, Mode, ServerAddress, ServerPort, Way};

use attempt::{Missed, attempt, resolve};
use choice::{Wish, moved, obtain, preferred};
use client::Wait;
use kept::{borrow, go_along, reuse, reuse_directly};

/// Why there is no connection to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// What the log says.
    pub(crate) termination: Termination,
    /// What an HTTP client gets.
    pub(crate) status: Option<ErrorStatus>,
    /// Nothing is wrong: the server wants its clients to be sent elsewhere (`redir`).
    pub(crate) redirect: bool,
}

impl Failure {
    fn new(cause: Cause, stage: Stage) -> Self {
        Self {
            termination: Termination::new(cause, stage),
            status: Some(ErrorStatus::S503),
            redirect: false,
        }
    }

    /// The same, with or without an answer to the client.
    fn answered(self, answered: bool) -> Self {
        Self {
            status: self.status.filter(|_| answered),
            ..self
        }
    }

    /// Whether there was no server at all.
    fn is_hopeless(&self) -> bool {
        self.termination == Termination::new(Cause::ServerAbort, Stage::Connect)
    }

    fn redirect() -> Self {
        Self {
            redirect: true,
            ..Self::new(Cause::Proxy, Stage::Connect)
        }
    }
}

/// How long an attempt waits after one that was refused, at most.
const TURN_AROUND: Duration = Duration::from_secs(1);

/// How long an attempt waits after one that was refused: since 1.5 not longer than for an answer.
fn turn_around(session: &Session) -> Duration {
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    let timeout = session.backend().timeouts.connect.filter(|_| !v1_4);
    timeout.map_or(TURN_AROUND, |timeout| timeout.min(TURN_AROUND))
}

/// Connects to a server of the session's backend, and sends the first bytes when there are any.
/// A connection that was kept is used again when its server is chosen.
pub(crate) async fn connect(
    session: &mut Session,
    transaction: &mut Transaction,
) -> Result<(), Failure> {
    transaction.connecting = true;
    let way = session.backend().way();
    if way != Way::Balanced && transaction.sticky.is_none() {
        return connect_directly(session, transaction, way).await;
    }
    let attempts = session.backend().retries;
    let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
    let mut only: Option<Arc<Server>> = transaction.sticky.clone();
    let mut preferred = preferred(session, transaction);
    let mut failed: Option<Arc<Server>> = None;
    // The slot is kept from one attempt to the next on the same server.
    let mut held: Option<Slot> = None;
    loop {
        let slot = match held.take() {
            Some(slot) => {
                session.count_retry(&slot.server, false);
                slot
            }
            None => {
                let slot = {
                    let wish = Wish {
                        only: only.as_ref(),
                        preferred: preferred.as_ref(),
                        failed: failed.as_deref(),
                    };
                    let obtained = obtain(session, transaction, wish).await;
                    if let (Err(failure), Some(failed)) = (&obtained, &failed)
                        && failure.is_hopeless()
                    {
                        // It was left all the same.
                        session.count_retry(failed, true);
                    }
                    obtained?
                };
                // Whoever fails has been asked.
                (only, preferred) = (None, None);
                if let Some(failed) = failed.take() {
                    moved(session, transaction, &failed, &slot.server);
                }
                // Another attempt there is no other choice.
                transaction.timing.assigned = Some(session.worker.now());
                slot
            }
        };
        transaction.server = Some(Arc::clone(&slot.server));
        if transaction.redirects(&slot.server) {
            session.count_visit(&slot.server);
            return Err(Failure::redirect());
        }
        let kept = reuse(session, &slot.server) || borrow(session, transaction, &slot.server);
        transaction.dress(session, &slot.server, !kept);
        if kept {
            go_along(session, transaction, Some(slot));
            return Ok(());
        }
        session.close_server(true);
        session.close_lent();
        if slot.server.maxconn.get() > 0 {
            session.worker.idle.make_room(&slot.server);
        }
        let server = Arc::clone(&slot.server);
        held = Some(slot);
        let began = session.worker.now();
        // It may be one that a reload has just added: it knows its address itself.
        let at = server.whereabouts();
        let missed = match attempt(session, transaction, at, &mut held).await {
            Ok(()) => {
                transaction.timing.connected = Some(session.worker.now());
                session.observe(&server, Sign::Connected);
                return Ok(());
            }
            Err(missed) => missed,
        };
        session.observe(&server, Sign::Unreachable);
        if let Some(mut link) = session.server.take() {
            held = link.slot.take();
        }
        if let Missed::Client(failure) = missed {
            return Err(failure);
        }
        if transaction.retries >= attempts {
            let failure = unreachable(session, transaction, Some(&server), began, missed);
            return Err(failure);
        }
        transaction.retries += 1;
        let easy = !v1_4 && is_easily_replaced(session, transaction);
        let elsewhere = session.backend().options.redispatch
            && (transaction.retries == attempts || easy && transaction.sticky.is_none())
            && !transaction.is_forced();
        if elsewhere {
            held = None;
            failed = Some(Arc::clone(&server));
        }
        // What is refused is given time to get better. 1.4 waits even before it turns to another server.
        if matches!(missed, Missed::Refused) && !(elsewhere && easy) {
            rest(session, transaction, Some(&server)).await?;
        }
        if matches!(missed, Missed::TimedOut) {
            client::check_patience(session)?;
        }
    }
}

/// Waits before another attempt, unless the client goes meanwhile.
async fn rest(
    session: &mut Session,
    transaction: &mut Transaction,
    server: Option<&Server>,
) -> Result<(), Failure> {
    let until = session.worker.now() + turn_around(session);
    let http = session.proxy().mode == Mode::Http;
    let mut known = session.client.broken;
    let result = poll_fn(|cx| {
        let polled = client::poll(session, transaction, Wait::Rest, Some(until), cx);
        if http && !known && session.client.broken && !transaction.up.body.is_awaited() {
            known = true;
            session.count_reset(server);
        }
        polled
    })
    .await;
    // The attempt that does not come counts all the same.
    if let (Err(_), Some(server)) = (&result, server) {
        session.count_retry(server, false);
    }
    result
}

/// Connects where a backend says that does not balance.
async fn connect_directly(
    session: &mut Session,
    transaction: &mut Transaction,
    way: Way,
) -> Result<(), Failure> {
    let wanted = || session.destination();
    let address = match way {
        Way::Balanced => None,
        // 1.4 asks for an address in the URL even where it does not use it.
        Way::Dispatch(_)
            if session.backend().options.http_proxy && transaction.url_address.is_none() =>
        {
            None
        }
        Way::Dispatch(address) => resolve(address, wanted),
        Way::Url => transaction.url_address,
        Way::Destination => wanted(),
    };
    let Some(address) = address else {
        session.count_connect_error(None);
        return Err(Failure::new(Cause::ServerAbort, Stage::Connect));
    };
    transaction.timing.assigned = Some(session.worker.now());
    let at = literal(address);
    if reuse_directly(session, &at) {
        go_along(session, transaction, None);
        return Ok(());
    }
    session.close_server(true);
    loop {
        let began = session.worker.now();
        let Err(missed) = attempt(session, transaction, at.clone(), &mut None).await else {
            transaction.timing.connected = Some(session.worker.now());
            return Ok(());
        };
        session.server = None;
        if let Missed::Client(failure) = missed {
            return Err(failure);
        }
        if transaction.retries >= session.backend().retries {
            return Err(unreachable(session, transaction, None, began, missed));
        }
        transaction.retries += 1;
        if matches!(missed, Missed::Refused) {
            rest(session, transaction, None).await?;
        }
    }
}

/// There was no attempt left.
fn unreachable(
    session: &Session,
    transaction: &Transaction,
    server: Option<&Server>,
    began: Instant,
    last: Missed,
) -> Failure {
    session.count_connect_error(server);
    let timed_out = matches!(last, Missed::TimedOut);
    let timeout = session.backend().timeouts.connect.filter(|_| timed_out);
    // When both run out together, it is the server that is late.
    let ended = timeout.map_or_else(
        || session.worker.now(),
        |timeout| began + timeout.saturating_sub(deadline::TOGETHER),
    );
    let cause = if client::is_impatient(session, transaction, ended) {
        Cause::ClientTimeout
    } else if timed_out {
        Cause::ServerTimeout
    } else {
        Cause::ServerAbort
    };
    Failure::new(cause, Stage::Connect)
}

/// Whether one server is as good as another, and there are several: since 1.5 such a request turns
/// to another server at once.
fn is_easily_replaced(session: &Session, transaction: &Transaction) -> bool {
    let in_turn = matches!(
        session.backend().balance,
        Balance::RoundRobin | Balance::StaticRr
    );
    let (active, _) = session.backend_handles().backend.usable_servers();
    in_turn && transaction.hash.is_none() && active > 1
}

/// An address as one of servers.
fn literal(address: SocketAddr) -> Whereabouts {
    Whereabouts::fixed(Place::Internet(ServerAddress {
        ip: Some(address.ip()),
        port: ServerPort::Fixed(address.port()),
    }))
}
