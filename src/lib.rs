//! hapax runs HAProxy configurations.

pub mod plan;
