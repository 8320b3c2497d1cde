//! A frontend, backend or listen section. Manual 1.4, section 4.

use std::time::Duration;

use serde::Serialize;

use super::{
    Acl, AddressHeader, Balance, ByteString, Captures, CheckSettings, Condition, ErrorPages,
    HashType, HttpRequestAction, HttpResponseAction, HttpReuse, HttpRules, Listener, LogFormat,
    LogTarget, ModeOptions, Persistence, ProxyOptions, Sample, Server, Source, StatsPage,
    SwitchingRule, SwitchingTarget, TcpAction, TcpRules, Timeouts, Track, TrackingAction,
};

/// Index of a proxy in [`super::Plan::proxies`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// Who gets a request that has no server of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A server, as `balance` decides.
    Balanced,
    /// The address of `dispatch`; in 1.4 with `option http_proxy`, of requests whose URL has one.
    Dispatch(super::ServerAddress),
    /// The address in its URL: `option http_proxy`.
    Url,
    /// The address that the client has connected to: `option transparent`.
    Destination,
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
    /// `bind-process`: one bit for each process, the first is bit 0; 0 is all.
    pub bind_process: u64,
    /// `grace`: how long a soft stop keeps the proxy open.
    pub grace: Option<Duration>,
    /// Rules over requests and responses.
    pub http_rules: HttpRules,
    /// Rules over the first bytes of a connection.
    pub tcp_rules: TcpRules,
    /// `option forwardfor`.
    pub forwarded_for: Option<AddressHeader>,
    /// `option originalto`.
    pub original_to: Option<AddressHeader>,

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
    /// `monitor fail`: the answer is 503 when one of these holds.
    pub monitor_fail: Vec<Condition>,
    /// `capture`.
    pub captures: Captures,

    // Backend side.
    /// `server` lines; [`super::ServerId`] is the index.
    pub servers: Vec<Server>,
    /// `use-server`, in file order.
    pub use_server: Vec<super::UseServer>,
    /// `balance`.
    pub balance: Balance,
    /// Whether there is a `balance` line, here or in `defaults`.
    pub balances: bool,
    /// `retries`: connection attempts after the first. Default 3.
    pub retries: u32,
    /// `fullconn`; 0 means computed.
    pub fullconn: u32,
    /// `dispatch`.
    pub dispatch: Option<super::ServerAddress>,
    /// `hash-type`.
    pub hash_type: HashType,
    /// `source`.
    pub source: Option<Source>,
    /// `cookie`, `appsession`, `stick` and their relatives.
    pub persistence: Persistence,
    /// `http-send-name-header`: the header that tells a server its name.
    pub send_name_header: Option<ByteString>,
    /// `http-reuse` (1.6 and later).
    pub http_reuse: HttpReuse,
    /// `option httpchk` and the other checks.
    pub check: CheckSettings,
    /// `stats ...`; `None` when there is no statistics page.
    pub stats: Option<StatsPage>,
}

impl Proxy {
    /// Whether lines of the log are written before the end, when a response or a connection to a
    /// server begins.
    pub fn logs_early(&self) -> bool {
        self.options.logasap || self.log_format == LogFormat::Captures
    }

    /// Where requests without a server of their own (a cookie) go that no server gets in turn. A
    /// `balance` line stands above all of that, whether there are servers or not.
    pub fn way(&self) -> Way {
        let options = &self.options;
        match self.dispatch {
            _ if self.balances => Way::Balanced,
            Some(address) => Way::Dispatch(address),
            None if options.http_proxy => Way::Url,
            None if options.transparent => Way::Destination,
            None => Way::Balanced,
        }
    }

    /// The workers, of `count`, that serve a listener: all, or those of `bind-process` and of its
    /// own `process` (process 1 is worker 0). Processes that do not exist count for nothing; when
    /// none does, all serve.
    pub fn workers(&self, listener: usize, count: usize) -> Vec<usize> {
        let own = self.listeners.get(listener).map_or(0, |l| l.process);
        let set = match (self.bind_process, own) {
            (0, set) | (set, 0) => set,
            (proxy, own) => proxy & own,
        };
        let named = |index: &usize| *index < 64 && set & (1 << *index) != 0;
        let bound: Vec<usize> = (0..count).filter(named).collect();
        if bound.is_empty() {
            (0..count).collect()
        } else {
            bound
        }
    }

    /// Visits every sample of the proxy's ACLs and rules.
    pub fn samples_mut(&mut self, visit: &mut dyn FnMut(&mut Sample)) {
        self.acls.iter_mut().for_each(|acl| visit(&mut acl.sample));
        let requests = self.http_rules.http_request.iter_mut();
        let page = self
            .stats
            .iter_mut()
            .flat_map(|page| &mut page.http_request);
        for rule in requests.chain(page) {
            if let HttpRequestAction::Edit(edit) = &mut rule.action {
                edit.value.samples_mut().for_each(&mut *visit);
            }
        }
        for rule in &mut self.http_rules.http_response {
            if let HttpResponseAction::Edit(edit) = &mut rule.action {
                edit.value.samples_mut().for_each(&mut *visit);
            }
        }
        self.persistence
            .stick
            .iter_mut()
            .for_each(|rule| visit(&mut rule.key));
        for rule in &mut self.switching {
            if let SwitchingTarget::Named(format) = &mut rule.target {
                format.samples_mut().for_each(&mut *visit);
            }
        }
        self.tracks_mut(&mut |track| visit(&mut track.key));
    }

    /// Visits every key that is tracked.
    pub fn tracks_mut(&mut self, visit: &mut dyn FnMut(&mut Track)) {
        let mut look = |action: &mut TrackingAction| {
            if let TrackingAction::Track(track) = action {
                visit(track);
            }
        };
        let tcp = &mut self.tcp_rules;
        let connection = tcp.connection.iter_mut();
        for rule in connection.chain(&mut tcp.session).chain(&mut tcp.content) {
            if let TcpAction::Tracking(action) = &mut rule.action {
                look(action);
            }
        }
        for rule in &mut self.http_rules.http_request {
            if let HttpRequestAction::Tracking(action) = &mut rule.action {
                look(action);
            }
        }
        for rule in &mut self.http_rules.http_response {
            if let HttpResponseAction::Tracking(action) = &mut rule.action {
                look(action);
            }
        }
    }

    /// A proxy of which nothing but its name and role is said.
    pub fn new(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            numeric_id: 0,
            role,
            mode: Mode::default(),
            disabled: false,
            mode_options: ModeOptions::default(),
            options: ProxyOptions::default(),
            timeouts: Timeouts::default(),
            log_targets: Vec::new(),
            log_format: LogFormat::Default,
            error_pages: ErrorPages::default(),
            acls: Vec::new(),
            description: None,
            bind_process: 0,
            grace: None,
            http_rules: HttpRules::default(),
            tcp_rules: TcpRules::default(),
            forwarded_for: None,
            original_to: None,
            listeners: Vec::new(),
            maxconn: 2000,
            backlog: 0,
            rate_limit_sessions: 0,
            default_backend: None,
            switching: Vec::new(),
            monitor_uri: None,
            monitor_net: None,
            monitor_fail: Vec::new(),
            captures: Captures::default(),
            servers: Vec::new(),
            use_server: Vec::new(),
            balance: Balance::RoundRobin,
            balances: false,
            retries: 3,
            fullconn: 0,
            dispatch: None,
            hash_type: HashType::default(),
            source: None,
            persistence: Persistence::default(),
            send_name_header: None,
            http_reuse: HttpReuse::Never,
            check: CheckSettings::default(),
            stats: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_of_bind_process() {
        let mut proxy = Proxy::new("p", Role::Listen);
        for (set, count, expected) in [
            (0, 3, vec![0, 1, 2]),
            (0b10, 3, vec![1]),
            (0b101, 3, vec![0, 2]),
            (0b1000, 3, vec![0, 1, 2]),
            (1 << 63, 64, vec![63]),
            (u64::MAX, 65, (0..64).collect()),
        ] {
            proxy.bind_process = set;
            assert_eq!(proxy.workers(0, count), expected, "{set:b} of {count}");
        }
    }
}
