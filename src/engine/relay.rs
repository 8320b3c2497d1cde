//! `mode tcp`: content is inspected as far as rules want it, a server connected to, and all else is an
//! exchange that is a tunnel from its start.

use haproxy_cfg_grammar::Dialect;

use super::connect;
use super::duties::Duty;
use super::exchange::{Exchange, Outcome, Response};
use super::session::{Line, Session, Written};
use super::transaction::{NOWHERE, Transaction};
use super::worker::Worker;
use crate::log::{Cause, Stage, Termination, Timers};

/// `mode tcp`: connects to a server and relays until both sides have closed.
pub(crate) async fn relay(session: &mut Session) {
    let mut transaction = session.worker.take_transaction();
    let termination = relay_through(session, &mut transaction).await;
    session.count_tcp_end(&transaction, termination);
    if !transaction.logged {
        log_relay(session, &transaction, termination, Written::End);
    }
    transaction.trace_end(session);
    let broken = session.client.broken;
    session.close_server(broken);
    let worker: &Worker = &session.worker;
    worker.give_transaction(transaction);
}

/// Writes the line of a session in `mode tcp`. `false` when it was left out as ordinary.
fn log_relay(
    session: &Session,
    transaction: &Transaction,
    termination: Termination,
    moment: Written,
) -> bool {
    session.log(&Line {
        server: transaction.server_name(),
        timers: Timers {
            request: -1,
            queue: transaction.timing.queue(session),
            connect: transaction.timing.connect(),
            response: -1,
            total: session.elapsed(session.worker.now()),
        },
        bytes: transaction.down.read,
        termination,
        counts: crate::log::Counts {
            server_queue: transaction.queued.0,
            backend_queue: transaction.queued.1,
            ..session.counts(moment, transaction.server.as_deref())
        },
        retries: transaction.logged_retries(session),
        redispatched: transaction.redispatched,
        http: None,
    })
}

/// The end of a connection that a rule over its content rejects.
fn reject(session: &mut Session) -> Termination {
    session.close_client();
    session.count_denied(true);
    Termination::new(Cause::Proxy, Stage::Request)
}

async fn relay_through(session: &mut Session, transaction: &mut Transaction) -> Termination {
    transaction.duties = session.frontend_handles().duties;
    if transaction.duties.has(Duty::Content) && !transaction.inspect(session).await {
        return reject(session);
    }
    transaction.switch_tcp(session);
    if session.backend().disabled {
        session.close_client();
        return NOWHERE;
    }
    let duties = transaction.duties.and(session.backend_handles().duties);
    transaction.duties = duties;
    if duties.has(Duty::Content) && !transaction.inspect_for_backend(session).await {
        return reject(session);
    }
    if transaction.has_no_client(session).await {
        session.close_client();
        return if session.client.broken {
            Termination::new(Cause::ClientAbort, Stage::Request)
        } else {
            Termination::default()
        };
    }
    if duties.has(Duty::Content) {
        transaction.settle_first_bytes(session);
    }
    if duties.has(Duty::Placement) {
        transaction.server_rules(session, false);
        transaction.persist_rdp_cookie(session);
        transaction.stick(session, false);
        transaction.hash = transaction.hash_connection(session);
    }
    transaction.up.tunnel();
    transaction.down.tunnel();
    if let Err(failure) = connect::connect(session, transaction).await {
        session.close_client();
        return failure.termination;
    }
    if duties.has(Duty::Response) {
        transaction.remember_server(session, false);
    }
    if session.proxy().logs_early() {
        // The line of a session that has got to a server is there already when it ends.
        let begun = Termination::default();
        transaction.logged = log_relay(session, transaction, begun, Written::Early);
    }
    let exchange = Exchange {
        v1_4: session.generation.plan.dialect == Dialect::V1_4,
        tunnel: true,
        response: Response::Begun,
        ..Exchange::default()
    };
    match exchange.run(session, transaction).await {
        Outcome::Failed(termination, _) | Outcome::Closed(termination) => termination,
        Outcome::Complete => Termination::default(),
    }
}
