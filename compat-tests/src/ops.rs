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

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::replacements::PatternError;

pub use compare::play;

/// Why suites could not be played at all.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// A file of the corpus cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the corpus is not what it should be.
    #[error("{path} is not a suite or a recording: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A `normalise` pattern of a case is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A regular expression of a step is wrong.
    #[error(transparent)]
    Regex(#[from] Box<fancy_regex::Error>),
    /// A step names what its case does not have.
    #[error("{0}")]
    Script(String),
    /// Sockets, folders or processes cannot be made.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Lets time pass, as scripts ask for it.
#[expect(
    clippy::disallowed_methods,
    reason = "a case has a thread of its own, which does nothing else"
)]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
