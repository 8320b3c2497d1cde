//! HTTP/1 as bytes: what a head says, how long a body is, what a message becomes on its way.
//!
//! Nothing here performs I/O. The head of a message stays in the buffer that it was received in;
//! [`Head`] indexes its lines, and edits go to a small arena beside it, so that every byte that is
//! not changed leaves as it came: order, case and white space.
//!
//! Start reading at [`scan`] (where a head ends and what its lines are), then [`head`] (finding
//! and editing lines), [`framing`] (how much of what follows belongs to the message) and
//! [`connection_header`] (what a connection mode does to one message).

pub mod base64;
pub(crate) mod blocks;
mod class;
pub mod connection_header;
pub mod framing;
pub mod head;
pub mod method;
mod names;
mod plain;
pub mod policy;
pub mod response;
pub mod scan;
pub mod uri;

pub use connection_header::RequestFacts;
pub use framing::{BadChunk, Body, Framing, FramingError};
pub use head::{Head, Version};
pub use method::Method;
pub use policy::{Intent, Policies, Policy};
pub use scan::{Kind, Scan, Scanner, Tolerance};
