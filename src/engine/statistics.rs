//! Looks at everything that is live and fills in the table of statistics.

use std::sync::atomic::Ordering;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::generation::{Generation, Handles};
use super::live::{Counter, Counters, Pace, Phase, Place};
use super::worker::Shared;
use crate::plan::{
    ByteString, ListenAddress, Mode, Plan, Proxy, ProxyId, ServerAddress, ServerPort,
};
use crate::stats::{Field, Kind, More, Row, State, Value};

/// The rows of all proxies, in the order of the file: the frontend, its listeners, the servers,
/// the backend.
pub(crate) fn rows(generation: &Generation, now: Instant) -> Vec<Row> {
    let plan = &generation.plan;
    let mut rows = Vec::new();
    for (index, proxy) in plan.proxies.iter().enumerate() {
        let id = ProxyId(index as u32);
        let frontend = &generation.handles(id).frontend;
        if proxy.disabled || frontend.stopped.load(Ordering::Relaxed) {
            continue;
        }
        rows.extend(proxy_rows(generation, id, now));
    }
    rows
}

/// The rows of one proxy.
pub(crate) fn proxy_rows(generation: &Generation, id: ProxyId, now: Instant) -> Vec<Row> {
    each_row(generation, id, now).collect()
}

/// The same, one by one.
pub(crate) fn each_row(
    generation: &Generation,
    id: ProxyId,
    now: Instant,
) -> impl Iterator<Item = Row> {
    let proxy = generation.proxy(id);
    let collector = Collector {
        generation,
        plan: &generation.plan,
        proxy,
        handles: generation.handles(id),
        id,
        now,
    };
    let (front, back) = (proxy.role.is_frontend(), proxy.role.is_backend());
    let listeners = front && proxy.options.socket_stats;
    let listeners = if listeners { proxy.listeners.len() } else { 0 };
    let servers = if back { proxy.servers.len() } else { 0 };
    let frontend = front.then_some(Of::Frontend);
    let listeners = (0..listeners).map(Of::Listener);
    let servers = (0..servers).map(Of::Server);
    let all = frontend.into_iter().chain(listeners).chain(servers);
    all.chain(back.then_some(Of::Backend))
        .map(move |of| match of {
            Of::Frontend => collector.frontend(),
            Of::Listener(index) => collector.listener(index),
            Of::Server(index) => collector.server(index),
            Of::Backend => collector.backend(),
        })
}

/// What a row of a proxy is about.
enum Of {
    Frontend,
    Listener(usize),
    Server(usize),
    Backend,
}

struct Collector<'a> {
    generation: &'a Generation,
    plan: &'a Plan,
    proxy: &'a Proxy,
    handles: &'a Handles,
    id: ProxyId,
    now: Instant,
}

impl Collector<'_> {
    fn v1_4(&self) -> bool {
        self.plan.dialect == Dialect::V1_4
    }

    fn start(&self, kind: Kind, service: String, sid: u32) -> Row {
        let mut row = Row::new(kind);
        row.set(Field::Pxname, self.proxy.name.clone());
        row.set(Field::Svname, service);
        row.set(Field::Pid, 1_u32);
        row.set(Field::Iid, self.proxy.numeric_id);
        row.set(Field::Sid, sid);
        row.set(Field::Mode, mode(self.proxy.mode));
        row
    }

    fn frontend(&self) -> Row {
        let frontend = &self.handles.frontend;
        let counters = &frontend.counters;
        let mut row = self.start(Kind::Frontend, "FRONTEND".to_owned(), 0);
        let sessions = frontend.sessions.now();
        row.set(Field::Scur, sessions);
        row.set(Field::Smax, frontend.sessions.peak().get());
        row.set(Field::Slim, self.handles.frontend.maxconn.get());
        counts(
            &mut row,
            counters,
            &[
                (Field::Stot, Counter::Sessions),
                (Field::Bin, Counter::BytesIn),
                (Field::Bout, Counter::BytesOut),
                (Field::Dreq, Counter::DeniedRequests),
                (Field::Dresp, Counter::DeniedResponses),
                (Field::Ereq, Counter::RequestErrors),
                (Field::ReqTot, Counter::Requests),
                (Field::Dcon, Counter::DeniedConnections),
                (Field::Dses, Counter::DeniedSessions),
            ],
        );
        row.set(Field::ConnTot, connections(counters));
        row.set(Field::Status, self.frontend_status(sessions));
        row.set(Field::Rate, counters.rate(Pace::Sessions, self.now));
        row.set(Field::RateLim, self.proxy.rate_limit_sessions);
        row.set(Field::RateMax, counters.peak(Pace::Sessions));
        row.set(Field::ConnRate, counters.rate(Pace::Connections, self.now));
        row.set(Field::ConnRateMax, counters.peak(Pace::Connections));
        row.set(Field::ReqRate, counters.rate(Pace::Requests, self.now));
        row.set(Field::ReqRateMax, counters.peak(Pace::Requests));
        self.responses(&mut row, counters);
        if self.proxy.mode == Mode::Http {
            row.set(Field::Intercepted, counters.get(Counter::Intercepted));
        }
        no_compression(&mut row);
        row
    }

    fn frontend_status(&self, sessions: u32) -> &'static str {
        if self.handles.frontend.paused.load(Ordering::Relaxed) {
            "STOP"
        } else if self.is_full(sessions) {
            "FULL"
        } else {
            "OPEN"
        }
    }

    /// Whether a frontend, or a listener of it, has as many sessions as it may have.
    fn is_full(&self, sessions: u32) -> bool {
        let limit = self.handles.frontend.maxconn.get();
        limit != 0 && sessions >= limit
    }

    fn listener(&self, index: usize) -> Row {
        let listener = &self.proxy.listeners[index];
        let live = &self.handles.listeners[index];
        let name = listener.name.clone();
        let name = name.unwrap_or_else(|| format!("sock-{}", listener.numeric_id));
        let mut row = self.start(Kind::Listener, name, listener.numeric_id);
        let sessions = live.sessions.now();
        row.set(Field::Scur, sessions);
        row.set(Field::Smax, live.sessions.peak().get());
        let limit = match listener.maxconn {
            0 => self.handles.frontend.maxconn.get(),
            own => own,
        };
        row.set(Field::Slim, limit);
        counts(
            &mut row,
            &live.counters,
            &[
                (Field::Bin, Counter::BytesIn),
                (Field::Bout, Counter::BytesOut),
                (Field::Dreq, Counter::DeniedRequests),
                (Field::Dresp, Counter::DeniedResponses),
                (Field::Ereq, Counter::RequestErrors),
                (Field::Dcon, Counter::DeniedConnections),
                (Field::Dses, Counter::DeniedSessions),
            ],
        );
        // Those that never became a session are counted here, unlike those of a frontend.
        row.set(Field::Stot, connections(&live.counters));
        let full = self.is_full(sessions) || listener.maxconn != 0 && sessions >= limit;
        row.set(Field::Status, if full { "FULL" } else { "OPEN" });
        row.set(
            Field::Addr,
            match &listener.address {
                ListenAddress::Tcp { ip, port } => {
                    std::net::SocketAddr::new(*ip, *port).to_string()
                }
                ListenAddress::Unix(_) => "unix".to_owned(),
            },
        );
        row
    }

    fn server(&self, index: usize) -> Row {
        let server = &self.proxy.servers[index];
        let live = &self.handles.servers[index];
        let backend = &self.handles.backend;
        let counters = &live.counters;
        let mut row = self.start(Kind::Server, server.name.clone(), server.numeric_id);
        row.set(Field::Qcur, live.waiting());
        row.set(Field::Qmax, live.queue_peak.get());
        row.set(Field::Scur, live.sessions());
        row.set(Field::Smax, live.peak.get());
        let limit = live.maxconn.get();
        row.set(Field::Slim, (limit != 0).then_some(limit));
        counts(
            &mut row,
            counters,
            &[
                (Field::Stot, Counter::Sessions),
                (Field::Bin, Counter::BytesIn),
                (Field::Bout, Counter::BytesOut),
                (Field::Dresp, Counter::DeniedResponses),
                (Field::Econ, Counter::ConnectErrors),
                (Field::Eresp, Counter::ResponseErrors),
                (Field::Wretr, Counter::Retries),
                (Field::Wredis, Counter::Redispatches),
                (Field::Lbtot, Counter::Chosen),
                (Field::CliAbrt, Counter::ClientAborts),
                (Field::SrvAbrt, Counter::ServerAborts),
            ],
        );
        row.set(Field::Weight, backend.shown_weight(live).0);
        row.set(Field::Act, u32::from(!server.backup));
        row.set(Field::Bck, u32::from(server.backup));
        row.set(
            Field::Qlimit,
            (server.maxqueue != 0).then_some(server.maxqueue),
        );
        row.set(Field::Rate, counters.rate(Pace::Sessions, self.now));
        row.set(Field::RateMax, counters.peak(Pace::Sessions));
        self.health(&mut row, index);
        self.responses(&mut row, counters);
        row.set(
            Field::Addr,
            match live.place() {
                Place::Internet(place) => address(place),
                Place::Unix(_) => "unix".to_owned(),
            },
        );
        row.set(Field::Cookie, server.cookie.as_ref().map(text));
        self.idle(&mut row, counters);
        self.times(&mut row, counters);
        row.more = More {
            attempts: Some(counters.get(Counter::Attempts)),
            reuses: Some(counters.get(Counter::Reuses)),
        };
        row
    }

    /// What is known of a server's health.
    fn health(&self, row: &mut Row, index: usize) {
        let server = &self.proxy.servers[index];
        let live = &self.handles.servers[index];
        let mut health = live.health(self.plan.dialect, self.now);
        if health.throttle.is_some() {
            health.throttle = Some(self.handles.backend.shown_weight(live).1.max(1));
        }
        let status = match &health.state {
            State::MaintenanceVia(_) if self.v1_4() => "MAINT(via)".to_owned(),
            state => state.to_string(),
        };
        row.set(Field::Status, status);
        if let Some(tracked) = server.track {
            let proxy = self.generation.proxy(tracked.proxy);
            let name = proxy.servers.get(tracked.server.0 as usize);
            let name = name.map_or("", |server| &server.name);
            row.set(Field::Tracked, format!("{}/{name}", proxy.name));
        }
        row.set(Field::Throttle, health.throttle);
        let v1_4 = self.v1_4();
        // Since 1.5 checks pause during maintenance, and their results are not shown.
        let shown = health.check.is_some() && (v1_4 || !health.state.is_maintenance());
        if shown || !v1_4 {
            row.set(Field::Lastchg, health.since_change.as_secs());
        }
        if health.check.is_some() {
            row.set(Field::Chkfail, health.failed_checks);
            row.set(Field::Chkdown, health.times_down);
            row.set(Field::Downtime, health.down_time.as_secs());
        }
        let millis = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        if let (true, Some(check)) = (shown, &health.check) {
            row.set(Field::CheckStatus, check.status.to_string());
            row.set(Field::CheckCode, check.code);
            row.set(Field::CheckDuration, check.duration.map(millis));
            row.set(Field::CheckDesc, check.description.to_string());
            row.set(Field::LastChk, check.said.clone());
        }
        if let Some(agent) = &health.agent {
            row.set(Field::AgentStatus, agent.status.to_string());
            row.set(Field::AgentCode, agent.code);
            row.set(Field::AgentDuration, agent.duration.map(millis));
            row.set(Field::AgentDesc, agent.description.to_string());
            row.set(Field::LastAgt, agent.said.clone());
            row.set(Field::AgentHealth, u32::from(health.agent_up));
            row.set(Field::AgentRise, 1_u32);
            row.set(Field::AgentFall, 1_u32);
        }
        if v1_4 || server.traffic_check.is_some() {
            row.set(Field::Hanafail, health.failed_responses);
        }
        if let (true, Some((at, rise, fall))) = (shown, health.progress) {
            row.set(Field::CheckHealth, at);
            row.set(Field::CheckRise, rise);
            row.set(Field::CheckFall, fall);
        }
    }

    fn backend(&self) -> Row {
        let backend = &self.handles.backend;
        let counters = &backend.counters;
        let mut row = self.start(Kind::Backend, "BACKEND".to_owned(), 0);
        row.set(Field::Qcur, backend.waiting());
        row.set(Field::Qmax, backend.queue_peak.get());
        row.set(Field::Scur, backend.sessions.now());
        row.set(Field::Smax, backend.sessions.peak().get());
        row.set(Field::Slim, fullconn(self.plan, self.id));
        counts(
            &mut row,
            counters,
            &[
                (Field::Stot, Counter::Sessions),
                (Field::Bin, Counter::BytesIn),
                (Field::Bout, Counter::BytesOut),
                (Field::Dreq, Counter::DeniedRequests),
                (Field::Dresp, Counter::DeniedResponses),
                (Field::Econ, Counter::ConnectErrors),
                (Field::Eresp, Counter::ResponseErrors),
                (Field::Wretr, Counter::Retries),
                (Field::Wredis, Counter::Redispatches),
                (Field::Lbtot, Counter::Chosen),
                (Field::CliAbrt, Counter::ClientAborts),
                (Field::SrvAbrt, Counter::ServerAborts),
            ],
        );
        let in_use = backend.in_use();
        let empty = self.proxy.servers.is_empty();
        let up = empty || in_use.weight > 0;
        row.set(Field::Status, if up { "UP" } else { "DOWN" });
        row.set(Field::Weight, in_use.weight);
        row.set(Field::Act, in_use.active);
        row.set(Field::Bck, in_use.backup);
        let (times_down, since_change, down_time) = backend.availability(self.now);
        row.set(Field::Chkdown, times_down);
        row.set(Field::Lastchg, since_change.as_secs());
        if self.v1_4() || !empty {
            row.set(Field::Downtime, down_time.as_secs());
        }
        row.set(Field::Rate, counters.rate(Pace::Sessions, self.now));
        row.set(Field::RateMax, counters.peak(Pace::Sessions));
        self.responses(&mut row, counters);
        if self.proxy.mode == Mode::Http && !self.v1_4() {
            row.set(Field::ReqTot, counters.get(Counter::Requests));
        }
        no_compression(&mut row);
        row.set(Field::Algo, self.proxy.balance.name());
        let cookie = self.proxy.persistence.cookie.as_ref();
        row.set(Field::Cookie, cookie.map(|cookie| text(&cookie.name)));
        self.idle(&mut row, counters);
        self.times(&mut row, counters);
        row.more = More {
            attempts: Some(counters.get(Counter::Attempts)),
            reuses: Some(counters.get(Counter::Reuses)),
        };
        row
    }

    fn responses(&self, row: &mut Row, counters: &Counters) {
        if self.proxy.mode == Mode::Http {
            counts(
                row,
                counters,
                &[
                    (Field::Hrsp1xx, Counter::Status1xx),
                    (Field::Hrsp2xx, Counter::Status2xx),
                    (Field::Hrsp3xx, Counter::Status3xx),
                    (Field::Hrsp4xx, Counter::Status4xx),
                    (Field::Hrsp5xx, Counter::Status5xx),
                    (Field::HrspOther, Counter::StatusOther),
                ],
            );
        }
    }

    fn idle(&self, row: &mut Row, counters: &Counters) {
        let idle = counters.idle_seconds(self.now);
        row[Field::Lastsess] = idle.map_or(Value::Signed(-1), Value::Number);
    }

    fn times(&self, row: &mut Row, counters: &Counters) {
        for (field, phase) in [
            (Field::Qtime, Phase::Queue),
            (Field::Ctime, Phase::Connect),
            (Field::Rtime, Phase::Response),
            (Field::Ttime, Phase::Total),
        ] {
            row.set(field, counters.mean(phase));
        }
    }
}

fn text(bytes: &ByteString) -> String {
    String::from_utf8_lossy(bytes.as_bytes()).into_owned()
}

fn counts(row: &mut Row, counters: &Counters, fields: &[(Field, Counter)]) {
    for (field, counter) in fields {
        row.set(*field, counters.get(*counter));
    }
}

fn no_compression(row: &mut Row) {
    for field in [
        Field::CompIn,
        Field::CompOut,
        Field::CompByp,
        Field::CompRsp,
    ] {
        row.set(field, 0_u32);
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Http => "http",
        Mode::Tcp => "tcp",
        Mode::Health => "health",
    }
}

fn address(address: ServerAddress) -> String {
    let mut ip = address
        .ip
        .map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string());
    if ip.contains(':') {
        ip = format!("[{ip}]");
    }
    match address.port {
        ServerPort::Fixed(port) => format!("{ip}:{port}"),
        ServerPort::Mapped(offset) => format!("{ip}:{offset:+}"),
    }
}

/// How many sessions fill a backend. Since 1.5 it is a tenth of what its frontends accept when
/// nothing is said.
pub(crate) fn fullconn(plan: &Plan, id: ProxyId) -> u32 {
    let proxy = plan.proxy(id);
    if proxy.fullconn != 0 {
        return proxy.fullconn;
    }
    if plan.dialect == Dialect::V1_4 {
        return if proxy.role.is_frontend() {
            proxy.maxconn
        } else {
            0
        };
    }
    let reach = |(index, frontend): (usize, &Proxy)| {
        let itself = ProxyId(index as u32) == id;
        let sends = frontend.default_backend == Some(id)
            || frontend.switching.iter().any(|rule| match rule.target {
                crate::plan::SwitchingTarget::Backend(backend) => backend == id,
                // As in HAProxy, who is named while requests come is not counted.
                crate::plan::SwitchingTarget::Named(_) => false,
            });
        (frontend.role.is_frontend() && !frontend.disabled && (itself || sends))
            .then_some(u64::from(frontend.maxconn))
    };
    let sum: u64 = plan.proxies.iter().enumerate().filter_map(reach).sum();
    u32::try_from(sum.div_ceil(10).max(1)).unwrap_or(u32::MAX)
}

/// How many clients have connected, those that a rule rejected included.
fn connections(counters: &Counters) -> u64 {
    let of = |what| counters.get(what);
    of(Counter::Sessions) + of(Counter::DeniedConnections) + of(Counter::DeniedSessions)
}

/// What is counted of the whole process, for `show info`.
pub(crate) fn info(shared: &Shared, plan: &Plan) -> crate::stats::Info {
    let registry = &shared.registry;
    let now = Instant::now();
    let counters = &registry.counters;
    let pace = |of| (counters.rate(of, now), counters.peak(of));
    let (arrived, sessions) = (pace(Pace::Connections), pace(Pace::Sessions));
    let descriptors = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .map_or(0, |(soft, _)| soft);
    let connections = registry.process.now();
    crate::stats::Info {
        pid: std::process::id(),
        uptime: registry.started.elapsed(),
        memory_limit: plan.global.memory_mb.unwrap_or(0).into(),
        descriptors,
        sockets: descriptors,
        maxconn: registry.maxconn.get(),
        hard_maxconn: plan.global.maxconn,
        maxpipes: plan.global.maxpipes,
        pipes: (registry.pipes.used(), registry.pipes.free()),
        connections,
        total_connections: counters.get(Counter::Sessions),
        total_requests: counters.get(Counter::Requests),
        connection_rate: (arrived.0, registry.connection_rate.limit.get(), arrived.1),
        session_rate: (sessions.0, registry.session_rate.limit.get(), sessions.1),
        tasks: u64::from(connections) + 1,
        idle: 100,
        node: plan.global.node.clone().unwrap_or_else(host_name),
        description: plan.global.description.clone(),
        generation: shared.reloads.generation(),
        failed_reloads: shared.reloads.failures(),
        draining: shared.reloads.still_draining(),
        dropped_logs: super::syslog::dropped(),
        given_up_searches: crate::regular_expression::given_up(),
    }
}

/// The name of the host, up to its first dot or whole.
pub(super) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
