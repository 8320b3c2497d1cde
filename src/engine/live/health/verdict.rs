//! What checks and agents find, and what it moves.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use crate::check::agent::Saying;
use crate::check::log::{self, Named, News, Reason};
use crate::check::{Change, Health, Report, Status};
use crate::engine::live::{Backend, Server};

impl Backend {
    /// A check is over.
    pub(crate) fn checked(self: &Arc<Self>, server: &Arc<Server>, report: Report) {
        let dialect = self.dialect();
        let v1_4 = dialect == Dialect::V1_4;
        let (change, moved, health, was_stopping) = {
            let mut record = server.record.lock();
            let before = record.health;
            // Since 1.5 another result is news, even where it moves nothing.
            let other = dialect != Dialect::V1_4 && record.report.status != report.status;
            let change = if report.status.passes() {
                record.health.pass(report.status == Status::L7Conditional)
            } else {
                record.health.fail(forgiving(dialect))
            };
            if !report.status.passes() && before.is_up() && !(v1_4 && change == Change::Down) {
                record.failed_checks += 1;
            }
            record.report = report.clone();
            (
                change,
                before != record.health || other,
                record.health,
                before.stopping,
            )
        };
        if report.status.passes() {
            server.forget_errors();
        }
        if moved {
            self.log_check(server, log::Asked::Server, &report, &health);
        }
        self.follow_up(server, change, was_stopping, (&report, 0));
    }

    fn logs_checks(&self) -> bool {
        self.with_plan(|_, proxy| proxy.options.log_health_checks)
            .unwrap_or(false)
    }

    /// `option log-health-checks`: a verdict was news, and the `health` is that after it.
    pub(super) fn log_check(
        &self,
        server: &Server,
        asked: log::Asked,
        report: &Report,
        health: &Health,
    ) {
        if !self.logs_checks() {
            return;
        }
        let (weight, _) = server.weights();
        let line = self.with_plan(|plan, proxy| {
            let named = Named {
                backend: &proxy.name,
                server: &server.name,
                is_backup: server.settings().backup,
            };
            let drained = plan.dialect != Dialect::V1_4 && weight == 0;
            log::checked(named, asked, report, health, drained)
        });
        self.tell(log::NOTICE, &line.unwrap_or_default());
    }

    /// What follows from a verdict. So many sessions are on their way out because of it.
    pub(super) fn follow_up(
        self: &Arc<Self>,
        server: &Arc<Server>,
        change: Change,
        was_stopping: bool,
        (report, leaving): (&Report, u32),
    ) {
        let news = match change {
            Change::None | Change::Moved => return,
            Change::Up => News::Up,
            Change::Resumed => News::Resumed,
            Change::Down => News::Down { was_stopping },
            Change::Stopping => News::Stopping,
        };
        let reason = if self.logs_checks() {
            Reason::Said
        } else {
            Reason::Check(report)
        };
        self.turn_as_seen(server, news, reason, leaving);
    }

    /// An agent was asked how its server is. `saying` is what could be understood of its answer.
    pub(crate) fn agent_answered(
        self: &Arc<Self>,
        server: &Arc<Server>,
        saying: Option<&Saying>,
        report: &Report,
    ) {
        if let Some(saying) = saying {
            self.agent_limits(server, saying);
        }
        let (change, health, other) = {
            let mut record = server.record.lock();
            let change = match report.status {
                Status::L7Ok => record.agent.pass(false),
                Status::L7Wrong => record.agent.fail(false),
                _ => Change::None,
            };
            let other = record.agent_report.status != report.status;
            record.agent_report = report.clone();
            (change, record.agent, other)
        };
        // Another result is news, unless it says nothing about up or down.
        let news = other && report.status != Status::Unchanged || change != Change::None;
        if news {
            self.log_check(server, log::Asked::Agent, report, &health);
        }
        if let Some(admin) = saying.and_then(|saying| saying.admin) {
            self.administer(server, admin, Reason::Administrator);
        }
        self.follow_up(server, change, false, (report, 0));
    }

    /// What an agent wants its server to have.
    fn agent_limits(self: &Arc<Self>, server: &Arc<Server>, saying: &Saying) {
        let (_, initial) = server.weights();
        if let Some(percent) = saying.weight {
            self.set_weight(server, (initial * percent / 100).min(256));
        }
        if let Some(maxconn) = saying.maxconn {
            self.set_maxconn(server, maxconn);
        }
    }
}

/// Whether a server on its way up stays where it is when a check fails: 1.5 to 1.8 let it.
pub(super) fn forgiving(dialect: Dialect) -> bool {
    dialect == Dialect::V1_8
}
