//! Plays the wire suites: scripted clients and scripted origin servers around a real proxy process.
//!
//! One process of the proxy serves a whole suite; its cases run together, each recognised by the
//! tag (`~case-id~`) in what it sends. What every peer received is compared byte for byte with
//! what was recorded from HAProxy.
//!
//! Code map, in the order of a run:
//! - `suite`: the files; `text`: placeholders in them;
//! - `ports`: free ports, listening or held; `process`: the proxy;
//! - `stage`: one run of a suite and what its peers share; `client`, `origin`: the peers;
//!   `connection`: one socket of them; `framing`: where messages end;
//! - `normalise`: ports, dates and timers out of the results;
//! - `compare`: results against recordings, with another try for what failed; `report`: for people.

mod client;
mod compare;
mod connection;
mod framing;
mod normalise;
mod origin;
mod ports;
mod process;
mod report;
mod stage;
mod suite;
pub(crate) mod text;

use std::io;
use std::path::PathBuf;

pub use compare::{Leniency, SuiteReport, WireRun};
pub use process::ProxyCommand;
pub use report::difference;
pub use suite::{Case, Golden, Outcome, Recorded, Side, Suite, Transcript};

/// Why a suite could not be played at all.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
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
    /// A `normalise` pattern of a suite is wrong.
    #[error("pattern {pattern:?}: {source}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: Box<fancy_regex::Error>,
    },
    /// No port is free.
    #[error("no free port found")]
    NoPort,
    /// A script does what makes no sense.
    #[error("case {case}: {what}")]
    Script {
        /// The case.
        case: String,
        /// What is wrong with it.
        what: String,
    },
    /// Sockets, folders or processes cannot be made.
    #[error("{0}")]
    Io(#[from] io::Error),
}
