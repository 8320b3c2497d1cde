//! Everything that is known at one moment of a session.

use std::net::SocketAddr;
use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use crate::http1::{Head, Method, Version};
use crate::map::Map;
use crate::plan::{MapId, ProxyId, ServerId, UserlistId};
use crate::stick_table::{Millis, StickTable, Tracking};

/// A message head, and the bytes that it was scanned from.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its lines, with the edits made so far.
    pub head: &'a Head,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// The first bytes of a connection, or of a request.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// What has come.
    pub bytes: &'a [u8],
    /// Whether more of it may come before the decision has to be made.
    pub may_grow: bool,
}

/// What is remembered of a request that has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its method.
    pub method: Method,
    /// Its version.
    pub version: Version,
}

/// What a rule can look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Whose rules are being read: what fetches without a proxy's name ask about.
    pub proxy: ProxyId,
    /// The meaning of keywords.
    pub dialect: Dialect,
    /// The request.
    pub request: Option<Message<'a>>,
    /// What is left of the request when there is a response.
    pub sent: Option<Sent>,
    /// The response.
    pub response: Option<Message<'a>>,
    /// The bytes of the client.
    pub content: Content<'a>,
    /// The client.
    pub source: Option<SocketAddr>,
    /// The client takes this for a proxy (`option http-use-proxy-header`).
    pub as_proxy: bool,
    /// It is the first request of its connection.
    pub first_request: bool,
    /// What lives outside of the session.
    pub world: &'a dyn World,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("proxy", &self.proxy)
            .field("request", &self.request)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

/// What lives outside of a session: counters, states, user lists. Everything is asked for by
/// identity and answered with a number; `None` is no value.
pub trait World {
    /// The address that the client connected to. Asked for only when a rule wants it: it may take a
    /// system call.
    fn destination(&self) -> Option<SocketAddr>;
    /// Numbers that belong to a proxy.
    fn proxy(&self, of: ProxyId, what: ProxyFact) -> Option<i64>;
    /// Whether a server is up.
    fn is_up(&self, proxy: ProxyId, server: ServerId) -> bool;
    /// `id` of the listener.
    fn listener_id(&self) -> Option<u32>;
    /// `id` of the frontend.
    fn frontend_id(&self) -> u32;
    /// `id` of the backend.
    fn backend_id(&self) -> Option<u32>;
    /// `id` of the server.
    fn server_id(&self) -> Option<u32>;
    /// The moment.
    fn now(&self) -> Millis;
    /// The stick table of a proxy.
    fn stick_table(&self, of: ProxyId) -> Option<&Arc<StickTable>>;
    /// What the session tracks; `None` where nothing can be.
    fn tracking(&self) -> Option<&Tracking>;
    /// Whether a user list has that user with that password, and, when groups are named, in one
    /// of them.
    fn admits(
        &self,
        list: UserlistId,
        name: &[u8],
        password: &[u8],
        groups: Option<&dyn Fn(&str) -> bool>,
    ) -> bool;
    /// A map that converters ask.
    fn map(&self, id: MapId) -> Option<&Map>;
}

/// A number that belongs to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFact {
    /// Connections of the frontend.
    FrontendConnections,
    /// New sessions per second of the frontend.
    FrontendRate,
    /// Connections of the backend.
    BackendConnections,
    /// New sessions per second of the backend.
    BackendRate,
    /// Connections and queue places that are left.
    ConnectionSlots,
    /// Usable servers.
    UsableServers,
    /// Waiting connections, of the backend and of its servers.
    Queue,
    /// The same for each usable server, rounded up.
    AverageQueue,
}

/// A world without anything in it.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

impl World for Nowhere {
    fn destination(&self) -> Option<SocketAddr> {
        None
    }

    fn proxy(&self, _: ProxyId, _: ProxyFact) -> Option<i64> {
        None
    }

    fn is_up(&self, _: ProxyId, _: ServerId) -> bool {
        false
    }

    fn listener_id(&self) -> Option<u32> {
        None
    }

    fn frontend_id(&self) -> u32 {
        0
    }

    fn backend_id(&self) -> Option<u32> {
        None
    }

    fn server_id(&self) -> Option<u32> {
        None
    }

    fn now(&self) -> Millis {
        0
    }

    fn stick_table(&self, _: ProxyId) -> Option<&Arc<StickTable>> {
        None
    }

    fn tracking(&self) -> Option<&Tracking> {
        None
    }

    fn admits(&self, _: UserlistId, _: &[u8], _: &[u8], _: Option<&dyn Fn(&str) -> bool>) -> bool {
        false
    }

    fn map(&self, _: MapId) -> Option<&Map> {
        None
    }
}
