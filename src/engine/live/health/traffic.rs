//! What requests show of a server that is observed. Manual 1.4, section 5 "observe".

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;
use haproxy_cfg_grammar::keywords::server::{Observe, OnError};
use tokio::time::Instant;

use super::verdict::forgiving;
use crate::check::{Change, Report, Status, log};
use crate::engine::live::{Backend, Server};

/// What traffic has shown of a server, for `observe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A connection stands.
    Connected,
    /// It does not.
    Unreachable,
    /// A response came, with this status.
    Response(u16),
    /// What came is no response.
    Invalid,
    /// None came in time.
    Timeout,
    /// The connection broke before one came.
    Broken,
    /// It was closed before one came.
    Closed,
}

impl Sign {
    /// Whether it is an error for this kind of observation; `None` when it does not say.
    fn is_error(self, observe: Observe) -> Option<bool> {
        match (observe, self) {
            (Observe::Layer4, Self::Connected) => Some(false),
            (Observe::Layer4, Self::Unreachable) => Some(true),
            (Observe::Layer4, _) => None,
            // A response is what tells at layer 7 that a connection was good.
            (Observe::Layer7, Self::Connected) => None,
            (Observe::Layer7, Self::Response(status)) => {
                Some(status < 100 || status >= 500 && !matches!(status, 501 | 505))
            }
            (Observe::Layer7, _) => Some(true),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Connected => "L4 successful connection",
            Self::Unreachable => "L4 unsuccessful connection",
            Self::Response(_) => "Wrong http response",
            Self::Invalid => "Invalid http response (headers)",
            Self::Timeout => "Read timeout (http)",
            Self::Broken => "Read error (http)",
            Self::Closed => "Close from server (http)",
        }
    }
}

impl Backend {
    /// Traffic has shown something of a server. Costs nothing to speak of unless it is observed.
    pub(crate) fn observe(self: &Arc<Self>, server: &Arc<Server>, sign: Sign) {
        if !server.is_observed() {
            return;
        }
        let settings = server.settings();
        let Some(observed) = settings.traffic_check else {
            return;
        };
        match sign.is_error(observed.observe) {
            None => return,
            Some(false) => {
                server.forget_errors();
                return;
            }
            Some(true) => {}
        }
        let errors = server.count_error();
        if errors < observed.error_limit {
            return;
        }
        server.forget_errors();
        let words = format!(
            "Detected {errors} consecutive errors, last one was: {}",
            sign.words()
        );
        let report = Report::new(Status::Observed).saying(words.as_bytes());
        let dialect = self.dialect();
        let v1_4 = dialect == Dialect::V1_4;
        let forgiving = forgiving(dialect);
        // Later versions look when the session has left the server, 1.4 where it was broken off.
        let leaving = u32::from(!v1_4 || sign == Sign::Broken);
        let (change, moved, health, was_stopping) = {
            let mut record = server.record.lock();
            let before = record.health;
            record.failed_responses += 1;
            let change = match observed.on_error {
                OnError::Fastinter => Change::None,
                OnError::FailCheck => record.health.fail(forgiving),
                OnError::SuddenDeath => {
                    record.health.weaken();
                    record.health.fail(forgiving)
                }
                OnError::MarkDown => record.health.kill(),
            };
            let lost = v1_4 && change == Change::Down;
            if observed.on_error != OnError::Fastinter && before.is_up() && !lost {
                record.failed_checks += 1;
            }
            if observed.on_error != OnError::Fastinter {
                record.report = report.clone();
            }
            (
                change,
                before != record.health,
                record.health,
                before.stopping,
            )
        };
        if moved {
            self.log_check(server, log::Asked::Server, &report, &health);
        }
        self.follow_up(server, change, was_stopping, (&report, leaving));
        if let Some(fast) = settings.check.as_ref().and_then(|check| check.fastinter) {
            server.next_check.hurry(Instant::now() + fast);
        }
    }
}
