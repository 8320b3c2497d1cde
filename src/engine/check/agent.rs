//! Agents, asked again and again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::time::Instant;

use super::{conversation, next_turn};
use crate::check::agent::{self, Saying};
use crate::check::{Report, Status};
use crate::engine::live::{Backend, Place, Server};
use crate::engine::target::Target;
use crate::plan::Agent;

/// A server whose agent is asked.
pub(super) struct Asked {
    pub(super) backend: Arc<Backend>,
    pub(super) server: Arc<Server>,
    pub(super) agent: Agent,
    pub(super) spread_percent: u8,
    /// When the checks of its plan began: a moment that all have in common.
    pub(super) began: Instant,
}

/// Ends a question that was begun, whatever becomes of it.
struct UnderWay<'a>(&'a Server);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.end_question();
    }
}

impl Asked {
    /// Asks, again and again.
    pub(super) async fn watch(self) {
        loop {
            self.server.next_question.come().await;
            if !self.server.agent_is_paused() {
                // A conversation is large, and rare.
                Box::pin(self.ask()).await;
            }
            let next = next_turn(self.began, self.agent.inter, self.spread_percent);
            self.server.next_question.set(next);
        }
    }

    /// Asks once, and does what the answer says. An agent that cannot be asked changes nothing.
    async fn ask(&self) {
        let began = Instant::now();
        self.server.begin_question();
        let under_way = UnderWay(&self.server);
        let until = began + self.agent.inter;
        let heard = conversation::ask(&self.target(), &self.agent.send, until).await;
        let saying = heard
            .as_ref()
            .ok()
            .and_then(|heard| agent::line(&heard.said));
        let saying = saying.map(Saying::read);
        let mut report = match (&heard, &saying) {
            (Err(failure), _) => failure.clone(),
            (_, Some(saying)) => saying.report(),
            (Ok(heard), None) => self.cut_off(heard.reset, until).await,
        };
        report.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        drop(under_way);
        let backend = &self.backend;
        backend.agent_answered(&self.server, saying.as_ref(), &report);
    }

    /// What comes of an agent that has not said a whole line. One that never said any is waited for,
    /// though it has closed.
    async fn cut_off(&self, reset: bool, until: Instant) -> Report {
        let report = agent::incomplete(self.server.agent_status());
        if report.status != Status::Initializing {
            return report;
        }
        if reset {
            return Report::new(Status::SocketError);
        }
        self.server.note_agent(report);
        tokio::time::sleep_until(until).await;
        Report::new(Status::L7Timeout)
    }

    /// Where it is: on the machine of its server, unless `agent-addr` says otherwise.
    fn target(&self) -> Target {
        let ip = self.agent.addr.or_else(|| self.server.address().ip);
        match (self.server.place(), self.agent.addr) {
            (Place::Unix(socket), None) => Target::Unix(socket),
            _ => {
                let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                Target::Internet(SocketAddr::new(ip, self.agent.port))
            }
        }
    }
}
