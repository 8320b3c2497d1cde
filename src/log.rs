//! What is said about traffic: one line for each session or request. Manual 1.4, section 8.
//!
//! Formatting only; the lines are sent by `engine::syslog`. Formats that readers parse (halog, log
//! analysers) are byte-exact.

pub mod escape;
pub mod json;
pub mod lifecycle;
pub mod line;
mod pen;
pub mod syslog;
pub mod termination;
pub mod trace;

pub use line::{Counts, HttpPart, Record, Timers};
pub use termination::{Cause, Stage, Termination};
