//! Rules over connections: `tcp-request connection` and `tcp-request session`, since 1.5 and 1.6.

use super::Session;
use crate::plan::{Rule, TcpAction};
use crate::sample::{Content, Facts};
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
        if !self.tracking.is_empty() {
            let now = crate::engine::live::millis(self.worker.now());
            self.tracking.count(Event::Session, now);
        }
        true
    }

    /// Whether the first rule that decides accepts, or none does.
    fn passes(&self, rules: &[Rule<TcpAction>]) -> bool {
        let facts = Facts {
            proxy: self.frontend,
            dialect: self.generation.plan.dialect,
            request: None,
            sent: None,
            response: None,
            content: Content {
                bytes: &[],
                may_grow: false,
            },
            source: self.peer,
            as_proxy: false,
            first_request: true,
            world: self,
        };
        let acls = &self.frontend_handles().acls;
        for rule in rules {
            if !acls.applies(rule.condition.as_ref(), &facts) {
                continue;
            }
            match &rule.action {
                TcpAction::Accept => return true,
                TcpAction::Reject => return false,
                TcpAction::Tracking(action) => {
                    track::act(action, &facts, Span::Connection, false);
                }
            }
        }
        true
    }
}
