//! Printing diagnostics: as HAProxy does, for people, and for programs.

pub mod haproxy;
pub mod json;
pub mod snippet;
