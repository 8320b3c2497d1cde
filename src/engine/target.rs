//! Where a connection goes to: an address of the network, or a Unix socket.

use std::net::SocketAddr;
use std::sync::Arc;

use rustix::fd::AsFd;
use rustix::io;
use rustix::net::{self, AddressFamily, SocketAddrUnix};

use crate::plan::UnixAddress;

/// The end of a connection that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An address and a port.
    Internet(SocketAddr),
    /// A Unix socket.
    Unix(Arc<UnixAddress>),
}

impl Target {
    /// The family of sockets that can reach it.
    pub(crate) fn family(&self) -> AddressFamily {
        match self {
            Self::Internet(SocketAddr::V4(_)) => AddressFamily::INET,
            Self::Internet(SocketAddr::V6(_)) => AddressFamily::INET6,
            Self::Unix(_) => AddressFamily::UNIX,
        }
    }

    /// The address, where there is one.
    pub(crate) fn internet(&self) -> Option<SocketAddr> {
        match self {
            Self::Internet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The same place with another port.
    pub(crate) fn with_port(&self, port: u16) -> Self {
        match self {
            Self::Internet(address) => Self::Internet(SocketAddr::new(address.ip(), port)),
            Self::Unix(_) => self.clone(),
        }
    }

    /// Begins to connect.
    ///
    /// # Errors
    /// What the system says, `INPROGRESS` while it is at it.
    pub(crate) fn connect(&self, socket: impl AsFd) -> io::Result<()> {
        match self {
            Self::Internet(address) => net::connect(socket, address),
            Self::Unix(address) => net::connect(socket, &name(address)?),
        }
    }
}

/// Why a connection has not even begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// It cannot come from where it should.
    #[error(transparent)]
    Source(std::io::Error),
    /// It cannot go where it should.
    #[error(transparent)]
    Connect(#[from] std::io::Error),
}

impl StartError {
    /// Whether the port that it could come from is on its way there already.
    pub(crate) fn lacks_port(&self) -> bool {
        use std::io::ErrorKind::{AddrInUse, AddrNotAvailable};
        matches!(self, Self::Connect(error) if matches!(error.kind(), AddrInUse | AddrNotAvailable))
    }
}

impl From<StartError> for std::io::Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Source(error) | StartError::Connect(error) => error,
        }
    }
}

/// How many bytes HAProxy gives to a name without a file: what is missing is filled with zeros.
const NAME: usize = 107;

/// The address of a Unix socket as the system has it.
///
/// # Errors
/// When the name is too long.
pub(crate) fn name(address: &UnixAddress) -> io::Result<SocketAddrUnix> {
    match address {
        UnixAddress::Path(path) => SocketAddrUnix::new(path.as_path()),
        UnixAddress::Abstract(name) => {
            let mut padded = [0; NAME];
            let room = padded.get_mut(..name.len()).ok_or(io::Errno::NAMETOOLONG)?;
            room.copy_from_slice(name.as_bytes());
            SocketAddrUnix::new_abstract_name(&padded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |text: &str| name(&UnixAddress::Abstract(text.to_owned()));
        assert_eq!(of("x").unwrap().abstract_name().unwrap().len(), NAME);
        assert_eq!(of(&"x".repeat(108)), Err(io::Errno::NAMETOOLONG));
        let path = name(&UnixAddress::Path("/run/x".into())).unwrap();
        assert_eq!(path.path_bytes(), Some(&b"/run/x"[..]));
    }
}
