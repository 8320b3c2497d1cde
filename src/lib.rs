//! hapax runs HAProxy configurations.
//!
//! - [`command_line`]: what the user asked for.
//! - [`configuration`]: files into a plan, by way of the grammar, [`boot::environment`] and
//!   [`resolve`].
//! - [`plan`]: what a configuration means, as a value.
//! - [`change`]: what differs between two plans.
//! - [`explain`]: the plan in words, with the lines that decided it.
//! - [`demo`]: the shipped quick start in motion, and what it does on the wire.

pub mod acl;
pub mod admin;
pub mod app_session;
pub mod balance;
pub mod boot;
pub mod change;
pub mod check;
pub mod command_line;
pub mod configuration;
pub mod demo;
pub mod engine;
pub mod explain;
pub mod http1;
pub mod keyword_list;
mod letters;
pub mod log;
pub mod map;
pub mod not_built;
pub mod pattern_list;
pub mod plan;
pub mod proxy_header;
pub mod regular_expression;
pub mod report;
pub mod resolve;
pub mod rewrite;
pub mod rule;
pub mod sample;
pub mod stats;
pub mod stick_table;
pub mod userlist;
