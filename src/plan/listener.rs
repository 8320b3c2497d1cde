//! `bind`. Manual 1.4, section 4.2 "bind".

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where to listen. Together with the options that belong to the socket this is its identity
/// over a reload.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenAddress {
    /// A TCP port; one listener for every port of a range.
    Tcp {
        /// The address; unspecified (`0.0.0.0`, `::`) listens on all.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// Where.
    pub address: ListenAddress,
    /// `id`.
    pub numeric_id: u32,
    /// `name`.
    pub name: Option<String>,
    /// `interface`.
    pub interface: Option<String>,
    /// `mss`.
    pub mss: Option<u16>,
    /// `transparent`.
    pub transparent: bool,
    /// `defer-accept`.
    pub defer_accept: bool,
    /// Of a Unix socket: owner and permissions.
    pub file: SocketFile,
}

/// `user`, `group`, `uid`, `gid` and `mode`: to whom the file of a Unix socket belongs and who may
/// use it. What is not given is left as it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SocketFile {
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Its permissions.
    pub mode: Option<u32>,
}
