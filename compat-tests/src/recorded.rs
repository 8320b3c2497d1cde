//! Recorded behaviour, whatever it is of: which cases are played, what they came to, and what the list of
//! known failures makes of that.
//!
//! - `run`: what is chosen, several cases at once, another try for what surprises;
//! - `report`: what passed and what differs, for people and for the list;
//! - `error`: what stops all of it;
//! - [`program`]: the commands that play by hand.

mod error;
pub mod program;
mod report;
mod run;

pub use error::SuiteError;
pub(crate) use error::{load, parse, read};
pub use report::{Failure, SuiteReport, difference, differences, verdict};
pub use run::Run;
pub(crate) use run::{Job, play};
