//! Rewriting of message heads: rules over lines, replacement texts, headers that name addresses.
//! Manual 1.4, section 6.

pub mod cacheability;
pub mod cookies;
pub mod forwarded_for;
pub mod header_edit;
pub mod header_rules;
pub mod replacement;

pub use header_rules::{LineRules, Outcome};
pub use replacement::Replacement;
