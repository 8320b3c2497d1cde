//! A rule: what is done, and when.

use serde::Serialize;

use super::Condition;

/// An action under a condition. Every family of rules is a list of these, in file order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule<A> {
    /// What is done.
    pub action: A,
    /// When; `None` means always.
    pub condition: Option<Condition>,
}
