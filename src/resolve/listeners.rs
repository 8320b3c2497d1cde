//! `bind` lines into listeners: one for every address and port.

use std::net::{IpAddr, Ipv4Addr};

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::keywords::bind::BindStatement;
use haproxy_cfg_grammar::value::address::{Host, Port};
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Word};

use super::draft::{self, Draft};
use super::environment::Environment;
use crate::plan::{ListenAddress, Listener};

/// Adds the listeners of a line.
pub(super) fn add(
    draft: &mut Draft,
    bind: &BindStatement,
    environment: &Environment,
    dialect: Dialect,
) -> Result<(), Diagnostic> {
    let mut first = true;
    for (endpoint, span) in &bind.addresses {
        let ip = match &endpoint.host {
            Host::Any => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Host::V4(ip) => IpAddr::V4(*ip),
            Host::V6(ip) => IpAddr::V6(*ip),
            Host::Name(name) => environment.address(name).ok_or_else(|| {
                let mut diagnostic = draft::unknown_host(name, *span);
                if dialect == Dialect::V1_4 {
                    // It does not name the line here.
                    diagnostic.place = Place::Whole;
                }
                diagnostic
            })?,
            Host::Unix(path) => {
                draft.proxy.listeners.push(listener(
                    bind,
                    ListenAddress::Unix(path.into()),
                    std::mem::take(&mut first),
                ));
                draft.listener_spans.push(*span);
                continue;
            }
        };
        let (low, high) = match endpoint.port {
            Port::Fixed(port) => (port, port),
            Port::Range(low, high) => (low, high),
            Port::None | Port::Offset(_) => {
                return Err(Diagnostic::new(
                    Code::BadAddress,
                    *span,
                    "a port to listen on is missing",
                ));
            }
        };
        for port in low..=high {
            draft.proxy.listeners.push(listener(
                bind,
                ListenAddress::Tcp { ip, port },
                std::mem::take(&mut first),
            ));
            draft.listener_spans.push(*span);
        }
    }
    Ok(())
}

/// A listener; `id` belongs to the first one of the line, 0 stands for "to be numbered".
fn listener(bind: &BindStatement, address: ListenAddress, first: bool) -> Listener {
    Listener {
        address,
        numeric_id: bind.id.filter(|_| first).unwrap_or(0),
        name: bind.name.as_ref().map(Word::shown),
        interface: bind.interface.as_ref().map(Word::shown),
        mss: bind.mss,
        transparent: bind.transparent,
        defer_accept: bind.defer_accept,
    }
}
