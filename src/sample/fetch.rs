//! From a fetch to its values.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use haproxy_cfg_grammar::Dialect;

use super::content::{self, Found};
use super::facts::ProxyFact;
use super::value::{header_integer, leading_address, leading_integer};
use super::{Facts, Message, Sent, Value, http, stored};
use crate::http1::{Version, uri};
use crate::plan::{Fetch, ProxyRef};

/// Whether another look, once more bytes have come, could find something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// What was found stays.
    Final,
    /// More bytes may change it.
    MayChange,
}

/// Hands the values of a fetch to a visitor until it answers `true`.
pub fn fetch(
    fetch: &Fetch,
    facts: &Facts<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> Certainty {
    match fetch {
        Fetch::AlwaysTrue => {
            visit(Value::Bool(true));
        }
        Fetch::AlwaysFalse => {
            visit(Value::Bool(false));
        }
        Fetch::WaitEnd => {
            let waiting = facts.content.may_grow;
            if waiting {
                return Certainty::MayChange;
            }
            visit(Value::Bool(true));
        }
        Fetch::Source => address(facts.source, facts.dialect, visit),
        Fetch::Destination => address(facts.world.destination(), facts.dialect, visit),
        Fetch::SourcePort => integer(facts.source.map(|a| i64::from(a.port())), visit),
        Fetch::DestinationPort => integer(
            facts.world.destination().map(|a| i64::from(a.port())),
            visit,
        ),
        Fetch::FirstRequest => {
            visit(Value::Bool(facts.first_request));
        }
        Fetch::ListenerId => integer(facts.world.listener_id().map(i64::from), visit),
        Fetch::FrontendId => integer(Some(i64::from(facts.world.frontend_id())), visit),
        Fetch::BackendId => integer(facts.world.backend_id().map(i64::from), visit),
        Fetch::ServerNumericId => integer(facts.world.server_id().map(i64::from), visit),
        Fetch::DestinationConnections => {
            let connections = facts
                .world
                .proxy(facts.proxy, ProxyFact::FrontendConnections);
            integer(connections, visit);
        }
        Fetch::ServerIsUp { proxy, server } => {
            visit(Value::Bool(facts.world.is_up(*proxy, *server)));
        }
        Fetch::FrontendConnections(of) => counter(facts, of, ProxyFact::FrontendConnections, visit),
        Fetch::FrontendRate(of) => counter(facts, of, ProxyFact::FrontendRate, visit),
        Fetch::BackendConnections(of) => counter(facts, of, ProxyFact::BackendConnections, visit),
        Fetch::BackendRate(of) => counter(facts, of, ProxyFact::BackendRate, visit),
        Fetch::ConnectionSlots(of) => counter(facts, of, ProxyFact::ConnectionSlots, visit),
        Fetch::UsableServers(of) => counter(facts, of, ProxyFact::UsableServers, visit),
        Fetch::Queue(of) => counter(facts, of, ProxyFact::Queue, visit),
        Fetch::AverageQueue(of) => counter(facts, of, ProxyFact::AverageQueue, visit),
        Fetch::Entry { of, fact, .. } => {
            if let Some(value) = stored::entry(of, *fact, facts) {
                visit(value);
            }
        }
        Fetch::TableUsed(table) => {
            let counts = stored::counts(table, facts);
            integer(counts.map(|(used, _)| used.into()), visit);
        }
        Fetch::TableFree(table) => {
            let counts = stored::counts(table, facts);
            integer(counts.map(|(_, free)| free.into()), visit);
        }
        Fetch::RequestLength
        | Fetch::RequestIsHttp
        | Fetch::RequestSslVersion
        | Fetch::RdpCookie { .. }
        | Fetch::RdpCookieCount { .. } => return first_bytes(fetch, facts, visit),
        _ => {
            // Since 1.5 a header fetch without a name finds nothing.
            if facts.dialect != Dialect::V1_4 && names_no_header(fetch) {
                return Certainty::Final;
            }
            if let Some(response) = facts.response
                && of_response(fetch, response, facts.dialect, visit)
            {
                return Certainty::Final;
            }
            if let Some(request) = facts.request {
                of_request(fetch, request, facts, visit);
            } else if let Some(sent) = facts.sent {
                of_sent(fetch, sent, facts.dialect, visit);
            } else if facts.dialect != Dialect::V1_4 && fetch.is_of_request() {
                return of_first_bytes(fetch, facts, visit);
            }
        }
    }
    Certainty::Final
}

fn first_bytes(
    fetch: &Fetch,
    facts: &Facts<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> Certainty {
    let content = facts.content;
    let (found, certain) = match fetch {
        Fetch::RequestLength => {
            visit(Value::Integer(request_length(facts)));
            return changing(content.may_grow);
        }
        Fetch::RequestIsHttp if facts.request.is_some() || facts.sent.is_some() => {
            (Found::Value(Value::Bool(true)), true)
        }
        Fetch::RequestIsHttp => (
            match content::request(content, facts.dialect) {
                Found::Value(_) => Found::Value(Value::Bool(true)),
                Found::Never => Found::Value(Value::Bool(false)),
                Found::NotYet => Found::NotYet,
            },
            false,
        ),
        Fetch::RequestSslVersion => (
            mapped(
                content::ssl_version(content.bytes, facts.dialect),
                Value::Integer,
            ),
            false,
        ),
        Fetch::RdpCookie { name } => (
            mapped(content::rdp_cookie(content.bytes, name), Value::Text),
            false,
        ),
        Fetch::RdpCookieCount { name } => (
            match content::rdp_cookie(content.bytes, name) {
                Found::Value(_) => Found::Value(Value::Integer(1)),
                Found::Never => Found::Value(Value::Integer(0)),
                Found::NotYet => Found::NotYet,
            },
            false,
        ),
        _ => (Found::Never, true),
    };
    match found {
        Found::Value(value) => {
            visit(value);
            Certainty::Final
        }
        Found::NotYet if !certain => changing(content.may_grow),
        Found::NotYet | Found::Never => Certainty::Final,
    }
}

/// What has come, with the head as the rules so far have left it.
fn request_length(facts: &Facts<'_>) -> i64 {
    let received = facts.content.bytes.len();
    let length = match facts.request {
        Some(Message { head, bytes }) if head.received_len() <= received => {
            received - head.received_len() + head.written_len(bytes)
        }
        _ => received,
    };
    length as i64
}

fn mapped<'a, T>(found: Found<T>, make: impl Fn(T) -> Value<'a>) -> Found<Value<'a>> {
    match found {
        Found::Value(value) => Found::Value(make(value)),
        Found::Never => Found::Never,
        Found::NotYet => Found::NotYet,
    }
}

fn changing(may_grow: bool) -> Certainty {
    if may_grow {
        Certainty::MayChange
    } else {
        Certainty::Final
    }
}

fn names_no_header(fetch: &Fetch) -> bool {
    match fetch {
        Fetch::RequestHeader { name, .. }
        | Fetch::RequestHeaderAddress { name, .. }
        | Fetch::RequestHeaderValue { name, .. }
        | Fetch::ResponseHeader { name, .. }
        | Fetch::ResponseHeaderAddress { name, .. }
        | Fetch::ResponseHeaderValue { name, .. } => name.is_empty(),
        _ => false,
    }
}

/// Answers whether the fetch is one of responses.
fn of_response(
    fetch: &Fetch,
    response: Message<'_>,
    dialect: Dialect,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> bool {
    match fetch {
        Fetch::Status => {
            let code = leading_integer(response.head.second_word(response.bytes));
            visit(Value::Integer(code));
        }
        Fetch::ResponseVersion => {
            version(response.head.first_word(response.bytes), visit);
        }
        Fetch::ResponseHeader { name, occurrence } => {
            header(response, name, *occurrence, visit);
        }
        Fetch::ResponseHeaderAddress { name, occurrence } => {
            header_addresses(response, name, *occurrence, dialect, visit);
        }
        Fetch::ResponseHeaderValue { name, occurrence } => {
            header_numbers(response, name, *occurrence, visit);
        }
        Fetch::ResponseHeaderCount { name } => {
            visit(Value::Integer(count(response, name)));
        }
        Fetch::ResponseCookie { name } => {
            set_cookies(response, name).any(|value| visit(Value::Text(value)));
        }
        Fetch::ResponseCookieCount { name } => {
            let count = set_cookies(response, name).count();
            visit(Value::Integer(count as i64));
        }
        _ => return false,
    }
    true
}

#[inline(always)]
fn of_request(
    fetch: &Fetch,
    request: Message<'_>,
    facts: &Facts<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) {
    let Message { head, bytes } = request;
    match fetch {
        Fetch::Method => {
            visit(Value::Text(head.first_word(bytes)));
        }
        Fetch::RequestVersion => version(head.third_part(bytes), visit),
        Fetch::Url => {
            visit(Value::Text(head.second_word(bytes)));
        }
        Fetch::UrlAddress => {
            if let Some((address, _)) = http::url_authority(head.second_word(bytes), facts.dialect)
            {
                visit(Value::Address(address));
            }
        }
        Fetch::UrlPort => {
            let authority = http::url_authority(head.second_word(bytes), facts.dialect);
            integer(authority.map(|(_, port)| i64::from(port)), visit);
        }
        Fetch::UrlParameter { name } => {
            if let Some(value) = http::url_parameter(head.second_word(bytes), name) {
                visit(Value::Text(value));
            }
        }
        Fetch::UrlParameterValue { name } => {
            if let Some(value) = http::url_parameter(head.second_word(bytes), name) {
                visit(Value::Integer(leading_integer(value)));
            }
        }
        Fetch::Path => {
            let target = head.second_word(bytes);
            if let Some(range) = uri::path(target) {
                visit(Value::Text(&target[range]));
            }
        }
        Fetch::Base => {
            let mut base = Vec::new();
            if let Some(host) = http::header_values(request, b"Host").next() {
                base.extend_from_slice(host);
            }
            let target = head.second_word(bytes);
            if let Some(range) = uri::path(target) {
                base.extend_from_slice(&target[range]);
            }
            visit(Value::Text(&base));
        }
        Fetch::RequestHeader { name, occurrence } => header(request, name, *occurrence, visit),
        Fetch::RequestHeaderAddress { name, occurrence } => {
            header_addresses(request, name, *occurrence, facts.dialect, visit);
        }
        Fetch::RequestHeaderValue { name, occurrence } => {
            header_numbers(request, name, *occurrence, visit);
        }
        Fetch::RequestHeaderCount { name } => {
            visit(Value::Integer(count(request, name)));
        }
        Fetch::RequestCookie { name } => {
            named_cookies(request, name).any(|value| visit(Value::Text(value)));
        }
        Fetch::RequestCookieCount { name } => {
            let count = named_cookies(request, name).count();
            visit(Value::Integer(count as i64));
        }
        Fetch::HttpAuth { userlist } => {
            let mut scratch = Vec::new();
            if let Some((name, password)) = http::credentials(request, facts.as_proxy, &mut scratch)
            {
                visit(Value::Bool(
                    facts.world.admits(*userlist, name, password, None),
                ));
            }
        }
        _ => {}
    }
}

/// Since 1.5 the bytes of a TCP connection are read as a request when a rule asks about one.
fn of_first_bytes(
    fetch: &Fetch,
    facts: &Facts<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> Certainty {
    match content::request(facts.content, facts.dialect) {
        Found::Value((head, bytes)) => {
            let request = Message {
                head: &head,
                bytes: &bytes,
            };
            of_request(fetch, request, facts, visit);
            Certainty::Final
        }
        Found::Never => Certainty::Final,
        Found::NotYet => changing(facts.content.may_grow),
    }
}

/// What rules over responses find out about the request: its method, and with 1.4 its version.
fn of_sent(fetch: &Fetch, sent: Sent, dialect: Dialect, visit: &mut dyn FnMut(Value<'_>) -> bool) {
    match fetch {
        Fetch::Method => {
            if let Some(name) = sent.method.name() {
                visit(Value::Text(name));
            }
        }
        Fetch::RequestVersion if dialect == Dialect::V1_4 => {
            let version: &[u8] = match sent.version {
                Version::Http09 => return,
                Version::Http10 => b"1.0",
                Version::Http11 => b"1.1",
            };
            visit(Value::Text(version));
        }
        _ => {}
    }
}

/// The values of the cookies of a name that a response sets; one without a value is as good as none.
fn set_cookies<'a>(response: Message<'a>, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    http::set_cookies(response)
        .filter(move |(found, value)| name.is_empty() || (*found == name && !value.is_empty()))
        .map(|(_, value)| value)
}

/// The values of the cookies of a name; one without a value is as good as none. An empty name
/// stands for all of them.
fn named_cookies<'a>(request: Message<'a>, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    http::cookies(request, b"Cookie")
        .filter(move |(found, value)| name.is_empty() || (*found == name && !value.is_empty()))
        .map(|(_, value)| value)
}

fn header(
    message: Message<'_>,
    name: &[u8],
    occurrence: i32,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) {
    if name.is_empty() {
        each(http::all_header_values(message), occurrence, visit);
    } else {
        each(http::header_values(message, name), occurrence, visit);
    }
}

fn each<'a>(
    mut values: impl Iterator<Item = &'a [u8]>,
    occurrence: i32,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) {
    if occurrence == 0 {
        values.any(|value| visit(Value::Text(value)));
    } else if let Some(value) = http::occurrence(values, occurrence) {
        visit(Value::Text(value));
    }
}

/// 1.4 takes what is no address for 0.0.0.0.
fn header_addresses(
    message: Message<'_>,
    name: &[u8],
    occurrence: i32,
    dialect: Dialect,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) {
    let otherwise = (dialect == Dialect::V1_4).then_some(Ipv4Addr::UNSPECIFIED);
    header(message, name, occurrence, &mut |value| match value {
        Value::Text(text) => match leading_address(text).or(otherwise) {
            Some(address) => visit(Value::Address(address)),
            // Only later versions come here.
            None => value
                .address_v6()
                .is_some_and(|address| visit(Value::AddressV6(address))),
        },
        _ => false,
    });
}

fn header_numbers(
    message: Message<'_>,
    name: &[u8],
    occurrence: i32,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) {
    header(message, name, occurrence, &mut |value| match value {
        Value::Text(text) => visit(Value::Integer(header_integer(text))),
        _ => false,
    });
}

fn count(message: Message<'_>, name: &[u8]) -> i64 {
    let count = if name.is_empty() {
        http::all_header_values(message).count()
    } else {
        http::header_values(message, name).count()
    };
    count as i64
}

/// What follows `HTTP/`.
fn version(text: &[u8], visit: &mut dyn FnMut(Value<'_>) -> bool) {
    if let Some(slash) = memchr::memchr(b'/', text) {
        visit(Value::Text(&text[slash + 1..]));
    }
}

fn integer(value: Option<i64>, visit: &mut dyn FnMut(Value<'_>) -> bool) {
    if let Some(value) = value {
        visit(Value::Integer(value));
    }
}

/// An address; 1.4 knows IPv4 only.
fn address(value: Option<SocketAddr>, dialect: Dialect, visit: &mut dyn FnMut(Value<'_>) -> bool) {
    let Some(value) = value else { return };
    match (v4(value.ip()), value.ip()) {
        (Some(address), _) => visit(Value::Address(address)),
        (None, IpAddr::V6(address)) if dialect != Dialect::V1_4 => visit(Value::AddressV6(address)),
        _ => false,
    };
}

fn counter(
    facts: &Facts<'_>,
    of: &ProxyRef,
    what: ProxyFact,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) {
    let proxy = if of.name.is_empty() {
        Some(facts.proxy)
    } else {
        of.id
    };
    integer(proxy.and_then(|id| facts.world.proxy(id, what)), visit);
}

/// An address as version 4, which is what ACLs compare.
pub fn v4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
    }
}
