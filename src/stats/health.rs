//! What is shown of a server's health.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Whether a server can be used, in the words of the `status` column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody checks it.
    #[default]
    NoCheck,
    /// Up, and so for long enough.
    Up,
    /// Up, with that many of so many failures to go until it is down.
    Falling(u32, u32),
    /// Down.
    Down,
    /// Its agent says that it is down, whatever checks say (since 1.5).
    DownByAgent,
    /// Down, with that many of so many successes.
    Rising(u32, u32),
    /// Wants no new clients (`http-check disable-on-404`).
    NoLb,
    /// The same, on its way down.
    NoLbFalling(u32, u32),
    /// Gets no new clients, as the administrator wants it (since 1.5); how far it is on its way
    /// down.
    Drain(Option<(u32, u32)>),
    /// The same for a server with an agent.
    DrainWithAgent,
    /// In maintenance.
    Maintenance,
    /// In maintenance because the server that it tracks is: its backend and name.
    MaintenanceVia(String),
}

impl State {
    /// Whether requests that belong to it still go there.
    pub fn is_up(&self) -> bool {
        !matches!(
            self,
            Self::Down
                | Self::DownByAgent
                | Self::Rising(..)
                | Self::Maintenance
                | Self::MaintenanceVia(_)
        )
    }

    /// Whether it is in maintenance.
    pub fn is_maintenance(&self) -> bool {
        matches!(self, Self::Maintenance | Self::MaintenanceVia(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCheck => f.write_str("no check"),
            Self::Up => f.write_str("UP"),
            Self::Falling(n, of) => write!(f, "UP {n}/{of}"),
            Self::Down => f.write_str("DOWN"),
            Self::DownByAgent => f.write_str("DOWN (agent)"),
            Self::Rising(n, of) => write!(f, "DOWN {n}/{of}"),
            Self::NoLb => f.write_str("NOLB"),
            Self::NoLbFalling(n, of) => write!(f, "NOLB {n}/{of}"),
            Self::Drain(None) => f.write_str("DRAIN"),
            Self::Drain(Some((n, of))) => write!(f, "DRAIN {n}/{of}"),
            Self::DrainWithAgent => f.write_str("DRAIN (agent)"),
            Self::Maintenance => f.write_str("MAINT"),
            Self::MaintenanceVia(server) => write!(f, "MAINT (via {server})"),
        }
    }
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// `check_status`: `L4OK`, `L7STS` and so on; `* ` before it while another one runs.
    pub status: Cow<'static, str>,
    /// `check_code`: an HTTP or SMTP status.
    pub code: Option<u32>,
    /// `check_duration`.
    pub duration: Option<Duration>,
    /// `check_desc` of 1.5 and later: the status in words.
    pub description: Cow<'static, str>,
    /// `last_chk` of 1.5 and later: what the server has said.
    pub said: String,
}

/// What is known of a server's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it can be used.
    pub state: State,
    /// The last check; `None` without checks.
    pub check: Option<Check>,
    /// The last answer of its agent; `None` without one.
    pub agent: Option<Check>,
    /// Its agent does not say that it is down.
    pub agent_up: bool,
    /// `chkfail`: failed checks while it was up.
    pub failed_checks: u64,
    /// `hanafail`: errors that `observe` has seen.
    pub failed_responses: u64,
    /// `chkdown`: changes from up to down.
    pub times_down: u64,
    /// `lastchg`.
    pub since_change: Duration,
    /// `downtime`.
    pub down_time: Duration,
    /// `throttle`: percentage of the weight while it starts slowly.
    pub throttle: Option<u32>,
    /// `check_health`, `check_rise`, `check_fall`.
    pub progress: Option<(u32, u32, u32)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_in_words() {
        for (state, text, up) in [
            (State::NoCheck, "no check", true),
            (State::Falling(2, 3), "UP 2/3", true),
            (State::Rising(1, 2), "DOWN 1/2", false),
            (State::NoLb, "NOLB", true),
            (
                State::MaintenanceVia("app/s1".into()),
                "MAINT (via app/s1)",
                false,
            ),
        ] {
            assert_eq!(state.to_string(), text);
            assert_eq!(state.is_up(), up, "{text}");
        }
    }
}
