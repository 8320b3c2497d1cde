//! `bind` lines into listeners: one for every address and port.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::keywords::bind::{BindStatement, SocketFile as FileSyntax};
use haproxy_cfg_grammar::value::address::{Endpoint, Host, Port};
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Span, Word};

use super::draft::{self, Draft};
use super::environment::Environment;
use crate::plan::{ListenAddress, Listener, SocketFile, UnixAddress};

/// Adds the listeners of a line.
pub(super) fn add(
    draft: &mut Draft,
    bind: &BindStatement,
    unix: &UnixSettings,
    environment: &Environment,
    dialect: Dialect,
) -> Result<(), Diagnostic> {
    let mut template = listener(bind, unix, environment)?;
    let mut add = |address, span, draft: &mut Draft| {
        let mut listener = template.clone();
        listener.address = address;
        // `id` belongs to the first one of the line.
        template.numeric_id = 0;
        draft.proxy.listeners.push(listener);
        draft.listener_spans.push(span);
    };
    for (endpoint, span) in &bind.addresses {
        for address in listen_addresses(endpoint, *span, &unix.prefix, environment, dialect)? {
            add(address, *span, draft);
        }
    }
    Ok(())
}

/// One address for each port; paths begin with `prefix`.
pub(super) fn listen_addresses(
    endpoint: &Endpoint,
    span: Span,
    prefix: &str,
    environment: &Environment,
    dialect: Dialect,
) -> Result<Vec<ListenAddress>, Diagnostic> {
    let unix = |socket| Ok(vec![ListenAddress::Unix(socket)]);
    let ip = match &endpoint.host {
        Host::Any => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Host::V4(ip) => IpAddr::V4(*ip),
        Host::V6(ip) => IpAddr::V6(*ip),
        Host::Name(name) => environment.address(name).ok_or_else(|| {
            let mut diagnostic = draft::unknown_host(name, span);
            if dialect == Dialect::V1_4 {
                // It does not name the line here.
                diagnostic.place = Place::Whole;
            }
            diagnostic
        })?,
        Host::Unix(path) => return unix(UnixAddress::Path(format!("{prefix}{path}").into())),
        Host::Abstract(name) => return unix(UnixAddress::Abstract(name.clone())),
    };
    let (low, high) = match endpoint.port {
        Port::Fixed(port) => (port, port),
        Port::Range(low, high) => (low, high),
        Port::None | Port::Offset(_) => {
            return Err(Diagnostic::new(
                Code::BadAddress,
                span,
                "a port to listen on is missing",
            ));
        }
    };
    let ports = low..=high;
    Ok(ports.map(|port| ListenAddress::Tcp { ip, port }).collect())
}

/// What `unix-bind` has said.
#[derive(Debug, Default)]
pub(super) struct UnixSettings {
    /// What every path begins with.
    pub(super) prefix: String,
    /// Who may use the files of those that do not say it themselves.
    pub(super) file: SocketFile,
}

/// Who may use a file, with names looked up.
pub(super) fn file(
    syntax: &FileSyntax,
    environment: &Environment,
) -> Result<SocketFile, Diagnostic> {
    let user = draft::number_of(syntax.user.as_ref(), &environment.users, "user")?;
    let group = draft::number_of(syntax.group.as_ref(), &environment.groups, "group")?;
    Ok(SocketFile {
        uid: user.or(syntax.uid),
        gid: group.or(syntax.gid),
        mode: syntax.mode,
    })
}

/// What the listeners of a line have in common; the number 0 stands for "to be numbered".
fn listener(
    bind: &BindStatement,
    unix: &UnixSettings,
    environment: &Environment,
) -> Result<Listener, Diagnostic> {
    let nowhere = ListenAddress::Tcp {
        ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 0,
    };
    Ok(Listener {
        numeric_id: bind.id.unwrap_or(0),
        name: bind.name.as_ref().map(Word::shown),
        interface: bind.interface.as_ref().map(Word::shown),
        mss: bind.mss,
        transparent: bind.transparent,
        defer_accept: bind.defer_accept,
        accept_proxy: bind.accept_proxy,
        backlog: bind.backlog,
        maxconn: bind.maxconn.unwrap_or(0),
        process: bind.process,
        tcp_user_timeout: bind.tcp_ut.map(|time| Duration::from_millis(time.0.into())),
        fast_open: bind.tfo,
        v6only: bind.v6only,
        file: file(&bind.file, environment)?.or(unix.file),
        ..Listener::new(nowhere)
    })
}
