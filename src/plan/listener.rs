//! `bind`. Manual 1.4, section 4.2 "bind".

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    Unix(UnixAddress),
}

/// What a Unix socket is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnixAddress {
    /// A file.
    Path(PathBuf),
    /// A name that the system keeps, `abns@` in the file.
    Abstract(String),
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Abstract(name) => write!(f, "abns@{name}"),
        }
    }
}

/// Who may use the file of a Unix socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SocketFile {
    /// `uid`, or `user` looked up.
    pub uid: Option<u32>,
    /// `gid`, or `group` looked up.
    pub gid: Option<u32>,
    /// `mode`; what the umask of the process leaves when nothing is said.
    pub mode: Option<u32>,
}

impl SocketFile {
    /// These settings, and where they are silent those of `other`.
    pub fn or(self, other: Self) -> Self {
        Self {
            uid: self.uid.or(other.uid),
            gid: self.gid.or(other.gid),
            mode: self.mode.or(other.mode),
        }
    }
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
    /// `accept-proxy` (1.5 and later, as all that follow): each connection begins with a header
    /// that says who the client is.
    pub accept_proxy: bool,
    /// `backlog`; that of the proxy when nothing is said.
    pub backlog: Option<u32>,
    /// `maxconn`: how many connections it may have; 0 is no limit of its own.
    pub maxconn: u32,
    /// `process`: one bit for each process, the first is bit 0; 0 is all.
    pub process: u64,
    /// `tcp-ut`: how long sent bytes may go without acknowledgement.
    pub tcp_user_timeout: Option<Duration>,
    /// `tfo`: TCP fast open.
    pub fast_open: bool,
    /// `v6only` or `v4v6`: whether an IPv6 socket leaves IPv4 alone; as the system has it when
    /// nothing is said.
    pub v6only: Option<bool>,
    /// Who may use the file.
    pub file: SocketFile,
}

impl Listener {
    /// A listener of which nothing but its address is said.
    pub fn new(address: ListenAddress) -> Self {
        Self {
            address,
            numeric_id: 0,
            name: None,
            interface: None,
            mss: None,
            transparent: false,
            defer_accept: false,
            accept_proxy: false,
            backlog: None,
            maxconn: 0,
            process: 0,
            tcp_user_timeout: None,
            fast_open: false,
            v6only: None,
            file: SocketFile::default(),
        }
    }
}
