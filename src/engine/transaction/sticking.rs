//! `stick` rules in motion. Manual 1.4, section 4.2.

use std::net::IpAddr;
use std::sync::Arc;

use super::Transaction;
use super::rules::whole;
use crate::engine::live::{Server, millis};
use crate::engine::session::Session;
use crate::plan::ServerPort;
use crate::rule::with_response;
use crate::sample::content::{self, Found};
use crate::stick_table::{Destination, Key, Place};

/// How many keys of one request are remembered.
const MAX_KEYS: usize = 8;

/// The entries of tables that a transaction will make.
pub(crate) type Places = Vec<Place>;

impl Transaction {
    /// Looks for the server that the keys of a request lead to, and notes the keys by which the one
    /// that is chosen will be remembered. A table that was asked to remember a key is not looked at
    /// again by the rules that follow.
    pub(crate) fn stick(&mut self, session: &Session, http: bool) {
        let backend = session.backend();
        if backend.persistence.stick.is_empty() {
            return;
        }
        let facts = if http {
            self.request_facts(session, session.backend)
        } else {
            self.facts(session, session.backend, whole(self.up.buffer.bytes()))
        };
        let acls = &session.backend_handles().acls;
        let mut places = Places::new();
        let now = millis(session.worker.now());
        let mut sticky = self.sticky.clone();
        for rule in &backend.persistence.stick {
            let Some(table) = &session.generation.handles(rule.table).table else {
                continue;
            };
            if rule.of_response
                || places.iter().any(|place| place.is_in(table))
                || !acls.applies(rule.condition.as_ref(), &facts)
            {
                continue;
            }
            let Some(key) = Key::sampled(&rule.key, table.key_type(), &facts).0 else {
                continue;
            };
            if rule.looks_up && sticky.is_none() {
                sticky = table
                    .find(&key, now)
                    .and_then(|found| destined(session, &found))
                    .filter(|live| live.is_up() || backend.options.persist || self.forced)
                    .map(Arc::clone);
            }
            if rule.stores && places.len() < MAX_KEYS {
                places.extend(Place::take(table, key, now));
            }
        }
        self.stick_places = places;
        self.sticky = sticky;
        // The client goes where it has been, and needs no cookie for that.
        self.cookies.direct = self.sticky.is_some();
    }

    /// `persist rdp-cookie`: the server that the client's first bytes name.
    pub(crate) fn persist_rdp_cookie(&mut self, session: &Session) {
        let backend = session.backend();
        let Some(name) = &backend.persistence.rdp_cookie else {
            return;
        };
        let bytes = self.up.buffer.bytes();
        let Found::Value(cookie) = content::rdp_cookie(bytes, name) else {
            return;
        };
        let Some(wanted) = content::rdp_server(cookie) else {
            return;
        };
        let servers = &session.backend_handles().servers;
        let named = backend.servers.iter().zip(servers).find(|(server, live)| {
            server.address.ip == Some(IpAddr::V4(*wanted.ip()))
                && server.address.port == ServerPort::Fixed(wanted.port())
                && (live.is_up() || backend.options.persist)
        });
        if let Some((_, live)) = named {
            self.sticky = Some(Arc::clone(live));
        }
    }

    /// Remembers the server that has answered.
    pub(crate) fn remember_server(&mut self, session: &Session, response: bool) {
        if response {
            self.response_keys(session);
        }
        if self.stick_places.is_empty() {
            return;
        }
        let forgotten = self.server.as_ref().is_some_and(|s| s.settings().non_stick);
        let Some(destination) = self.destination(session).filter(|_| !forgotten) else {
            return;
        };
        let now = millis(session.worker.now());
        for place in self.stick_places.drain(..) {
            place.fill(destination, now);
        }
    }

    /// `stick store-response`: the keys that stand in the response.
    fn response_keys(&mut self, session: &Session) {
        let rules = &session.backend().persistence.stick;
        if !rules.iter().any(|rule| rule.of_response) {
            return;
        }
        let base = self.facts(session, session.backend, whole(&[]));
        let facts = with_response(base, &self.response, self.down.buffer.bytes());
        let acls = &session.backend_handles().acls;
        let now = millis(session.worker.now());
        let mut places = std::mem::take(&mut self.stick_places);
        for rule in rules.iter().filter(|rule| rule.of_response) {
            if places.len() >= MAX_KEYS || !acls.applies(rule.condition.as_ref(), &facts) {
                continue;
            }
            if let Some(table) = &session.generation.handles(rule.table).table
                && let Some(key) = Key::sampled(&rule.key, table.key_type(), &facts).0
            {
                places.extend(Place::take(table, key, now));
            }
        }
        self.stick_places = places;
    }

    /// What tables are told of the server that was chosen.
    pub(super) fn destination<'s>(&self, session: &'s Session) -> Option<&'s Arc<Destination>> {
        let name = self.server_name()?;
        let servers = &session.backend().servers;
        let index = servers.iter().position(|server| server.name == name)?;
        session.backend_handles().destinations.get(index)
    }
}

/// The server of the session's backend that an entry leads to: by name when the backend has made
/// the entry itself, so that it finds its server again after a reload, and by `id` otherwise.
pub(super) fn destined<'s>(
    session: &'s Session,
    destination: &Destination,
) -> Option<&'s Arc<Server>> {
    let backend = session.backend();
    let index = if destination.backend == backend.name {
        let mut servers = backend.servers.iter();
        servers.position(|server| server.name == destination.server)
    } else {
        let mut servers = backend.servers.iter();
        servers.position(|server| server.numeric_id == destination.id)
    }?;
    session.backend_handles().servers.get(index)
}
