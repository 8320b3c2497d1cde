//! The commands, by what they are about.

pub(crate) mod absent;
pub(crate) mod acl;
pub(crate) mod check;
pub(crate) mod counters;
pub(crate) mod frontend;
pub(crate) mod limits;
pub(crate) mod map;
mod pattern_list;
pub(crate) mod process;
pub(crate) mod reload;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod servers_state;
pub(crate) mod session;
pub(crate) mod set_server;
pub(crate) mod show_errors;
pub(crate) mod show_info;
pub(crate) mod show_sess;
pub(crate) mod show_stat;
pub(crate) mod table;
