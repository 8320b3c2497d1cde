//! Names and arguments of criteria into typed fetches.

use haproxy_cfg_grammar::value::criterion::{self, Criterion};
use haproxy_cfg_grammar::value::expression::Call;
use haproxy_cfg_grammar::value::number;
use haproxy_cfg_grammar::value::stored::{self, EntryName};
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Span};

use crate::plan::{ByteString, EntryRef, Fetch, ProxyRef, UserlistId};

/// A fetch, and the name that is still to be looked up.
pub(super) struct Resolving {
    pub(super) fetch: Fetch,
    /// A user list, or `backend/server`.
    pub(super) name: Option<String>,
}

/// The fetch of a criterion.
pub(super) fn of_criterion(criterion: &Criterion, argument: &[u8]) -> Option<Resolving> {
    of(criterion.fetch, argument)
}

/// The same in 1.4, which takes all that is in the parentheses for a name: that some value of a
/// header could be chosen came with 1.5.
pub(super) fn of_criterion_in_1_4(criterion: &Criterion, argument: &[u8]) -> Option<Resolving> {
    let mut found = of(criterion.fetch, argument)?;
    match &mut found.fetch {
        Fetch::RequestHeader { name, occurrence }
        | Fetch::RequestHeaderAddress { name, occurrence }
        | Fetch::RequestHeaderValue { name, occurrence }
        | Fetch::ResponseHeader { name, occurrence }
        | Fetch::ResponseHeaderAddress { name, occurrence }
        | Fetch::ResponseHeaderValue { name, occurrence } => {
            *name = argument.into();
            *occurrence = 0;
        }
        Fetch::RequestHeaderCount { name }
        | Fetch::ResponseHeaderCount { name }
        | Fetch::RdpCookie { name }
        | Fetch::RdpCookieCount { name } => *name = argument.into(),
        _ => {}
    }
    Some(found)
}

/// The fetch of that name since 1.5.
fn of(name: &str, argument: &[u8]) -> Option<Resolving> {
    let mut arguments = argument.split(|b| *b == b',');
    let first: ByteString = arguments.next().unwrap_or_default().into();
    let occurrence = arguments
        .next()
        .map_or(0, |n| number::to_int(number::atol(n).0));
    let name_of = first.clone();
    let name_arg = move || name_of;
    let proxy = || ProxyRef {
        name: first.to_string(),
        id: None,
    };
    let pending = |fetch: Fetch| {
        Some(Resolving {
            fetch,
            name: Some(first.to_string()),
        })
    };
    let fetch = match name {
        "always_true" => Fetch::AlwaysTrue,
        "always_false" => Fetch::AlwaysFalse,
        "avg_queue" => Fetch::AverageQueue(proxy()),
        "base" => Fetch::Base,
        "be_conn" => Fetch::BackendConnections(proxy()),
        "be_id" => Fetch::BackendId,
        "be_sess_rate" => Fetch::BackendRate(proxy()),
        "connslots" => Fetch::ConnectionSlots(proxy()),
        "dst" => Fetch::Destination,
        "dst_conn" => Fetch::DestinationConnections,
        "dst_port" => Fetch::DestinationPort,
        "fe_conn" => Fetch::FrontendConnections(proxy()),
        "fe_id" => Fetch::FrontendId,
        "fe_sess_rate" => Fetch::FrontendRate(proxy()),
        "http_auth" => {
            return pending(Fetch::HttpAuth {
                userlist: UserlistId(0),
            });
        }
        "http_auth_group" => {
            return pending(Fetch::HttpAuthGroup {
                userlist: UserlistId(0),
            });
        }
        "http_first_req" => Fetch::FirstRequest,
        "method" => Fetch::Method,
        "nbsrv" => Fetch::UsableServers(proxy()),
        "path" => Fetch::Path,
        "queue" => Fetch::Queue(proxy()),
        "req.cook" => Fetch::RequestCookie { name: name_arg() },
        "req.cook_cnt" => Fetch::RequestCookieCount { name: name_arg() },
        "req.hdr" => Fetch::RequestHeader {
            name: name_arg(),
            occurrence,
        },
        "req.hdr_cnt" => Fetch::RequestHeaderCount { name: name_arg() },
        "req.hdr_ip" => Fetch::RequestHeaderAddress {
            name: name_arg(),
            occurrence,
        },
        "req.hdr_val" => Fetch::RequestHeaderValue {
            name: name_arg(),
            occurrence,
        },
        "req.len" => Fetch::RequestLength,
        "req.proto_http" => Fetch::RequestIsHttp,
        "req.rdp_cookie" => Fetch::RdpCookie { name: name_arg() },
        "req.rdp_cookie_cnt" => Fetch::RdpCookieCount { name: name_arg() },
        "req.ssl_ver" => Fetch::RequestSslVersion,
        "req.ver" => Fetch::RequestVersion,
        "res.cook" => Fetch::ResponseCookie { name: name_arg() },
        "res.cook_cnt" => Fetch::ResponseCookieCount { name: name_arg() },
        "res.hdr" => Fetch::ResponseHeader {
            name: name_arg(),
            occurrence,
        },
        "res.hdr_cnt" => Fetch::ResponseHeaderCount { name: name_arg() },
        "res.hdr_ip" => Fetch::ResponseHeaderAddress {
            name: name_arg(),
            occurrence,
        },
        "res.hdr_val" => Fetch::ResponseHeaderValue {
            name: name_arg(),
            occurrence,
        },
        "res.ver" => Fetch::ResponseVersion,
        "so_id" => Fetch::ListenerId,
        "src" => Fetch::Source,
        "src_port" => Fetch::SourcePort,
        "srv_id" => Fetch::ServerNumericId,
        "srv_is_up" => return pending(Fetch::AlwaysFalse),
        "status" => Fetch::Status,
        "url" => Fetch::Url,
        "url_ip" => Fetch::UrlAddress,
        "url_param" => Fetch::UrlParameter { name: name_arg() },
        "url_param_val" => Fetch::UrlParameterValue { name: name_arg() },
        "url_port" => Fetch::UrlPort,
        "wait_end" => Fetch::WaitEnd,
        "table_avl" => Fetch::TableFree(proxy()),
        "table_cnt" => Fetch::TableUsed(proxy()),
        _ => return entry(name, argument).map(|fetch| Resolving { fetch, name: None }),
    };
    Some(Resolving { fetch, name: None })
}

/// A fetch about an entry of a stick table.
fn entry(name: &str, argument: &[u8]) -> Option<Fetch> {
    let (of, fact) = stored::fetch(name)?;
    let table = |text: &[u8]| ProxyRef {
        name: String::from_utf8_lossy(text).into_owned(),
        id: None,
    };
    let other = |text: &[u8]| (!text.is_empty()).then(|| table(text));
    let of = match of {
        EntryName::Source => EntryRef::Source(table(argument)),
        EntryName::Tracked(counter) => EntryRef::Tracked {
            counter,
            table: other(argument),
        },
        EntryName::Numbered => {
            let mut arguments = argument.splitn(2, |b| *b == b',');
            let number = number::atol(arguments.next().unwrap_or_default()).0;
            EntryRef::Tracked {
                counter: u8::try_from(number).unwrap_or(u8::MAX),
                table: other(arguments.next().unwrap_or_default()),
            }
        }
    };
    let name = criterion::find(name)?.name;
    Some(Fetch::Entry { name, of, fact })
}

/// A key is one value: the last one of a header when it is not said which.
pub(super) fn one_value(fetch: &mut Fetch) {
    if let Fetch::RequestHeader { occurrence, .. } | Fetch::ResponseHeader { occurrence, .. } =
        fetch
        && *occurrence == 0
    {
        *occurrence = -1;
    }
}

/// The fetch of a `stick` rule.
pub(super) fn of_stick(call: &Call, span: Span, dialect: Dialect) -> Result<Fetch, Diagnostic> {
    let argument = call.argument.as_deref().unwrap_or_default();
    let found = criterion::find(&call.name).and_then(|criterion| match dialect {
        Dialect::V1_4 => of_criterion_in_1_4(criterion, argument),
        Dialect::V1_8 | Dialect::Hapax => of_criterion(criterion, argument),
    });
    let found = match (found, call.name.as_str()) {
        (None, "rdp_cookie") => of("req.rdp_cookie", argument),
        (found, _) => found,
    };
    let fetch = found.map(|mut found| {
        one_value(&mut found.fetch);
        found.fetch
    });
    fetch.ok_or_else(|| {
        Diagnostic::new(
            Code::UnknownFetch,
            span,
            format!("a table cannot be keyed with '{}'", call.name),
        )
    })
}

/// The mistake of naming a converter that is not there.
pub(super) fn unknown_converter(name: &str, span: Span) -> Diagnostic {
    use haproxy_cfg_grammar::keywords::later;
    match later::find(later::CONVERTERS, name) {
        Some(row) => row.refusal(span, "hapax keywords lists those that hapax has"),
        None => Diagnostic::new(
            Code::UnknownConverter,
            span,
            format!("there is no converter '{name}'"),
        )
        .help("hapax keywords lists those that hapax has"),
    }
}
