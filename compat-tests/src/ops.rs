//! Plays the operations suites: command line, signals, takeover, statistics, captured errors, logs.
//!
//! Every case starts its own processes in a folder of its own, plays a script and writes a
//! normalised transcript, which is compared with the one recorded from HAProxy.
//!
//! Code map, in the order of a run:
//! - `suite`: the files and their steps;
//! - `stage`: one case from start to end, what stands behind its placeholders;
//! - `processes`, `conversations`, `observations`: the steps;
//! - `origin`, `client`: the peers;
//! - `show`, `control`: what a step tells of an answer; `normalise`: what differs from run to run;
//! - `compare`: what is played, and against which recording.

mod client;
mod compare;
mod control;
mod conversations;
mod normalise;
mod observations;
mod origin;
mod processes;
mod show;
mod stage;
mod suite;

use std::time::Duration;

pub use compare::play;

/// Lets time pass, as scripts ask for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a case has a thread of its own, which does nothing else"
)]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
