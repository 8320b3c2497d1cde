//! `source`: where connections to servers come from. Manual 1.4, section 4.2.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::ByteString;

/// `source` of a proxy or a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The address; `None` leaves it to the system.
    pub ip: Option<IpAddr>,
    /// The first and the last port; `None` leaves it to the system.
    pub ports: Option<(u16, u16)>,
    /// `interface`.
    pub interface: Option<String>,
    /// `usesrc`.
    pub transparent: Option<TransparentSource>,
}

/// `usesrc`: an address that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransparentSource {
    /// The client's address and port.
    Client,
    /// The client's address.
    ClientIp,
    /// The address in a header of the request.
    Header {
        /// The header.
        name: ByteString,
        /// Which of its values; negative counts from the last.
        occurrence: i32,
    },
    /// This address.
    Address(SocketAddr),
}
