//! Decisions on the first bytes of a connection. Manual 1.4, section 4.2 "tcp-request content".

use std::future::poll_fn;
use std::task::Poll;

use haproxy_cfg_grammar::Dialect;

use super::Transaction;
use crate::acl::Verdict;
use crate::engine::deadline::{after, earlier};
use crate::engine::session::Session;
use crate::plan::{Mode, ProxyId, TcpAction};
use crate::sample::{Certainty, Content, content};
use crate::stick_table::{Span, track};

impl Transaction {
    /// Waits until the rules of the frontend can decide. Answers whether the connection is accepted.
    pub(crate) async fn inspect(&mut self, session: &mut Session) -> bool {
        self.inspect_for(session, session.frontend).await
    }

    /// The same for a backend that was chosen: since 1.5 its rules have a say, too.
    pub(crate) async fn inspect_for_backend(&mut self, session: &mut Session) -> bool {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let own = session.backend == session.frontend;
        own || v1_4 || self.inspect_for(session, session.backend).await
    }

    async fn inspect_for(&mut self, session: &mut Session, id: ProxyId) -> bool {
        if session.generation.proxy(id).tcp_rules.content.is_empty() {
            return true;
        }
        let tune = &session.generation.plan.global.tune;
        let limit = tune.unreserved();
        let delay = session.generation.proxy(id).tcp_rules.inspect_delay;
        let until = delay.map(|delay| session.worker.now() + delay);
        let timeout = session.proxy().timeouts.client;
        // Rules that count do so once, however often the bytes are looked at.
        let mut counted = 0;
        if id == session.frontend {
            counted = session.tracking.run_ahead();
        }
        poll_fn(|cx| {
            loop {
                let expired = until.is_none_or(|until| session.worker.now() >= until);
                let may_grow =
                    !expired && !session.client.read_closed && self.up.buffer.len() < limit;
                if let Some(accepted) = self.decide(session, id, may_grow, &mut counted) {
                    return Poll::Ready(accepted);
                }
                let buffer = &mut self.up.buffer;
                if session
                    .client
                    .poll_fill(cx, buffer, &session.worker, limit)
                    .is_pending()
                {
                    let at = earlier(until, after(session.client.active, timeout));
                    if session.deadline.poll(cx, at).is_pending() {
                        return Poll::Pending;
                    }
                    // The rules decide with what there is.
                    return Poll::Ready(
                        self.decide(session, id, false, &mut counted)
                            .unwrap_or(false),
                    );
                }
            }
        })
        .await
    }

    /// Leaves the first bytes as HAProxy does when rules have looked at them as HTTP.
    pub(crate) fn settle_first_bytes(&mut self, session: &Session) {
        if !session.frontend_handles().sees_http {
            return;
        }
        let dialect = session.generation.plan.dialect;
        let Some(bytes) = content::seen_as_http(self.up.buffer.bytes(), dialect) else {
            return;
        };
        self.up.buffer.consume(self.up.buffer.len());
        let limit = session.generation.plan.global.tune.bufsize as usize;
        let room = self.up.buffer.room(&session.worker.pool, limit);
        let fits = bytes.len().min(room.len());
        room[..fits].copy_from_slice(&bytes[..fits]);
        self.up.buffer.filled(fits);
    }

    /// Whether the client has left already and said nothing, as whoever only looks whether the port is
    /// open does. No server is troubled with that.
    pub(crate) async fn has_no_client(&mut self, session: &mut Session) -> bool {
        if !self.up.buffer.is_empty() {
            return false;
        }
        let tune = &session.generation.plan.global.tune;
        let limit = tune.unreserved();
        poll_fn(|cx| {
            let (client, worker) = (&mut session.client, &session.worker);
            let found = client.poll_fill(cx, &mut self.up.buffer, worker, limit);
            Poll::Ready(matches!(found, Poll::Ready(0)))
        })
        .await
    }

    /// What the rules say of the bytes so far; `None` when more must come first. The rules before
    /// `counted` have done what they do.
    fn decide(
        &self,
        session: &Session,
        id: ProxyId,
        may_grow: bool,
        counted: &mut usize,
    ) -> Option<bool> {
        let content = Content {
            bytes: self.up.buffer.bytes(),
            may_grow,
        };
        let facts = if id == session.frontend || session.proxy().mode != Mode::Http {
            self.facts(session, id, content)
        } else {
            self.request_facts(session, id)
        };
        let acls = &session.generation.handles(id).acls;
        let rules = session.generation.proxy(id).tcp_rules.content.iter();
        for (n, rule) in rules.enumerate().skip(*counted) {
            let verdict = acls.verdict(rule.condition.as_ref(), &facts);
            session.report_hopeless_pattern();
            match (verdict, &rule.action) {
                (Verdict::Unknown, _) if may_grow => return None,
                (Verdict::Unknown | Verdict::Fails, _) => {}
                (Verdict::Holds, TcpAction::Accept) => return Some(true),
                (Verdict::Holds, TcpAction::Reject) => return Some(false),
                (Verdict::Holds, TcpAction::Tracking(action)) => {
                    // What is to be tracked may stand in bytes that have not come.
                    let certain = track::act(action, &facts, Span::Request);
                    if certain == Certainty::MayChange && may_grow {
                        return None;
                    }
                    *counted = n + 1;
                }
            }
        }
        Some(true)
    }
}
