//! `server`. Manual 1.4, sections 4.2 "server" and 5.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use haproxy_cfg_grammar::keywords::server::ProxyHeader;

use super::{Agent, ByteString, ServerCheck, Source, Tracked, TrafficCheck, UnixAddress};

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
    /// The Unix socket that it listens on instead (1.5 and later).
    pub socket: Option<Arc<UnixAddress>>,
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
    /// `agent-check` (1.5 and later, as all that follow).
    pub agent: Option<Agent>,
    /// `send-proxy`, `send-proxy-v2`.
    pub send_proxy: Option<ProxyHeader>,
    /// `non-stick`: stick tables do not learn of it.
    pub non_stick: bool,
    /// `on-marked-down shutdown-sessions`.
    pub shutdown_sessions: bool,
    /// `on-marked-up shutdown-backup-sessions`.
    pub shutdown_backup_sessions: bool,
    /// `tcp-ut`: how long sent bytes may go without acknowledgement.
    pub tcp_user_timeout: Option<Duration>,
}

impl Server {
    /// A server of which nothing but name and address is said.
    pub fn new(name: &str, address: ServerAddress) -> Self {
        Self {
            name: name.to_owned(),
            numeric_id: 0,
            address,
            socket: None,
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
            agent: None,
            send_proxy: None,
            non_stick: false,
            shutdown_sessions: false,
            shutdown_backup_sessions: false,
            tcp_user_timeout: None,
        }
    }
}
