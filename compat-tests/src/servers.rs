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

pub use compare::{Transcripts, play, play_beside, record, record_often, transcripts};
pub use suite::Transcript;
