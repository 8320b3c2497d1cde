//! hapax runs HAProxy configurations.

pub mod balance;
pub mod demo;
pub mod http1;
pub mod log;
pub mod plan;
