//! Many requests at once: clients that never stop asking, and servers that answer at once.
//!
//! A client counts a request as failed when its connection ends before the whole response is
//! there, or when the response is not 200. That a proxy ends a connection behind a response is
//! its right; the client connects anew.

mod client;
mod origin;

pub use client::{Asking, Clients, Tally};
pub use origin::Origin;
