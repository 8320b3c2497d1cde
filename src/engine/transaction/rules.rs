//! The rules of both proxies in motion: facts for them, and what their verdicts do.

use haproxy_cfg_grammar::Dialect;

use super::statistics::STATISTICS;
use super::{End, Next, Transaction};
use crate::engine::accounting::Incident;
use crate::engine::session::Session;
use crate::http1::connection_header::{RequestConnection, RequestFacts, Stage as Look};
use crate::http1::{Head, Method, Policy};
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, ProxyId};
use crate::rule::{
    Between, Effects, Moment, PAGE_REALM, ResponseVerdict, Statistics, Verdict, with_request,
};
use crate::sample::{Content, Facts, Message, Sent, http};
use crate::userlist;

/// The look at the `Connection` header that comes between the rules of a proxy.
struct Connection<'a> {
    connection: &'a mut RequestConnection,
    policy: Policy,
    stage: Look,
    facts: RequestFacts,
}

impl Between for Connection<'_> {
    fn look(&mut self, head: &mut Head, bytes: &[u8]) {
        self.connection
            .look(head, bytes, &self.policy, self.stage, self.facts);
    }
}

impl Transaction {
    /// What can be looked at before there is a message: the rest is filled in by who has it.
    pub(crate) fn facts<'a>(
        &self,
        session: &'a Session,
        proxy: ProxyId,
        content: Content<'a>,
    ) -> Facts<'a> {
        Facts {
            proxy,
            dialect: session.generation.plan.dialect,
            request: None,
            sent: None,
            response: None,
            content,
            source: session.peer,
            as_proxy: self.as_proxy,
            first_request: self.first,
            world: session,
        }
    }

    /// The facts with the request in them.
    pub(crate) fn request_facts<'a>(&'a self, session: &'a Session, proxy: ProxyId) -> Facts<'a> {
        let bytes = self.up.buffer.bytes();
        let base = self.facts(session, proxy, whole(bytes));
        with_request(base, &self.request, bytes)
    }

    /// Whether one of the `monitor fail` conditions holds.
    pub(super) fn monitor_fails(&self, session: &Session) -> bool {
        let facts = self.request_facts(session, session.frontend);
        let acls = &session.frontend_handles().acls;
        let mut conditions = session.proxy().monitor_fail.iter();
        conditions.any(|condition| acls.applies(Some(condition), &facts))
    }

    /// From now on the mode options of the frontend and of that proxy hold.
    pub(super) fn take_policy(&mut self, session: &Session, id: ProxyId) {
        self.policy = *session.generation.policy(session.frontend, id);
        self.policy.set_as_proxy(self.as_proxy);
    }

    /// What beside its head decides about the connection of a request.
    pub(super) fn connection_facts(&self, session: &Session) -> RequestFacts {
        RequestFacts {
            version: self.version,
            length_known: self.length_known,
            stopping: session.is_stopping(),
        }
    }

    /// Looks at the `Connection` header where no rule does anything before or after.
    pub(super) fn look_at_connection(&mut self, session: &Session, look: Look) {
        let facts = self.connection_facts(session);
        let bytes = self.up.buffer.bytes();
        self.connection
            .look(&mut self.request, bytes, &self.policy, look, facts);
    }

    /// Runs the rules over the request: those of the frontend before the switch, those of the
    /// backend after it. `Some` when the request is answered here.
    pub(super) async fn request_rules(
        &mut self,
        session: &mut Session,
        look: Look,
    ) -> Result<Option<Next>, End> {
        let id = match look {
            Look::Frontend => session.frontend,
            Look::Joint => session.backend,
        };
        if !session.generation.handles(id).userlists.is_empty() {
            Box::pin(self.compare_password(session, id)).await;
        }
        let facts = self.connection_facts(session);
        let handles = session.generation.handles(id);
        let bytes = self.up.buffer.bytes();
        if session.generation.proxy(id).stats.is_none() && !handles.rules.acts_on_requests() {
            self.look_at_connection(session, look);
            return Ok(None);
        }
        // The verdict is about the plan, and outlives the look at the session.
        let plan = std::sync::Arc::clone(&session.generation.plan);
        let proxy = plan.proxy(id);
        let message = Message {
            head: &self.request,
            bytes,
        };
        let statistics = statistics(proxy, message, self.as_proxy);
        let mut effects = Effects {
            allowed: self.request_allowed,
            ..Effects::default()
        };
        let verdict = {
            let moment = Moment {
                rules: &proxy.http_rules,
                acls: &handles.acls,
                base: self.facts(session, id, whole(bytes)),
                statistics,
            };
            let mut between = Connection {
                connection: &mut self.connection,
                policy: self.policy,
                stage: look,
                facts,
            };
            handles
                .rules
                .request(moment, &mut self.request, bytes, &mut between, &mut effects)
        };
        session.report_hopeless_pattern();
        self.method = Method::from_token(self.request.first_word(bytes));
        self.request_allowed = effects.allowed;
        if let Some(backend) = effects.backend
            && look == Look::Frontend
        {
            super::switching::enter(session, backend);
            self.switched = true;
        }
        // 1.4 says that the page answers only when it does.
        if effects.at_statistics && plan.dialect != Dialect::V1_4 {
            self.server_word = Some(STATISTICS);
        }
        // Since 1.5 the log shows the cookies of a request that is refused, too.
        let is_refused = matches!(verdict, Verdict::Deny | Verdict::Refuse | Verdict::Tarpit);
        if is_refused && plan.dialect != Dialect::V1_4 {
            self.request_cookies(session);
        }
        match verdict {
            Verdict::Pass => Ok(None),
            Verdict::Statistics => self.statistics(session, id).await.map(Some),
            Verdict::Deny => {
                // 1.4 does not count those.
                if plan.dialect != Dialect::V1_4 {
                    self.incident = Some(Incident::RequestDenied(look));
                }
                Err(refused(ErrorStatus::S403))
            }
            Verdict::Refuse => {
                self.incident = Some(Incident::RequestDenied(look));
                Err(refused(ErrorStatus::S403))
            }
            Verdict::Invalid => {
                // As of any invalid request, the log does not say when it was complete.
                self.timing.received = None;
                Err(refused(ErrorStatus::S400))
            }
            Verdict::Tarpit => {
                self.tarpit(session).await;
                // The log of a held request does not say when it was complete.
                self.timing.held = self.timing.received.take();
                self.incident = Some(Incident::Tarpit(look));
                let status = ErrorStatus::S500;
                self.status = status as i32;
                Err(End::new(
                    Termination::new(Cause::Proxy, Stage::Tarpit),
                    (!session.client.broken).then_some(status),
                ))
            }
            Verdict::Authenticate(realm) => {
                let realm = realm.unwrap_or(proxy.name.as_bytes());
                Ok(Some(self.ask_for_password(session, realm).await))
            }
            Verdict::Redirect(redirect) => self.redirect(session, redirect).await.map(Some),
        }
    }

    /// Runs the rules over the response: the backend's, then the frontend's.
    pub(super) fn response_rules(&mut self, session: &Session) -> ResponseVerdict {
        let mut allowed = false;
        let (frontend, backend) = (session.frontend, session.backend);
        for id in [Some(backend), (frontend != backend).then_some(frontend)] {
            let Some(id) = id else {
                continue;
            };
            let handles = session.generation.handles(id);
            if !handles.rules.acts_on_responses() {
                continue;
            }
            // The request is gone by now: what looks at its lines has no value.
            let base = Facts {
                sent: Some(Sent {
                    method: self.method,
                    version: self.version,
                }),
                ..self.facts(session, id, whole(&[]))
            };
            let verdict = handles.rules.response(
                &session.generation.proxy(id).http_rules,
                &handles.acls,
                &mut self.response,
                base,
                self.down.buffer.bytes(),
                &mut allowed,
            );
            session.report_hopeless_pattern();
            if verdict != ResponseVerdict::Pass {
                return verdict;
            }
        }
        ResponseVerdict::Pass
    }
}

/// The end of a request that a rule refuses.
fn refused(status: ErrorStatus) -> End {
    End::new(Termination::new(Cause::Proxy, Stage::Request), Some(status))
}

/// Bytes that will not become more.
pub(super) fn whole(bytes: &[u8]) -> Content<'_> {
    Content {
        bytes,
        may_grow: false,
    }
}

/// What guards the statistics page, when the request is one for it.
fn statistics<'p>(
    proxy: &'p crate::plan::Proxy,
    request: Message<'_>,
    as_proxy: bool,
) -> Option<Statistics<'p>> {
    let page = proxy.stats.as_ref()?;
    let target = request.head.second_word(request.bytes);
    if !target.starts_with(&page.uri) {
        return None;
    }
    let method = Method::from_token(request.head.first_word(request.bytes));
    if !matches!(method, Method::Get | Method::Head | Method::Post) {
        return None;
    }
    let mut scratch = Vec::new();
    let known =
        http::credentials(request, as_proxy, &mut scratch).is_some_and(|(name, password)| {
            let pair = [name, b":", password].concat();
            let users = page.auth.iter();
            users.fold(false, |known, user| {
                known | userlist::same(user.as_bytes(), &pair)
            })
        });
    let realm = page.realm.as_ref().map(|realm| realm.as_bytes());
    Some(Statistics {
        rules: &page.http_request,
        challenge: (!page.auth.is_empty() && !known).then_some(Some(realm.unwrap_or(PAGE_REALM))),
    })
}
