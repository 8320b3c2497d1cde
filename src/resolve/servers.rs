//! `server`, `default-server`, `dispatch`, `source`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::keywords::server::{
    OnError, ServerSettings, ServerStatement, ServerTemplate,
};
use haproxy_cfg_grammar::keywords::source::{SourceStatement, UseSource};
use haproxy_cfg_grammar::value::address::{Endpoint, Host, Port};
use haproxy_cfg_grammar::value::time::Milliseconds;
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Severity, Span, WordBytes};

use super::draft::{self, Draft, PendingTrack};
use super::environment::Environment;
use super::rules::bytes;
use crate::plan::{
    Agent, ListenAddress, ProxyHeader, Server, ServerAddress, ServerCheck, ServerId, ServerPort,
    Source, TrafficCheck, TransparentSource, UnixAddress,
};

/// Adds a server.
pub(super) fn add(
    draft: &mut Draft,
    server: &ServerStatement,
    span: Span,
    environment: &Environment,
    dialect: Dialect,
) -> Result<(), Diagnostic> {
    let address = address(&server.address, server.address_span, environment).map_err(|mut d| {
        // 1.5 to 1.8 look addresses up when all lines are read.
        d.late = dialect == Dialect::V1_8;
        d
    })?;
    let mut settings = ServerSettings::clone(&draft.default_server);
    merge(&mut settings, &server.settings);
    let index = draft.proxy.servers.len();
    let mut plan = Server::new(&server.name.shown(), address);
    plan.socket = unix(&server.address.host);
    plan.numeric_id = settings.id.unwrap_or(0);
    plan.weight = settings.weight.unwrap_or(1);
    plan.backup = settings.backup;
    plan.disabled = settings.disabled;
    plan.maxconn = settings.maxconn.unwrap_or(0);
    plan.minconn = settings.minconn.unwrap_or(0);
    if plan.minconn > plan.maxconn {
        // Only `minconn` was said, or it is the higher one: the limit does not move.
        plan.maxconn = plan.minconn;
    }
    if plan.minconn == plan.maxconn {
        plan.minconn = 0;
    }
    plan.maxqueue = settings.maxqueue.unwrap_or(0);
    plan.cookie = settings.cookie.as_ref().map(bytes);
    plan.redir = settings.redir.as_ref().map(bytes);
    plan.slowstart = settings.slowstart.map(duration).filter(|d| !d.is_zero());
    if let Some(statement) = &settings.source {
        plan.source = Some(source(statement, environment)?);
    }
    plan.traffic_check = settings.observe.map(|(observe, _)| TrafficCheck {
        observe,
        error_limit: settings.error_limit.unwrap_or(10),
        on_error: settings.on_error.unwrap_or(OnError::FailCheck),
    });
    plan.send_proxy = settings.send_proxy;
    plan.non_stick = settings.non_stick.unwrap_or(false);
    plan.shutdown_sessions = settings.shutdown_sessions;
    plan.shutdown_backup_sessions = settings.shutdown_backup_sessions;
    plan.tcp_user_timeout = settings.tcp_ut.map(duration);
    if settings.agent_check {
        plan.agent = Some(agent(&settings, &plan, span, environment)?);
    }
    if settings.check || settings.addr.is_some() {
        match check(
            &settings,
            &server.address.host,
            &plan,
            draft,
            environment,
            dialect,
        ) {
            Ok(check) if settings.check => plan.check = Some(check),
            Ok(_) => {}
            // 1.5 and later leave such a server unchecked.
            Err(diagnostic) if diagnostic.severity == Severity::Alert => {
                draft.warnings.push(diagnostic);
            }
            Err(diagnostic) => return Err(diagnostic),
        }
    }
    if let Some(target) = &settings.track {
        if settings.check {
            return Err(Diagnostic::new(
                Code::Conflict,
                span,
                "'track' and 'check' exclude each other: a server that tracks another one is not \
                 checked itself",
            )
            .help("keep one of them"));
        }
        draft.pending_tracks.push(PendingTrack {
            server: ServerId(u32::try_from(index).unwrap_or(u32::MAX)),
            target: target.clone(),
        });
    }
    draft.server_spans.push(draft::ServerSpans {
        line: span,
        id: settings.id_span,
        observe: settings.observe.map(|(_, span)| span),
    });
    draft.proxy.servers.push(plan);
    draft.provenance.servers.push(span);
    Ok(())
}

fn check(
    settings: &ServerSettings,
    host: &Host,
    server: &Server,
    draft: &Draft,
    environment: &Environment,
    dialect: Dialect,
) -> Result<ServerCheck, Diagnostic> {
    let mut port = settings.port.filter(|p| *p != 0);
    let (mut addr, mut socket) = (None, None);
    if let Some((endpoint, span)) = &settings.addr {
        let target = address(endpoint, *span, environment)?;
        socket = unix(&endpoint.host);
        addr = target.ip;
        if let ServerPort::Fixed(p) = target.port
            && p != 0
            && port.is_none()
            && dialect != Dialect::V1_4
        {
            port = Some(p);
        }
    }
    let own = match server.address.port {
        ServerPort::Fixed(port) => Some(port).filter(|p| *p != 0),
        ServerPort::Mapped(_) => None,
    };
    // A server that takes the client's port is checked on the port of the first listener.
    let listener = draft.proxy.listeners.first().and_then(|l| match l.address {
        ListenAddress::Tcp { port, .. } => Some(port),
        ListenAddress::Unix(_) => None,
    });
    let listener = listener.filter(|_| dialect != Dialect::V1_8);
    let port = port.or(own).or(listener);
    // 1.5 to 1.8 look at servers with an address of their own only.
    let named = match settings
        .addr
        .as_ref()
        .map_or(host, |(endpoint, _)| &endpoint.host)
    {
        Host::V4(_) | Host::V6(_) => false,
        Host::Any | Host::Name(_) => dialect == Dialect::V1_8,
        Host::Unix(_) | Host::Abstract(_) => true,
    };
    if port.is_none() && settings.check && !named {
        let severity = if dialect == Dialect::V1_4 {
            Severity::Error
        } else {
            Severity::Alert
        };
        return Err(Diagnostic::new(
            Code::MissingArgument,
            settings.check_span.unwrap_or_default(),
            format!("the server '{}' has no port to check", server.name),
        )
        .severity(severity)
        .help("add a port to the address, or 'port N' for the checks"));
    }
    Ok(ServerCheck {
        inter: settings.inter.map_or(Duration::from_secs(2), duration),
        fastinter: settings.fastinter.map(duration),
        downinter: settings.downinter.map(duration),
        rise: settings.rise.unwrap_or(2),
        fall: settings.fall.unwrap_or(3),
        addr,
        socket,
        port: port.unwrap_or(0),
        // A check goes where traffic goes unless something else is said.
        send_proxy: if settings.check_send_proxy {
            server.send_proxy.or(Some(ProxyHeader::V1))
        } else {
            let elsewhere = settings.port.is_some() || settings.addr.is_some();
            server.send_proxy.filter(|_| !elsewhere)
        },
    })
}

fn agent(
    settings: &ServerSettings,
    server: &Server,
    span: Span,
    environment: &Environment,
) -> Result<Agent, Diagnostic> {
    let Some(port) = settings.agent_port else {
        return Err(Diagnostic::new(
            Code::MissingArgument,
            span,
            format!("the agent of the server '{}' has no port", server.name),
        )
        .help("add 'agent-port N'"));
    };
    let addr = match &settings.agent_addr {
        Some((endpoint, span)) => address(endpoint, *span, environment)?.ip,
        None => None,
    };
    Ok(Agent {
        port,
        addr,
        inter: settings
            .agent_inter
            .map_or(Duration::from_secs(2), duration),
        send: settings.agent_send.as_ref().map(bytes).unwrap_or_default(),
    })
}

/// Adds the servers of a template.
pub(super) fn add_template(
    draft: &mut Draft,
    template: &ServerTemplate,
    span: Span,
    environment: &Environment,
    dialect: Dialect,
) -> Result<(), Diagnostic> {
    for number in template.low..=template.high {
        let mut server = template.server.clone();
        let mut name = server.name.bytes.to_vec();
        name.extend_from_slice(number.to_string().as_bytes());
        server.name.bytes = WordBytes::from(&name[..]);
        if number > template.low {
            // An id belongs to one server.
            server.settings.id = None;
        }
        add(draft, &server, span, environment, dialect)?;
    }
    Ok(())
}

fn duration(time: Milliseconds) -> Duration {
    Duration::from_millis(time.0.into())
}

/// Adds `more` to what is there already.
pub(super) fn merge(settings: &mut ServerSettings, more: &ServerSettings) {
    macro_rules! take {
        ($($field:ident),*) => {
            $(if more.$field.is_some() { settings.$field = more.$field.clone(); })*
        };
    }
    take!(
        weight,
        maxconn,
        minconn,
        maxqueue,
        cookie,
        id,
        inter,
        fastinter,
        downinter,
        rise,
        fall,
        port,
        slowstart,
        addr,
        error_limit,
        observe,
        on_error,
        redir,
        source,
        track,
        check_span,
        id_span,
        agent_port,
        agent_addr,
        agent_inter,
        agent_send,
        non_stick,
        send_proxy,
        tcp_ut
    );
    settings.backup |= more.backup;
    settings.disabled |= more.disabled;
    settings.check |= more.check;
    settings.agent_check |= more.agent_check;
    settings.check_send_proxy |= more.check_send_proxy;
    settings.shutdown_sessions |= more.shutdown_sessions;
    settings.shutdown_backup_sessions |= more.shutdown_backup_sessions;
}

/// An address to connect to.
pub(super) fn address(
    endpoint: &Endpoint,
    span: Span,
    environment: &Environment,
) -> Result<ServerAddress, Diagnostic> {
    let ip = match &endpoint.host {
        Host::Any | Host::Unix(_) | Host::Abstract(_) => None,
        host => Some(ip(host, span, environment)?),
    };
    let port = match endpoint.port {
        Port::Fixed(port) => ServerPort::Fixed(port),
        Port::Offset(offset) => ServerPort::Mapped(offset),
        Port::None if unix(&endpoint.host).is_some() => ServerPort::Fixed(0),
        Port::None => ServerPort::Mapped(0),
        Port::Range(low, _) => ServerPort::Fixed(low),
    };
    Ok(ServerAddress { ip, port })
}

/// The Unix socket, where the host is one.
fn unix(host: &Host) -> Option<Arc<UnixAddress>> {
    match host {
        Host::Unix(path) => Some(Arc::new(UnixAddress::Path(path.into()))),
        Host::Abstract(name) => Some(Arc::new(UnixAddress::Abstract(name.clone()))),
        _ => None,
    }
}

fn ip(host: &Host, span: Span, environment: &Environment) -> Result<IpAddr, Diagnostic> {
    match host {
        Host::Any => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Host::V4(ip) => Ok(IpAddr::V4(*ip)),
        Host::V6(ip) => Ok(IpAddr::V6(*ip)),
        Host::Name(name) => environment
            .address(name)
            .ok_or_else(|| draft::unknown_host(name, span)),
        Host::Unix(_) | Host::Abstract(_) => Err(Diagnostic::new(
            Code::BadAddress,
            span,
            "a Unix socket cannot stand here",
        )),
    }
}

/// `source`.
pub(super) fn source(
    statement: &SourceStatement,
    environment: &Environment,
) -> Result<Source, Diagnostic> {
    let of = |host: &Host, span| match host {
        Host::Any => Ok(None),
        host => ip(host, span, environment).map(Some),
    };
    let transparent = match &statement.usesrc {
        None => None,
        Some(UseSource::Client) => Some(TransparentSource::Client),
        Some(UseSource::ClientIp) => Some(TransparentSource::ClientIp),
        Some(UseSource::Header { name, occurrence }) => Some(TransparentSource::Header {
            name: name.clone().into(),
            occurrence: *occurrence,
        }),
        Some(UseSource::Address(endpoint, span)) => {
            let ip = ip(&endpoint.host, *span, environment)?;
            let port = match endpoint.port {
                Port::Fixed(port) => port,
                _ => 0,
            };
            Some(TransparentSource::Address(SocketAddr::new(ip, port)))
        }
    };
    Ok(Source {
        ip: of(&statement.address.host, statement.span)?,
        ports: match statement.address.port {
            Port::Fixed(port) if port != 0 => Some((port, port)),
            Port::Range(low, high) => Some((low, high)),
            _ => None,
        },
        interface: statement
            .interface
            .as_ref()
            .map(haproxy_cfg_grammar::Word::shown),
        transparent,
    })
}
