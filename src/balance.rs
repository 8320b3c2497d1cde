//! The arithmetic of choosing a server. No clocks, no sockets, no locks: the caller holds them.

pub mod round_robin;

pub use round_robin::RoundRobin;
