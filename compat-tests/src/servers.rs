//! Plays the servers suites: balancing, queues, limits, retries and health checks.
//!
//! Every case has a proxy process of its own, scripted servers and clients around it, and looks
//! at the statistics socket. What happened is a short transcript, one line per event, which is
//! compared with the one recorded from HAProxy.
//!
//! Code map, in the order of a run:
//! - `suite`: the files; `script`: the steps in them;
//! - `ports`: what stands behind the placeholders;
//! - `stage`: one case from start to end; `steps`: its steps, and `observe`: those that only look;
//! - `server`, `client`: the peers; `control`: the statistics socket;
//! - `normalise`: ports, dates and timers out of the transcript;
//! - `compare`: what is played, and against which recording.

mod client;
mod compare;
mod control;
mod normalise;
mod observe;
mod ports;
mod script;
mod server;
mod stage;
mod steps;
mod suite;

use std::io;
use std::path::PathBuf;

use crate::replacements::PatternError;

pub use compare::{Transcripts, play, play_beside, record, record_often, transcripts};
pub use suite::Transcript;

/// Why suites could not be played at all.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
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
    Regex(#[from] regex::Error),
    /// A case names what it does not have.
    #[error("case {case}: {what}")]
    Script {
        /// The case.
        case: String,
        /// What is wrong with it.
        what: String,
    },
    /// Sockets, folders or processes cannot be made.
    #[error(transparent)]
    Io(#[from] io::Error),
}
