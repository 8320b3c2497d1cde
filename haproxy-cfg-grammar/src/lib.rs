//! The HAProxy configuration language: text to document, with every mistake reported.
//!
//! This crate knows keywords and values, not what they do. It performs no I/O and it never
//! fails: [`parse`] returns a [`Document`] and a list of [`Diagnostic`]s, whatever the bytes.
//!
//! Code map, in the order of the data:
//! - [`source`]: files, [`Span`]s; the reader fills a [`SourceSet`] beforehand.
//! - [`words`]: one line into words, as each HAProxy splits it.
//! - [`document`]: sections, statements, words in file order; prints back to its input.
//! - [`keyword`], [`keywords`]: what may be written where, one family per file, as tables.
//! - [`statement`]: what a line says, typed; the tables' parsers produce it.
//! - [`value`]: numbers, times, addresses, ACL expressions.
//! - [`diagnostic`], [`render`]: mistakes as data, and three ways of printing them.
//!
//! What a configuration means (inheritance, references, precedence) is not decided here.

pub mod arguments;
pub mod diagnostic;
mod dialect;
pub mod document;
pub mod keyword;
pub mod keywords;
mod parser;
pub mod render;
pub mod section;
pub mod source;
pub mod statement;
pub mod value;
pub mod version;
mod word_bytes;
pub mod words;

pub use diagnostic::{Code, Diagnostic, Severity};
pub use dialect::Dialect;
pub use document::{Document, Line, Section};
pub use parser::{Parsed, parse};
pub use section::SectionKind;
pub use source::{FileId, SourceFile, SourceSet, Span};
pub use statement::Statement;
pub use version::Version;
pub use word_bytes::WordBytes;
pub use words::Word;
