//! Rules over connections: `tcp-request connection` and `tcp-request session`, since 1.5 and 1.6.

use haproxy_cfg_grammar::Dialect;

use super::{Session, say};
use crate::acl::Verdict;
use crate::http1::response;
use crate::plan::{ErrorStatus, Mode, Rule, TcpAction};
use crate::sample::{Certainty, Content, Facts};
use crate::stick_table::{Event, Span, track};

impl Session {
    /// Runs `tcp-request connection`: nothing is known but where the client comes from. `false` when
    /// it is rejected: then with a RST, so that nothing of it stays.
    pub(super) fn admits_connection(&mut self) -> bool {
        let rules = &self.proxy().tcp_rules.connection;
        if rules.is_empty() || self.passes(rules) {
            return true;
        }
        self.count_denied_connection();
        self.client.socket.reset_on_close();
        false
    }

    /// Runs `tcp-request session`: if the client was announced, it is known who it is.
    pub(super) fn admits_session(&mut self) -> bool {
        let rules = &self.proxy().tcp_rules.session;
        if !rules.is_empty() && !self.passes(rules) {
            self.count_denied_session();
            return false;
        }
        self.count_tracked(Event::Session);
        true
    }

    /// What 1.8 says to a client whose session is rejected, or cannot begin for another reason.
    pub(super) async fn refuse_session(&mut self) {
        let dialect = self.generation.plan.dialect;
        if dialect == Dialect::V1_8 && self.proxy().mode == Mode::Http {
            let pages = [&self.proxy().error_pages, &self.proxy().error_pages];
            let page = response::error(pages, ErrorStatus::S500, dialect);
            say(self, &page).await;
        }
    }

    /// Runs the rules over content that need not see any: a client counts from the moment on at which its
    /// request is awaited, and is not waited for when it is rejected in any case, which the answer says.
    pub(super) fn run_ahead(&self) -> bool {
        let facts = self.facts(true);
        let acls = &self.frontend_handles().acls;
        let mut done = 0;
        for rule in &self.proxy().tcp_rules.content {
            match (acls.verdict(rule.condition.as_ref(), &facts), &rule.action) {
                (Verdict::Unknown, _) | (Verdict::Holds, TcpAction::Accept) => break,
                (Verdict::Fails, _) => {}
                (Verdict::Holds, TcpAction::Reject) => {
                    self.tracking.note_run_ahead(done);
                    return true;
                }
                (Verdict::Holds, TcpAction::Tracking(action)) => {
                    let certain = track::act(action, &facts, Span::Request);
                    if certain == Certainty::MayChange {
                        break;
                    }
                }
            }
            done += 1;
        }
        self.tracking.note_run_ahead(done);
        false
    }

    /// What is known without a request.
    fn facts(&self, may_grow: bool) -> Facts<'_> {
        Facts {
            proxy: self.frontend,
            dialect: self.generation.plan.dialect,
            request: None,
            sent: None,
            response: None,
            content: Content {
                bytes: &[],
                may_grow,
            },
            source: self.peer,
            as_proxy: false,
            first_request: true,
            world: self,
        }
    }

    /// Whether the first rule that decides accepts, or none does.
    fn passes(&self, rules: &[Rule<TcpAction>]) -> bool {
        let facts = self.facts(false);
        let acls = &self.frontend_handles().acls;
        for rule in rules {
            if !acls.applies(rule.condition.as_ref(), &facts) {
                continue;
            }
            match &rule.action {
                TcpAction::Accept => return true,
                TcpAction::Reject => return false,
                TcpAction::Tracking(action) => {
                    track::act(action, &facts, Span::Connection);
                }
            }
        }
        true
    }
}
