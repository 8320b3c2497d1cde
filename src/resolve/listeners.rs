//! `bind` lines into listeners: one for every address and port.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::keywords::bind::BindStatement;
use haproxy_cfg_grammar::keywords::socket_file::SocketFile as SocketFileSyntax;
use haproxy_cfg_grammar::value::address::{Endpoint, Host, Port};
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Span, Word};

use super::draft::{self, Draft};
use super::environment::Environment;
use crate::plan::{ListenAddress, Listener, SocketFile};

/// Adds the listeners of a line.
pub(super) fn add(
    draft: &mut Draft,
    bind: &BindStatement,
    environment: &Environment,
    dialect: Dialect,
) -> Result<(), Diagnostic> {
    let file = socket_file(&bind.file, environment)?;
    let mut first = true;
    for (endpoint, span) in &bind.addresses {
        for address in listen_addresses(endpoint, *span, environment, dialect)? {
            let listener = listener(bind, address, file, std::mem::take(&mut first));
            draft.proxy.listeners.push(listener);
            draft.listener_spans.push(*span);
        }
    }
    Ok(())
}

/// One address for each port.
pub(super) fn listen_addresses(
    endpoint: &Endpoint,
    span: Span,
    environment: &Environment,
    dialect: Dialect,
) -> Result<Vec<ListenAddress>, Diagnostic> {
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
        Host::Unix(path) => return Ok(vec![ListenAddress::Unix(path.into())]),
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

/// Owner and permissions with their names looked up.
pub(super) fn socket_file(
    file: &SocketFileSyntax,
    environment: &Environment,
) -> Result<SocketFile, Diagnostic> {
    let look_up = |word: Option<&Word>, table: &HashMap<String, Option<u32>>, what: &str| {
        let Some(word) = word else { return Ok(None) };
        match table.get(&word.shown()) {
            Some(Some(id)) => Ok(Some(*id)),
            _ => Err(Diagnostic::new(
                Code::UnknownUser,
                word.span,
                format!("the system has no {what} '{}'", word.shown()),
            )),
        }
    };
    Ok(SocketFile {
        uid: look_up(file.user.as_ref(), &environment.users, "user")?.or(file.uid),
        gid: look_up(file.group.as_ref(), &environment.groups, "group")?.or(file.gid),
        mode: file.mode,
    })
}

/// A listener; `id` belongs to the first one of the line, 0 stands for "to be numbered".
fn listener(
    bind: &BindStatement,
    address: ListenAddress,
    file: SocketFile,
    first: bool,
) -> Listener {
    Listener {
        address,
        numeric_id: bind.id.filter(|_| first).unwrap_or(0),
        name: bind.name.as_ref().map(Word::shown),
        interface: bind.interface.as_ref().map(Word::shown),
        mss: bind.mss,
        transparent: bind.transparent,
        defer_accept: bind.defer_accept,
        file,
    }
}
