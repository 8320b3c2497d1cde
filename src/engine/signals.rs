//! Signals become control messages. Manual 1.4; HAProxy's meanings are kept, but SIGHUP reloads.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// SIGHUP, SIGUSR2: read the configuration again.
    Reload {
        /// SIGHUP: log the state of every server before, as HAProxy does on that signal.
        dump: bool,
    },
    /// SIGUSR1: stop listening, end with the last session.
    SoftStop,
    /// SIGTERM, SIGINT: end now, as killed by that signal.
    Stop(i32),
    /// SIGTTOU: stop listening for a while.
    Pause,
    /// SIGTTIN: listen again.
    Resume,
    /// SIGQUIT: report memory.
    Report,
}

/// The signals that are waited for.
#[derive(Debug)]
pub struct Waiting(Signals);

impl Waiting {
    /// Takes over the signals. Before any thread is started.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub fn new() -> io::Result<Self> {
        Signals::new([
            SIGHUP, SIGUSR2, SIGUSR1, SIGTERM, SIGINT, SIGTTOU, SIGTTIN, SIGQUIT,
        ])
        .map(Self)
    }

    /// The next request, waiting for it.
    pub fn wait(&mut self) -> Option<Control> {
        self.0.forever().find_map(control)
    }
}

/// The signals that ask for something other than the end.
fn requests() -> SigSet {
    [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2]
        .into_iter()
        .collect()
}

/// Keeps requests until they are released: a process that listens and does not catch them yet would
/// die of them. Before any thread is started.
pub fn hold() {
    // Without it they are only lost, or end the process, as before.
    let _ = requests().thread_block();
}

/// Lets them come, once they are caught.
pub fn release() {
    let _ = requests().thread_unblock();
}

/// Ends the process as the signal would have, had nobody caught it: scripts look at that.
pub fn die_of(signal: i32) {
    // It returns only when the system refuses, and then a normal exit follows.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

fn control(signal: i32) -> Option<Control> {
    match signal {
        SIGHUP => Some(Control::Reload { dump: true }),
        SIGUSR2 => Some(Control::Reload { dump: false }),
        SIGUSR1 => Some(Control::SoftStop),
        SIGTERM | SIGINT => Some(Control::Stop(signal)),
        SIGTTOU => Some(Control::Pause),
        SIGTTIN => Some(Control::Resume),
        SIGQUIT => Some(Control::Report),
        _ => None,
    }
}
