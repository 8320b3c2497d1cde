//! The commands, by what they are about.

pub(crate) mod counters;
pub(crate) mod reload;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod show_errors;
pub(crate) mod show_info;
pub(crate) mod show_sess;
pub(crate) mod show_stat;
