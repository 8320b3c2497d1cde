//! `server`. Manual 1.4, sections 4.2 "server" and 5.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::{ByteString, ServerCheck, Source, Tracked, TrafficCheck};

/// Index of a server in [`super::Proxy::servers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServerId(pub u32);

/// The port to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerPort {
    /// That port.
    Fixed(u16),
    /// The port on which the client came, plus this (`+n`, `-n`, or nothing written: 0).
    Mapped(i32),
}

/// Where a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ServerAddress {
    /// The address; `None` (`0.0.0.0` or `*` in the file) means the one the client asked for.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: ServerPort,
}

/// One `server` line, with what it inherited from `default-server` filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// `id`.
    pub numeric_id: u32,
    /// Where it is.
    pub address: ServerAddress,
    /// `weight`: 0 to 256. Default 1.
    pub weight: u16,
    /// `backup`.
    pub backup: bool,
    /// `disabled`: starts in maintenance.
    pub disabled: bool,
    /// `maxconn`; 0 means unlimited.
    pub maxconn: u32,
    /// `minconn`; 0 means no dynamic limit.
    pub minconn: u32,
    /// `maxqueue`; 0 means unlimited.
    pub maxqueue: u32,
    /// `cookie`.
    pub cookie: Option<ByteString>,
    /// `check`.
    pub check: Option<ServerCheck>,
    /// `observe`.
    pub traffic_check: Option<TrafficCheck>,
    /// `track`.
    pub track: Option<Tracked>,
    /// `slowstart`: how long the weight grows after the server comes up.
    pub slowstart: Option<Duration>,
    /// `redir`: clients are sent to this prefix instead.
    pub redir: Option<ByteString>,
    /// `source`.
    pub source: Option<Source>,
}

impl Server {
    /// A server of which nothing but name and address is said.
    pub fn new(name: &str, address: ServerAddress) -> Self {
        Self {
            name: name.to_owned(),
            numeric_id: 0,
            address,
            weight: 1,
            backup: false,
            disabled: false,
            maxconn: 0,
            minconn: 0,
            maxqueue: 0,
            cookie: None,
            check: None,
            traffic_check: None,
            track: None,
            slowstart: None,
            redir: None,
            source: None,
        }
    }
}
