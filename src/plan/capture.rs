//! `capture`: what of messages is written to the log. Manual 1.4, section 4.2.

use serde::Serialize;

use super::ByteString;

/// What is kept of the messages of a frontend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Captures {
    /// `capture cookie`: the name is what the cookie begins with.
    pub cookie: Option<Capture>,
    /// `capture request header`, in log order.
    pub request_headers: Vec<Capture>,
    /// `capture response header`, in log order.
    pub response_headers: Vec<Capture>,
}

/// One captured value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// The name.
    pub name: ByteString,
    /// How many bytes are kept.
    pub len: u32,
}
