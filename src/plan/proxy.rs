//! A frontend, backend or listen section. Manual 1.4, section 4.

use serde::Serialize;

use super::{
    Acl, Balance, ByteString, ErrorPages, Listener, LogFormat, LogTarget, ModeOptions,
    ProxyOptions, Server, SwitchingRule, Timeouts,
};

/// Index of a proxy in [`super::Plan::proxies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProxyId(pub u32);

/// Which section a proxy was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `frontend`: accepts connections.
    Frontend,
    /// `backend`: has servers.
    Backend,
    /// `listen`: both.
    Listen,
}

impl Role {
    /// Whether connections can be accepted here.
    pub fn is_frontend(self) -> bool {
        self != Self::Backend
    }

    /// Whether connections can be sent to servers from here.
    pub fn is_backend(self) -> bool {
        self != Self::Frontend
    }
}

/// `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Bytes are relayed.
    #[default]
    Tcp,
    /// HTTP/1 is parsed.
    Http,
    /// Every connection is answered `OK` and closed.
    Health,
}

/// One section, with what it inherited from `defaults` filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proxy {
    /// Its name, unique among the proxies of the same role.
    pub name: String,
    /// `id`: the number that statistics show.
    pub numeric_id: u32,
    /// Section type.
    pub role: Role,
    /// `mode`.
    pub mode: Mode,
    /// `disabled`.
    pub disabled: bool,
    /// The options that decide the connection mode.
    pub mode_options: ModeOptions,
    /// Every other `option`.
    pub options: ProxyOptions,
    /// `timeout ...`.
    pub timeouts: Timeouts,
    /// `log`, with `log global` replaced by the global targets.
    pub log_targets: Vec<LogTarget>,
    /// `option tcplog`, `option httplog [clf]`.
    pub log_format: LogFormat,
    /// `errorfile`, `errorloc`.
    pub error_pages: ErrorPages,
    /// `acl` lines and the anonymous ACLs of conditions; [`super::AclId`] is the index.
    pub acls: Vec<Acl>,
    /// `description`.
    pub description: Option<String>,

    // Frontend side.
    /// `bind`, and addresses on the section line.
    pub listeners: Vec<Listener>,
    /// `maxconn`: concurrent connections. 0 means the global limit.
    pub maxconn: u32,
    /// `backlog`; 0 means `maxconn`.
    pub backlog: u32,
    /// `rate-limit sessions`: new sessions per second; 0 means unlimited.
    pub rate_limit_sessions: u32,
    /// `default_backend`.
    pub default_backend: Option<ProxyId>,
    /// `use_backend`, in file order.
    pub switching: Vec<SwitchingRule>,
    /// `monitor-uri`.
    pub monitor_uri: Option<ByteString>,
    /// `monitor-net`: network and mask.
    pub monitor_net: Option<(std::net::Ipv4Addr, std::net::Ipv4Addr)>,

    // Backend side.
    /// `server` lines; [`super::ServerId`] is the index.
    pub servers: Vec<Server>,
    /// `balance`.
    pub balance: Balance,
    /// `retries`: connection attempts after the first. Default 3.
    pub retries: u32,
    /// `fullconn`; 0 means computed.
    pub fullconn: u32,
    /// `dispatch`.
    pub dispatch: Option<super::ServerAddress>,
}
