//! The HAProxy configuration language: text to document, with every mistake reported.

mod dialect;

pub use dialect::Dialect;
