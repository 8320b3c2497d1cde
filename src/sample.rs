//! What a rule can look at. Manual 1.4, sections 7.4 and 7.5.
//!
//! A [`Facts`] is everything that is known at one moment of a session; [`fetch::fetch`] finds the
//! values of one fetch in it. Nothing is copied that need not be: values are handed to a visitor
//! while they stand in the message.

pub mod content;
pub mod converter;
pub mod facts;
pub mod fetch;
pub mod format;
pub mod http;
mod operation;
pub mod stored;
pub mod value;

pub use facts::{Content, Facts, Message, Nowhere, Sent, World};
pub use fetch::{Certainty, fetch};
pub use value::Value;
