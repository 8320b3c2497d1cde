//! hapax runs HAProxy configurations.

pub mod acl;
pub mod balance;
pub mod boot;
pub mod engine;
pub mod http1;
pub mod log;
pub mod plan;
