//! `server` lines.

use std::net::IpAddr;

use haproxy_cfg_grammar::keywords::server::ServerStatement;
use haproxy_cfg_grammar::value::address::{Endpoint, Host, Port};
use haproxy_cfg_grammar::{Code, Diagnostic, Span};

use super::draft::{self, Draft};
use super::environment::Environment;
use crate::plan::{Server, ServerAddress, ServerPort};

/// Adds a server.
pub(super) fn add(
    draft: &mut Draft,
    server: &ServerStatement,
    span: Span,
    environment: &Environment,
) -> Result<(), Diagnostic> {
    let address = address(&server.address, server.address_span, environment)?;
    let settings = &server.settings;
    draft.proxy.servers.push(Server {
        name: server.name.shown(),
        numeric_id: settings.id.unwrap_or(0),
        address,
        weight: settings.weight.unwrap_or(1),
        backup: settings.backup,
        disabled: settings.disabled,
        maxconn: settings.maxconn.unwrap_or(0),
        minconn: settings.minconn.unwrap_or(0),
        maxqueue: settings.maxqueue.unwrap_or(0),
        cookie: settings.cookie.as_ref().map(|w| (&*w.bytes).into()),
    });
    draft.provenance.servers.push(span);
    Ok(())
}

/// An address to connect to.
pub(super) fn address(
    endpoint: &Endpoint,
    span: Span,
    environment: &Environment,
) -> Result<ServerAddress, Diagnostic> {
    let ip = match &endpoint.host {
        Host::Any => None,
        Host::V4(ip) => Some(IpAddr::V4(*ip)),
        Host::V6(ip) => Some(IpAddr::V6(*ip)),
        Host::Name(name) => Some(
            environment
                .address(name)
                .ok_or_else(|| draft::unknown_host(name, span))?,
        ),
        Host::Unix(_) => {
            return Err(Diagnostic::new(
                Code::BadAddress,
                span,
                "hapax does not connect to Unix sockets yet",
            ));
        }
    };
    let port = match endpoint.port {
        Port::Fixed(port) => ServerPort::Fixed(port),
        Port::Offset(offset) => ServerPort::Mapped(offset),
        Port::None => ServerPort::Mapped(0),
        Port::Range(low, _) => ServerPort::Fixed(low),
    };
    Ok(ServerAddress { ip, port })
}
