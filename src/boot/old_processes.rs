//! `-sf` and `-st`: taking over from running processes, hapax or HAProxy.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::door::{self, Question};
use crate::engine::{EngineError, Listeners, Sockets};

/// The processes to take over from.
#[derive(Clone, Debug, Default)]
pub struct OldProcesses {
    /// Their pids.
    pub pids: Vec<i32>,
    /// `-st`: they end at once; otherwise (`-sf`) with their last session.
    pub terminate: bool,
}

/// How often, and how long apart, binding is tried again while old processes let go.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

impl OldProcesses {
    /// The listening sockets of those that are hapax: to go on with the same sockets is the only
    /// way to lose no connection that waits in their queues. HAProxy's are shared by address.
    pub(super) fn sockets(&self) -> Sockets {
        let mut sockets = Sockets::new();
        for pid in self.pids.iter().filter_map(|pid| u32::try_from(*pid).ok()) {
            match door::ask(pid, Question::Sockets) {
                Ok(answer) => {
                    for (key, some) in answer.sockets {
                        sockets.entry(key).or_default().extend(some);
                    }
                }
                Err(error) => tracing::debug!(pid, %error, "no sockets are passed on"),
            }
        }
        sockets
    }

    fn signal(&self, signal: Signal) {
        for pid in &self.pids {
            // One that is gone has nothing to let go of.
            let _ = kill(Pid::from_raw(*pid), signal);
        }
    }

    /// Opens listening sockets. When that does not work beside the old processes they are asked
    /// to pause, and to resume should it not work then either.
    pub(super) fn make_room_and(
        &self,
        open: impl Fn() -> Result<Listeners, EngineError>,
    ) -> Result<Listeners, EngineError> {
        let mut result = open();
        if result.is_ok() || self.pids.is_empty() {
            return result;
        }
        self.signal(Signal::SIGTTOU);
        for _ in 0..ATTEMPTS {
            pause();
            result = open();
            if result.is_ok() {
                return result;
            }
        }
        self.signal(Signal::SIGTTIN);
        result
    }

    /// Tells them to go.
    pub(super) fn say_goodbye(&self) {
        self.signal(if self.terminate {
            Signal::SIGTERM
        } else {
            Signal::SIGUSR1
        });
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "nothing else runs yet, and the other is a process"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
