//! The statistics socket: what administrators and their tools ask a running process, and tell it.
//!
//! [`socket`] listens and talks, [`command`] is the table of what can be said, [`cli`] has one file
//! for each command or few. [`metrics`] answers scrapers over HTTP. All of it runs on the thread beside the workers.

pub(crate) mod cli;
pub(crate) mod clients;
pub(crate) mod command;
mod line;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod socket;

pub use socket::SocketError;
