//! What administrators, and agents in their place, want of a server.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use crate::check::Change;
use crate::check::agent::Admin;
use crate::check::log::{News, Reason};
use crate::engine::live::{Backend, Server};

impl Backend {
    /// Gives a server another weight.
    pub(crate) fn set_weight(self: &Arc<Self>, server: &Arc<Server>, weight: u32) {
        let dialect = self.dialect();
        {
            let mut record = server.record.lock();
            let before = std::mem::replace(&mut record.weight, weight);
            if dialect == Dialect::V1_8 && record.maintenance {
                record.weight_before.get_or_insert(before);
            }
        }
        let now = Instant::now();
        if dialect == Dialect::V1_4 {
            // A backend whose weights are all 0 has no server, but did not lose any.
            self.look_again(server, now, false);
            return;
        }
        let effects = self.update(server, now);
        if effects.none_left {
            self.tell_none_left();
        }
        if server.is_drained() && !server.is_in_maintenance() {
            self.tell_still_drained(server);
        }
    }

    /// Takes a server out, brings it back, or lets it get no new clients.
    pub(crate) fn administer(self: &Arc<Self>, server: &Arc<Server>, wish: Admin, by: Reason<'_>) {
        let v1_4 = self.dialect() == Dialect::V1_4;
        let took_clients = server.takes_clients();
        let was_running = server.is_up();
        let (was_out, was_drained, was_down, up) = {
            let mut record = server.record.lock();
            let before = (record.maintenance, record.drain);
            record.maintenance = wish == Admin::Maintenance;
            match wish {
                Admin::Maintenance => {}
                Admin::Drain => record.drain = true,
                Admin::Ready => record.drain = false,
            }
            if before.0 != record.maintenance {
                record.weight_before = None;
            }
            // One that was down before stays so, since 1.5.
            let was_down = std::mem::replace(
                &mut record.was_down,
                !v1_4 && wish == Admin::Maintenance && !before.0 && !was_running,
            );
            if before.0 && wish == Admin::Maintenance {
                record.was_down = was_down;
            } else if before.0 && record.follows.is_none() && !was_down {
                // Up, until the first check says otherwise.
                record.health.level = record.health.rise;
                record.health.stopping = false;
            }
            (before.0, before.1, was_down, record.is_up_itself())
        };
        let news = match (wish, was_out, was_drained) {
            (Admin::Maintenance, true, _) | (Admin::Ready, false, false) => return,
            (Admin::Drain, false, true) => return,
            (Admin::Maintenance, false, _) if !v1_4 && !was_running => News::MaintenanceWhileDown,
            // 1.4 is alarmed by one that is down, too, but not by one that gets no new clients.
            (Admin::Maintenance, false, _) => News::Maintenance {
                was_up: took_clients || !was_running,
            },
            (Admin::Ready, true, false) if was_down => return,
            (Admin::Ready, true, _) if !was_down => News::Ready { drained: false, up },
            (Admin::Ready, _, _) => News::Undrained { up: was_running },
            (Admin::Drain, true, _) => News::Ready { drained: true, up },
            (Admin::Drain, false, false) => News::Drain { up: was_running },
        };
        let follows = server.record.lock().follows.clone();
        let held_down = follows.filter(|(_, followed)| v1_4 && !followed.is_up());
        match held_down.filter(|_| matches!(news, News::Ready { .. })) {
            // It does not come back: the one that it tracks is down.
            Some((backend, followed)) => {
                let reason = Reason::Tracked(&backend, &followed.name);
                let news = News::Down {
                    was_stopping: false,
                };
                self.turn(server, news, reason);
            }
            None => self.turn(server, news, by),
        }
        if matches!(news, News::Ready { drained: true, .. }) {
            self.tell_still_drained(server);
        }
        if was_out && wish != Admin::Maintenance && self.dialect() == Dialect::Hapax {
            // Those that it speaks like let the next check come when it is due.
            server.next_check.hurry(Instant::now());
        }
    }

    /// Sets what the checks of a server have found, until they find something else.
    pub(crate) fn set_health(
        self: &Arc<Self>,
        server: &Arc<Server>,
        up: bool,
        stopping: bool,
        by: Reason<'_>,
    ) {
        let change = {
            let mut record = server.record.lock();
            if record.maintenance {
                return;
            }
            if up {
                let was_up = record.health.is_up();
                let was_stopping = std::mem::replace(&mut record.health.stopping, stopping);
                record.health.fill();
                match (was_up, was_stopping, stopping) {
                    (false, ..) => Some(News::Up),
                    (true, false, true) => Some(News::Stopping),
                    (true, true, false) => Some(News::Up),
                    _ => None,
                }
            } else {
                let was_stopping = record.health.stopping;
                (record.health.kill() == Change::Down).then_some(News::Down { was_stopping })
            }
        };
        if let Some(news) = change {
            self.turn(server, news, by);
        }
    }

    /// Says in place of its agent whether a server is up.
    pub(crate) fn set_agent(self: &Arc<Self>, server: &Arc<Server>, up: bool) {
        let change = {
            let mut record = server.record.lock();
            match up {
                true => record.agent.pass(false),
                false => record.agent.kill(),
            }
        };
        let was_stopping = false;
        match change {
            Change::Up => self.turn(server, News::Up, Reason::Administrator),
            Change::Down => self.turn(server, News::Down { was_stopping }, Reason::Administrator),
            Change::None | Change::Moved | Change::Stopping | Change::Resumed => {}
        }
    }
}
