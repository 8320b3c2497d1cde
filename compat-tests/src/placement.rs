//! Which server gets which request: hapax beside a HAProxy.
//!
//! One process of the proxy has a section for every [`Scenario`]. Seven servers of unequal weight
//! stand behind each; over HTTP they are `redir` servers, so that the `Location` of the answer
//! names the one that was chosen and nothing else is needed, over TCP they are real ones that say
//! their number.
//!
//! Code map: `scenario`: what is tried; `drive`: how, and what came out; `recording`: what came
//! out of HAProxy 2.6, for machines without one.

mod drive;
mod recording;
mod scenario;

pub use drive::{Choices, drive};
pub use recording::{Recording, digest};
pub use scenario::{Key, Scenario, scenarios};
