//! Health checks without their connections: what is sent, what an answer means, what follows.
//!
//! [`Probe`] is one check as a conversation: bytes to send, a reader of answers that says [`Report`]
//! or asks for more. [`Health`] is the state of a server between its checks, [`pace`] when the next
//! one is due, [`log`] what is said about it. `engine::check` brings the connections and the clock.

pub mod agent;
pub mod health;
mod http;
mod ldap;
pub mod log;
mod mysql;
pub mod pace;
mod pgsql;
mod probe;
mod redis;
mod report;
mod script;
mod smtp;
mod ssl_hello;

pub use health::{Change, Health};
pub use http::{Expectation, ServerState, server_state};
pub use probe::{Answer, Probe, Program};
pub use report::{Obstacle, Report, Status};
pub use script::{Script, Step};
