//! What is shown of a server: its state in words, its health, its last reports.

use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::Server;
use crate::check::{self, Report, Status};
use crate::stats::{Check, Health, State};

/// Everything that has a say in the state of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Particulars {
    /// It is in maintenance.
    pub(crate) maintenance: bool,
    /// The file has it `disabled`.
    pub(crate) disabled: bool,
    /// The server that it tracks is in maintenance.
    pub(crate) inherits_maintenance: bool,
    /// It gets no new clients.
    pub(crate) drain: bool,
    /// Health and administration allow its use.
    pub(crate) up: bool,
    /// Its checks say that it gets no new clients.
    pub(crate) stopping: bool,
    /// The weight that it has now, and the one of the file.
    pub(crate) weights: (u32, u32),
    /// Since it last came up or went down.
    pub(crate) since_change: Duration,
    /// What its checks have found.
    pub(crate) health: check::Health,
    /// The last check.
    pub(crate) report: Status,
    /// One is under way.
    pub(crate) checking: bool,
}

impl Server {
    /// What `show servers state` tells of it.
    pub(crate) fn particulars(&self, now: Instant) -> Particulars {
        let record = self.record.lock();
        let followed = record.follows.as_ref();
        Particulars {
            maintenance: record.maintenance,
            disabled: record.disabled,
            inherits_maintenance: followed.is_some_and(|(_, followed)| followed.is_out()),
            drain: record.drain,
            up: record.is_up_itself(),
            stopping: record.checked_health().stopping,
            weights: (record.weight, record.initial_weight),
            since_change: now.saturating_duration_since(record.changed),
            health: record.health,
            report: record.report.status,
            checking: record.checking,
        }
    }

    /// The state in words: `UP 1/3`.
    pub(crate) fn state(&self) -> State {
        let record = self.record.lock();
        if record.maintenance {
            return State::Maintenance;
        }
        if let Some((backend, followed)) = &record.follows
            && followed.is_out()
        {
            return State::MaintenanceVia(format!("{backend}/{}", followed.name));
        }
        let health = record.checked_health();
        let paused = match &record.follows {
            Some((_, followed)) => followed.checks_are_paused(),
            None => self.checks_are_paused(),
        };
        let checked = record.checked && !paused;
        let has_agent = self.asks_agent();
        if !record.agent.is_up() && has_agent {
            return State::DownByAgent;
        }
        if !record.agent.is_up() || !health.is_up() {
            // Where only an agent has a say it shows how far checks would have to come.
            let rising = if checked { health.level > 0 } else { has_agent };
            return match rising {
                true => State::Rising(health.level, health.rise),
                false => State::Down,
            };
        }
        let progress = health.progress().filter(|_| checked);
        if record.drain && !health.stopping {
            return if has_agent {
                State::DrainWithAgent
            } else {
                State::Drain(progress)
            };
        }
        if !checked && !health.stopping {
            return State::NoCheck;
        }
        match (health.stopping, health.progress()) {
            (true, None) => State::NoLb,
            (true, Some((n, of))) => State::NoLbFalling(n, of),
            (false, None) => State::Up,
            (false, Some((n, of))) => State::Falling(n, of),
        }
    }

    /// What is shown of its health.
    pub(crate) fn health(&self, dialect: Dialect, now: Instant) -> Health {
        let state = self.state();
        let record = self.record.lock();
        let v1_4 = dialect == Dialect::V1_4;
        let own_check = self.settings().check.is_some() && !self.checks_are_paused();
        let has_agent = self.asks_agent();
        let since_change = now.saturating_duration_since(record.changed);
        let up = self.is_up();
        let down_time = if up {
            record.down_time
        } else {
            record.down_time + since_change
        };
        let throttle = (record.slowstart > 0 && up && since_change.as_secs() < record.slowstart)
            .then(|| (since_change.as_secs() * 100 / record.slowstart).max(1) as u32);
        Health {
            state,
            check: own_check.then(|| {
                let under_way = record.checking && !v1_4;
                let mut check = shown(&record.report, under_way);
                if under_way {
                    check.said.clear();
                }
                check
            }),
            agent: has_agent.then(|| shown(&record.agent_report, record.asking_agent)),
            agent_up: record.agent.is_up(),
            failed_checks: record.failed_checks,
            failed_responses: record.failed_responses,
            times_down: record.times_down,
            since_change,
            down_time,
            throttle,
            progress: own_check.then_some((
                record.health.level,
                record.health.rise,
                record.health.fall,
            )),
        }
    }
}

/// A report as the statistics show it.
fn shown(report: &Report, under_way: bool) -> Check {
    let mut status = report.status.name().to_owned();
    let said = String::from_utf8_lossy(&report.said).into_owned();
    if under_way {
        status.insert_str(0, "* ");
    }
    Check {
        status: status.into(),
        code: report.status.has_code().then_some(report.code),
        duration: (report.status != Status::Initializing && report.status != Status::Observed)
            .then(|| Duration::from_millis(report.duration_ms)),
        description: report.status.words().into(),
        said,
    }
}
