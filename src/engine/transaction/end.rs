//! Why a transaction ends before its response is complete.

use super::{Next, Transaction};
use crate::engine::accounting::Incident;
use crate::engine::session::{Session, Written};
use crate::log::{Cause, Stage, Termination};
use crate::plan::ErrorStatus;

/// There is no backend, or a disabled one.
pub(crate) const NOWHERE: Termination = Termination::new(Cause::ServerAbort, Stage::Connect);

/// Why a transaction ends before its response is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(super) termination: Termination,
    /// What the client gets.
    pub(super) status: Option<ErrorStatus>,
    /// Whether there is a log line.
    pub(super) logged: bool,
    /// Whether it counts: a client that leaves between requests has done nothing.
    pub(super) counted: bool,
}

impl End {
    pub(super) fn new(termination: Termination, status: Option<ErrorStatus>) -> Self {
        Self {
            termination,
            status,
            logged: true,
            counted: true,
        }
    }

    /// Answers, logs and closes.
    pub(super) async fn conclude(
        self,
        session: &mut Session,
        transaction: &mut Transaction,
    ) -> Next {
        if let Some(status) = self.status {
            transaction.reply_error(session, status).await;
        }
        if self.counted {
            transaction.account(session, self.termination);
        }
        if self.logged {
            transaction.log(session, self.termination, Written::End);
        }
        Next::Close
    }
}

impl Transaction {
    /// The end of a connection that a rule over its content rejects.
    pub(super) fn reject(&mut self) -> End {
        self.incident = Some(Incident::ContentRejected);
        End::new(Termination::new(Cause::Proxy, Stage::Request), None)
    }

    /// There is nowhere to go; the log does not say when the request was complete.
    pub(super) fn nowhere(&mut self) -> End {
        self.timing.received = None;
        End::new(NOWHERE, Some(ErrorStatus::S503))
    }
}
