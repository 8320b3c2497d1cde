//! Access control lists. Manual 1.4, section 7.
//!
//! An ACL is a sample expression, a match method and patterns; a condition joins ACLs.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use haproxy_cfg_grammar::value::operation::Operation;
pub use haproxy_cfg_grammar::value::pattern::MatchMethod;
use serde::Serialize;

use super::{ByteString, EntryFact, EntryRef, MapLookup, ProxyId, ServerId};

/// Index of an ACL in [`super::Proxy::acls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AclId(pub u32);

/// One `acl` line, or one anonymous ACL. Lines of the same name are separate entries: a term
/// names all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Acl {
    /// Its name; empty for an anonymous one.
    pub name: String,
    /// What is looked at.
    pub sample: Sample,
    /// How it is compared.
    pub matching: MatchMethod,
    /// `-i`.
    pub ignore_case: bool,
    /// What it is compared with; any of them will do.
    pub patterns: Vec<Pattern>,
    /// The same with the case of letters, whatever `ignore_case` says: what files before `-i` have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exact_case: Vec<Pattern>,
    /// How that was written.
    #[serde(skip)]
    pub written: Written,
}

/// How the patterns of an ACL were written: what the statistics socket shows and changes. Two plans
/// that differ in nothing else are equal.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The criterion with its arguments, as in `hdr(host),lower`.
    pub criterion: String,
    /// `-u`: the number of the list of patterns on the line (since 1.5).
    pub number: Option<u32>,
    /// The patterns on the line; they are the first of [`Acl::patterns`].
    pub patterns: Vec<ByteString>,
    /// The files, in order.
    pub files: Vec<PatternFile>,
}

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A file of patterns that an ACL names.
#[derive(Clone, Debug)]
pub struct PatternFile {
    /// Its name, as written.
    pub name: ByteString,
    /// What stands in it.
    pub content: Arc<[u8]>,
    /// `-i` stands before its name.
    pub ignore_case: bool,
    /// `-M` stands before its name: it is a map, and its keys are the patterns.
    pub is_map: bool,
    /// Its patterns are in [`Acl::exact_case`].
    pub exact_case: bool,
    /// Where they begin there, or in [`Acl::patterns`].
    pub from: usize,
    /// How many they are.
    pub count: usize,
}

/// A sample expression: what is fetched, and what is done with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Where the value comes from.
    pub fetch: Fetch,
    /// What it goes through, in order.
    pub converters: Vec<Converter>,
}

/// A step between a fetch and its use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Converter {
    /// `ipmask(mask)`: the network of an address.
    IpMask(Ipv4Addr),
    /// `lower`: small letters.
    Lower,
    /// `upper`: capital letters.
    Upper,
    /// `in_table` and its like: what is found in the entry of a key.
    Entry {
        /// As written.
        name: &'static str,
        /// The table.
        table: ProxyRef,
        /// What is asked; `None` whether there is an entry.
        fact: Option<EntryFact>,
    },
    /// What needs nothing but the value, as `add` and `hex`.
    #[serde(untagged)]
    Operation(Operation),
    /// `map` and its like: what the value stands for.
    #[serde(untagged)]
    Map(MapLookup),
}

/// A proxy that an ACL asks about. 1.4 does not mind a name that does not exist: such a sample
/// has no value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProxyRef {
    /// As written; empty means the current one.
    pub name: String,
    /// Which one; `None` is the current one when the name is empty, and none otherwise.
    pub id: Option<ProxyId>,
}

/// Index of a user list in [`super::Plan::userlists`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UserlistId(pub u32);

/// Where a sample comes from. One variant for each fetch, with typed arguments.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetch {
    /// Always true.
    AlwaysTrue,
    /// Always false.
    AlwaysFalse,
    /// The method of the request.
    Method,
    /// The version of the request, as `1.1`.
    RequestVersion,
    /// The version of the response, as `1.1`.
    ResponseVersion,
    /// The status of the response.
    Status,
    /// The whole URL.
    Url,
    /// The address in an absolute URL.
    UrlAddress,
    /// The port in an absolute URL.
    UrlPort,
    /// A parameter of the URL.
    UrlParameter {
        /// Its name.
        name: ByteString,
    },
    /// The same, as an integer.
    UrlParameterValue {
        /// Its name.
        name: ByteString,
    },
    /// The path: from the first slash to the question mark.
    Path,
    /// The first `Host` header and the path.
    Base,
    /// The values of a request header, comma-separated elements apart.
    RequestHeader {
        /// Its name.
        name: ByteString,
        /// Which value; negative counts from the last, 0 is any.
        occurrence: i32,
    },
    /// The values of a request header as addresses.
    RequestHeaderAddress {
        /// Its name.
        name: ByteString,
        /// Which value (since 1.5); negative counts from the last, 0 is any.
        occurrence: i32,
    },
    /// The values of a request header as integers.
    RequestHeaderValue {
        /// Its name.
        name: ByteString,
        /// Which value (since 1.5); negative counts from the last, 0 is any.
        occurrence: i32,
    },
    /// How many values a request header has.
    RequestHeaderCount {
        /// Its name.
        name: ByteString,
    },
    /// The values of a response header, comma-separated elements apart.
    ResponseHeader {
        /// Its name.
        name: ByteString,
        /// Which value; negative counts from the last, 0 is any.
        occurrence: i32,
    },
    /// The values of a response header as addresses.
    ResponseHeaderAddress {
        /// Its name.
        name: ByteString,
        /// Which value (since 1.5); negative counts from the last, 0 is any.
        occurrence: i32,
    },
    /// The values of a response header as integers.
    ResponseHeaderValue {
        /// Its name.
        name: ByteString,
        /// Which value (since 1.5); negative counts from the last, 0 is any.
        occurrence: i32,
    },
    /// How many values a response header has.
    ResponseHeaderCount {
        /// Its name.
        name: ByteString,
    },
    /// A cookie of the request.
    RequestCookie {
        /// Its name; empty means any.
        name: ByteString,
    },
    /// How many cookies of that name the request has.
    RequestCookieCount {
        /// Its name; empty means any.
        name: ByteString,
    },
    /// A cookie that the response sets.
    ResponseCookie {
        /// Its name; empty means any.
        name: ByteString,
    },
    /// How many cookies of that name the response sets.
    ResponseCookieCount {
        /// Its name; empty means any.
        name: ByteString,
    },
    /// The request carries the name and password of a user of the list.
    HttpAuth {
        /// The list.
        userlist: UserlistId,
    },
    /// The groups of that user.
    HttpAuthGroup {
        /// The list.
        userlist: UserlistId,
    },
    /// It is the first request of its connection.
    FirstRequest,
    /// The client's address.
    Source,
    /// The client's port.
    SourcePort,
    /// The address that the client connected to.
    Destination,
    /// The port that the client connected to.
    DestinationPort,
    /// Connections on the listener.
    DestinationConnections,
    /// `id` of the listener.
    ListenerId,
    /// `id` of the frontend.
    FrontendId,
    /// `id` of the backend.
    BackendId,
    /// `id` of the server.
    ServerNumericId,
    /// Connections of a frontend.
    FrontendConnections(ProxyRef),
    /// New sessions per second of a frontend.
    FrontendRate(ProxyRef),
    /// Connections of a backend.
    BackendConnections(ProxyRef),
    /// New sessions per second of a backend.
    BackendRate(ProxyRef),
    /// Connections that the servers of a backend can still take, and its queue.
    ConnectionSlots(ProxyRef),
    /// Usable servers of a backend.
    UsableServers(ProxyRef),
    /// Waiting connections of a backend.
    Queue(ProxyRef),
    /// Waiting connections of a backend for each usable server.
    AverageQueue(ProxyRef),
    /// Whether a server is up.
    ServerIsUp {
        /// Its backend.
        proxy: ProxyId,
        /// The server.
        server: ServerId,
    },
    /// How many bytes of the request are there.
    RequestLength,
    /// The first bytes are an HTTP request.
    RequestIsHttp,
    /// The version in the first bytes of an SSL request.
    RequestSslVersion,
    /// A cookie of RDP.
    RdpCookie {
        /// Its name; empty means any.
        name: ByteString,
    },
    /// How many cookies of RDP there are.
    RdpCookieCount {
        /// Its name; empty means any.
        name: ByteString,
    },
    /// True once the inspection delay is over.
    WaitEnd,
    /// What is stored in an entry of a stick table.
    Entry {
        /// As written.
        name: &'static str,
        /// Which one.
        of: EntryRef,
        /// What of it.
        fact: EntryFact,
    },
    /// `table_cnt`: how many entries a stick table has.
    TableUsed(ProxyRef),
    /// `table_avl`: for how many more it has room.
    TableFree(ProxyRef),
}

impl Sample {
    /// The stick tables that it looks into.
    pub fn tables_mut(&mut self) -> impl Iterator<Item = &mut ProxyRef> {
        let fetched = match &mut self.fetch {
            Fetch::Entry { of, .. } => of.table_mut(),
            Fetch::TableUsed(table) | Fetch::TableFree(table) => Some(table),
            _ => None,
        };
        let converters = self.converters.iter_mut();
        let found = converters.filter_map(|converter| match converter {
            Converter::Entry { table, .. } => Some(table),
            _ => None,
        });
        fetched.into_iter().chain(found)
    }
}

impl Acl {
    /// Whether capitals and small letters differ whatever the flags: in methods and in bytes.
    pub fn minds_case(&self) -> bool {
        self.sample.fetch == Fetch::Method || self.matching == MatchMethod::Binary
    }
}

/// One of the two sides of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It accepts connections.
    Frontend,
    /// It has servers.
    Backend,
}

impl Fetch {
    /// The proxy that it asks about, and which side of it.
    pub fn proxy_mut(&mut self) -> Option<(&mut ProxyRef, Side)> {
        match self {
            Self::FrontendConnections(proxy) | Self::FrontendRate(proxy) => {
                Some((proxy, Side::Frontend))
            }
            Self::BackendConnections(proxy)
            | Self::BackendRate(proxy)
            | Self::ConnectionSlots(proxy)
            | Self::UsableServers(proxy)
            | Self::Queue(proxy)
            | Self::AverageQueue(proxy) => Some((proxy, Side::Backend)),
            _ => None,
        }
    }

    /// Whether it looks at the lines of a request.
    pub fn is_of_request(&self) -> bool {
        matches!(
            self,
            Self::Method
                | Self::RequestVersion
                | Self::Url
                | Self::UrlAddress
                | Self::UrlPort
                | Self::UrlParameter { .. }
                | Self::UrlParameterValue { .. }
                | Self::Path
                | Self::Base
                | Self::RequestHeader { .. }
                | Self::RequestHeaderAddress { .. }
                | Self::RequestHeaderValue { .. }
                | Self::RequestHeaderCount { .. }
                | Self::RequestCookie { .. }
                | Self::RequestCookieCount { .. }
                | Self::HttpAuth { .. }
        )
    }
}

/// What a sample is compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// A string.
    Text(ByteString),
    /// A regular expression, as written.
    Regex(ByteString),
    /// Integers from `min` to `max`, both included; `None` is open.
    Range {
        /// The smallest.
        min: Option<i64>,
        /// The largest.
        max: Option<i64>,
    },
    /// An IPv4 network; the mask may have holes.
    Network {
        /// The address.
        address: Ipv4Addr,
        /// The mask.
        mask: Ipv4Addr,
    },
    /// An IPv6 network (since 1.5).
    NetworkV6 {
        /// The address.
        address: Ipv6Addr,
        /// How many of its bits count, from 0 to 128.
        bits: u8,
    },
}

/// `if` or `unless`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// The rule applies when the condition holds.
    If,
    /// The rule applies when it does not.
    Unless,
}

/// A condition: one of the conjunctions holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Condition {
    /// `if` or `unless`.
    pub polarity: Polarity,
    /// The parts between `or`.
    pub any: Vec<Conjunction>,
}

/// Terms that must all hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conjunction {
    /// The terms, in order.
    pub all: Vec<Term>,
}

/// One ACL name in a condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// `!` before it.
    pub negated: bool,
    /// The ACLs of that name; one of them must match.
    pub acls: Vec<AclId>,
}
