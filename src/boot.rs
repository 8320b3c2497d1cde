//! Starting: reading, binding, giving up privileges, threads. In HAProxy's order.

pub mod environment;
