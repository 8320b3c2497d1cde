//! Plays the wire suites: scripted clients and scripted origin servers around a real proxy process.
//!
//! One process of the proxy serves a whole suite; its cases run together, each recognised by the
//! tag (`~case-id~`) in what it sends. What every peer received is compared byte for byte with
//! what was recorded from HAProxy.
//!
//! Code map, in the order of a run:
//! - `suite`: the files;
//! - `ports`: what stands behind the placeholders;
//! - `stage`: one run of a suite and what its peers share; `client`, `origin`: the peers;
//!   `framing`: where messages end;
//! - `normalise`: ports, dates and timers out of the results;
//! - `compare`: results against recordings, with another try for what failed; `report`: for people.

mod client;
mod compare;
mod framing;
mod normalise;
mod origin;
mod ports;
mod report;
mod stage;
mod suite;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::process::ProxyCommand;
use crate::recorded::SuiteError;

pub use compare::{Leniency, WireRun};
pub use suite::{Case, Golden, Outcome, Recorded, Side, Suite, Transcript};

/// Plays a suite once, in a fresh process of the proxy; what the cases came to, by id.
pub fn play(suite: Suite, command: &ProxyCommand) -> Result<BTreeMap<String, Outcome>, PlayError> {
    let cases = suite.cases.clone();
    let performance = stage::perform(&Rc::new(suite), &cases, command, JOBS, true)?;
    match performance.crash {
        None => Ok(performance.outcomes),
        Some(crash) => Err(PlayError::Proxy {
            crash,
            output: performance.end.output,
        }),
    }
}

/// Why a suite has no results.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// It could not be played.
    #[error(transparent)]
    Wire(#[from] SuiteError),
    /// The proxy did not live to its end.
    #[error("{crash}; its output:\n{output}")]
    Proxy {
        /// What happened.
        crash: String,
        /// What it printed.
        output: String,
    },
}

/// Cases at once.
const JOBS: usize = 40;
