//! The criteria of ACLs: 1.4's names, spelled in terms of a fetch and a match method.
//! Manual 1.4, section 7.5.

use crate::Dialect;
use crate::keyword::Status;
use crate::value::number;
use crate::value::pattern::MatchMethod::{self, *};
use crate::value::stored;
use crate::version::{self, Version};

/// When a criterion can have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// At any time.
    Nothing,
    /// The first bytes of the connection.
    RequestBytes,
    /// A parsed request, for as long as its bytes are there.
    Request,
    /// A request; the value is remembered to the end of the transaction.
    Remembered,
    /// A parsed response.
    Response,
    /// A backend or server that was chosen for the request.
    ServerChosen,
}

/// What may stand in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing; 1.4 ignores what is there.
    Nothing,
    /// The name of a header, and since 1.5 which of its values; `hdr` alone looks at all of them.
    Header,
    /// The name of a header alone.
    HeaderName,
    /// The name of a cookie.
    Cookie,
    /// A backend; none means the current proxy.
    Backend,
    /// A frontend; none means the current proxy.
    Frontend,
    /// `backend/server` or `server`; it must be there.
    Server,
    /// A user list; it must be there.
    Userlist,
    /// The name of a parameter of the URL.
    UrlParameter,
    /// A stick table; none means that of the current proxy.
    Table,
    /// A stick table in which to look for the key that is tracked; none means that in which it is.
    OtherTable,
    /// The number of what is tracked, then perhaps another table.
    Counter,
}

impl Takes {
    /// What is wrong with arguments, as 1.5 and later look at them: 1.4 takes what it needs and
    /// leaves the rest. The default dialect forgives what the place cannot use, as 1.4 does.
    pub fn refuse(self, arguments: &[&[u8]], dialect: Dialect) -> Option<String> {
        let most = match self {
            Self::Nothing => 0,
            Self::Header | Self::UrlParameter | Self::Counter => 2,
            Self::HeaderName | Self::Cookie | Self::Backend | Self::Frontend => 1,
            Self::Server | Self::Userlist | Self::Table | Self::OtherTable => 1,
        };
        if arguments.len() > most {
            let what = match most {
                0 => "it takes none".to_owned(),
                n => format!("it takes {n} at most"),
            };
            return Some(what).filter(|_| dialect == Dialect::V1_8);
        }
        if self == Self::Counter {
            return refuse_counter(arguments.first().copied().unwrap_or_default(), dialect);
        }
        if self == Self::Header
            && let Some(occurrence) = arguments.get(1)
        {
            return match number::atol(occurrence) {
                (-10.., true) if !occurrence.is_empty() => None,
                (_, true) if !occurrence.is_empty() => {
                    Some("the occurrence of a header is at least -10".to_owned())
                }
                _ => Some(format!(
                    "'{}' is not a number",
                    String::from_utf8_lossy(occurrence)
                )),
            };
        }
        None
    }
}

/// What is wrong with the number of what is tracked. HAProxy takes any, and finds nothing under those
/// that it does not have.
fn refuse_counter(number: &[u8], dialect: Dialect) -> Option<String> {
    match number::atol(number) {
        (_, false) => Some("it needs the number of what is tracked".to_owned()),
        (n, true)
            if dialect == Dialect::Hapax && !(0..i64::from(stored::COUNTERS)).contains(&n) =>
        {
            Some("what is tracked has the numbers 0, 1 and 2".to_owned())
        }
        _ => None,
    }
}

/// One criterion, or one sample fetch used as one.
#[derive(Clone, Copy, Debug)]
pub struct Criterion {
    /// Its name in ACLs.
    pub name: &'static str,
    /// The fetch that it reads, by its name since 1.5.
    pub fetch: &'static str,
    /// What stands in parentheses.
    pub takes: Takes,
    /// How it is compared unless `-m` says otherwise.
    pub method: MatchMethod,
    /// When it has a value.
    pub needs: Needs,
    /// The version that brought it.
    pub since: Version,
    /// What hapax does with it.
    pub status: Status,
}

const fn row(
    name: &'static str,
    fetch: &'static str,
    takes: Takes,
    method: MatchMethod,
    needs: Needs,
) -> Criterion {
    Criterion {
        name,
        fetch,
        takes,
        method,
        needs,
        since: version::V1_4,
        status: Status::Works,
    }
}

const fn later(base: Criterion, since: Version) -> Criterion {
    Criterion { since, ..base }
}

use Needs::{Remembered, Request, RequestBytes, Response, ServerChosen};
use Takes::{Backend, Cookie, Frontend, Header, HeaderName, Server, UrlParameter, Userlist};

const NONE: Takes = Takes::Nothing;
const ANY_TIME: Needs = Needs::Nothing;

/// All criteria but those about stick tables, in alphabetical order.
pub const CRITERIA: &[Criterion] = &[
    row("always_false", "always_false", NONE, Bool, ANY_TIME),
    row("always_true", "always_true", NONE, Bool, ANY_TIME),
    row("avg_queue", "avg_queue", Backend, Integer, ANY_TIME),
    later(row("base", "base", NONE, Exact, Request), version::V1_5),
    later(
        row("base_beg", "base", NONE, Prefix, Request),
        version::V1_5,
    ),
    later(
        row("base_dir", "base", NONE, Directory, Request),
        version::V1_5,
    ),
    later(
        row("base_dom", "base", NONE, Domain, Request),
        version::V1_5,
    ),
    later(
        row("base_end", "base", NONE, Suffix, Request),
        version::V1_5,
    ),
    later(
        row("base_len", "base", NONE, Length, Request),
        version::V1_5,
    ),
    later(row("base_reg", "base", NONE, Regex, Request), version::V1_5),
    later(
        row("base_sub", "base", NONE, Substring, Request),
        version::V1_5,
    ),
    row("be_conn", "be_conn", Backend, Integer, ANY_TIME),
    row("be_id", "be_id", NONE, Integer, ServerChosen),
    row("be_sess_rate", "be_sess_rate", Backend, Integer, ANY_TIME),
    row("connslots", "connslots", Backend, Integer, ANY_TIME),
    later(
        row("cook", "req.cook", Cookie, Exact, Request),
        version::V1_5,
    ),
    later(
        row("cook_beg", "req.cook", Cookie, Prefix, Request),
        version::V1_5,
    ),
    later(
        row("cook_cnt", "req.cook_cnt", Cookie, Integer, Request),
        version::V1_5,
    ),
    later(
        row("cook_dir", "req.cook", Cookie, Directory, Request),
        version::V1_5,
    ),
    later(
        row("cook_dom", "req.cook", Cookie, Domain, Request),
        version::V1_5,
    ),
    later(
        row("cook_end", "req.cook", Cookie, Suffix, Request),
        version::V1_5,
    ),
    later(
        row("cook_len", "req.cook", Cookie, Length, Request),
        version::V1_5,
    ),
    later(
        row("cook_reg", "req.cook", Cookie, Regex, Request),
        version::V1_5,
    ),
    later(
        row("cook_sub", "req.cook", Cookie, Substring, Request),
        version::V1_5,
    ),
    row("dst", "dst", NONE, Address, ANY_TIME),
    row("dst_conn", "dst_conn", NONE, Integer, ANY_TIME),
    row("dst_port", "dst_port", NONE, Integer, ANY_TIME),
    row("fe_conn", "fe_conn", Frontend, Integer, ANY_TIME),
    row("fe_id", "fe_id", NONE, Integer, ANY_TIME),
    row("fe_sess_rate", "fe_sess_rate", Frontend, Integer, ANY_TIME),
    row("hdr", "req.hdr", Header, Exact, Request),
    row("hdr_beg", "req.hdr", Header, Prefix, Request),
    row("hdr_cnt", "req.hdr_cnt", HeaderName, Integer, Request),
    row("hdr_dir", "req.hdr", Header, Directory, Request),
    row("hdr_dom", "req.hdr", Header, Domain, Request),
    row("hdr_end", "req.hdr", Header, Suffix, Request),
    row("hdr_ip", "req.hdr_ip", Header, Address, Request),
    row("hdr_len", "req.hdr", Header, Length, Request),
    row("hdr_reg", "req.hdr", Header, Regex, Request),
    row("hdr_sub", "req.hdr", Header, Substring, Request),
    row("hdr_val", "req.hdr_val", Header, Integer, Request),
    row("http_auth", "http_auth", Userlist, Bool, Remembered),
    row(
        "http_auth_group",
        "http_auth_group",
        Userlist,
        Group,
        Remembered,
    ),
    row("http_first_req", "http_first_req", NONE, Bool, Remembered),
    row("method", "method", NONE, Exact, Remembered),
    row("nbsrv", "nbsrv", Backend, Integer, ANY_TIME),
    row("path", "path", NONE, Exact, Request),
    row("path_beg", "path", NONE, Prefix, Request),
    row("path_dir", "path", NONE, Directory, Request),
    row("path_dom", "path", NONE, Domain, Request),
    row("path_end", "path", NONE, Suffix, Request),
    row("path_len", "path", NONE, Length, Request),
    row("path_reg", "path", NONE, Regex, Request),
    row("path_sub", "path", NONE, Substring, Request),
    row("queue", "queue", Backend, Integer, ANY_TIME),
    later(
        row("rdp_cookie", "req.rdp_cookie", Cookie, Exact, RequestBytes),
        version::V1_5,
    ),
    later(
        row(
            "rdp_cookie_cnt",
            "req.rdp_cookie_cnt",
            Cookie,
            Integer,
            RequestBytes,
        ),
        version::V1_5,
    ),
    later(
        row("req.cook", "req.cook", Cookie, Exact, Request),
        version::V1_5,
    ),
    later(
        row("req.hdr", "req.hdr", Header, Exact, Request),
        version::V1_5,
    ),
    later(
        row("req.hdr_cnt", "req.hdr_cnt", HeaderName, Integer, Request),
        version::V1_5,
    ),
    later(
        row("req.hdr_ip", "req.hdr_ip", Header, Address, Request),
        version::V1_5,
    ),
    later(
        row("req.hdr_val", "req.hdr_val", Header, Integer, Request),
        version::V1_5,
    ),
    later(
        row("req.len", "req.len", NONE, Integer, RequestBytes),
        version::V1_5,
    ),
    later(
        row("req.proto_http", "req.proto_http", NONE, Bool, Remembered),
        version::V1_5,
    ),
    later(
        row(
            "req.rdp_cookie",
            "req.rdp_cookie",
            Cookie,
            Exact,
            RequestBytes,
        ),
        version::V1_5,
    ),
    later(
        row(
            "req.rdp_cookie_cnt",
            "req.rdp_cookie_cnt",
            Cookie,
            Integer,
            RequestBytes,
        ),
        version::V1_5,
    ),
    later(
        row("req.ver", "req.ver", NONE, Exact, Request),
        version::V1_5,
    ),
    row("req_len", "req.len", NONE, Integer, RequestBytes),
    row("req_proto_http", "req.proto_http", NONE, Bool, Remembered),
    row(
        "req_rdp_cookie",
        "req.rdp_cookie",
        Cookie,
        Exact,
        RequestBytes,
    ),
    row(
        "req_rdp_cookie_cnt",
        "req.rdp_cookie_cnt",
        Cookie,
        Integer,
        RequestBytes,
    ),
    row(
        "req_ssl_ver",
        "req.ssl_ver",
        NONE,
        MatchMethod::Version,
        RequestBytes,
    ),
    row("req_ver", "req.ver", NONE, Exact, Request),
    later(
        row("res.cook", "res.cook", Cookie, Exact, Response),
        version::V1_5,
    ),
    later(
        row("res.cook_cnt", "res.cook_cnt", Cookie, Integer, Response),
        version::V1_5,
    ),
    later(
        row("res.hdr", "res.hdr", Header, Exact, Response),
        version::V1_5,
    ),
    later(
        row("res.hdr_cnt", "res.hdr_cnt", HeaderName, Integer, Response),
        version::V1_5,
    ),
    later(
        row("res.hdr_ip", "res.hdr_ip", Header, Address, Response),
        version::V1_5,
    ),
    later(
        row("res.hdr_val", "res.hdr_val", Header, Integer, Response),
        version::V1_5,
    ),
    later(
        row("res.ver", "res.ver", NONE, Exact, Response),
        version::V1_5,
    ),
    row("resp_ver", "res.ver", NONE, Exact, Response),
    later(
        row("scook", "res.cook", Cookie, Exact, Response),
        version::V1_5,
    ),
    later(
        row("scook_beg", "res.cook", Cookie, Prefix, Response),
        version::V1_5,
    ),
    later(
        row("scook_cnt", "res.cook_cnt", Cookie, Integer, Response),
        version::V1_5,
    ),
    later(
        row("scook_dir", "res.cook", Cookie, Directory, Response),
        version::V1_5,
    ),
    later(
        row("scook_dom", "res.cook", Cookie, Domain, Response),
        version::V1_5,
    ),
    later(
        row("scook_end", "res.cook", Cookie, Suffix, Response),
        version::V1_5,
    ),
    later(
        row("scook_len", "res.cook", Cookie, Length, Response),
        version::V1_5,
    ),
    later(
        row("scook_reg", "res.cook", Cookie, Regex, Response),
        version::V1_5,
    ),
    later(
        row("scook_sub", "res.cook", Cookie, Substring, Response),
        version::V1_5,
    ),
    row("shdr", "res.hdr", Header, Exact, Response),
    row("shdr_beg", "res.hdr", Header, Prefix, Response),
    row("shdr_cnt", "res.hdr_cnt", HeaderName, Integer, Response),
    row("shdr_dir", "res.hdr", Header, Directory, Response),
    row("shdr_dom", "res.hdr", Header, Domain, Response),
    row("shdr_end", "res.hdr", Header, Suffix, Response),
    row("shdr_ip", "res.hdr_ip", Header, Address, Response),
    row("shdr_len", "res.hdr", Header, Length, Response),
    row("shdr_reg", "res.hdr", Header, Regex, Response),
    row("shdr_sub", "res.hdr", Header, Substring, Response),
    row("shdr_val", "res.hdr_val", Header, Integer, Response),
    row("so_id", "so_id", NONE, Integer, ANY_TIME),
    row("src", "src", NONE, Address, ANY_TIME),
    row("src_port", "src_port", NONE, Integer, ANY_TIME),
    row("srv_id", "srv_id", NONE, Integer, ServerChosen),
    row("srv_is_up", "srv_is_up", Server, Bool, ANY_TIME),
    row("status", "status", NONE, Integer, Response),
    row("url", "url", NONE, Exact, Request),
    row("url_beg", "url", NONE, Prefix, Request),
    row("url_dir", "url", NONE, Directory, Request),
    row("url_dom", "url", NONE, Domain, Request),
    row("url_end", "url", NONE, Suffix, Request),
    row("url_ip", "url_ip", NONE, Address, Request),
    row("url_len", "url", NONE, Length, Request),
    later(
        row("url_param", "url_param", UrlParameter, Exact, Request),
        version::V1_5,
    ),
    row("url_port", "url_port", NONE, Integer, Request),
    row("url_reg", "url", NONE, Regex, Request),
    row("url_sub", "url", NONE, Substring, Request),
    later(
        row("urlp", "url_param", UrlParameter, Exact, Request),
        version::V1_5,
    ),
    later(
        row("urlp_beg", "url_param", UrlParameter, Prefix, Request),
        version::V1_5,
    ),
    later(
        row("urlp_dir", "url_param", UrlParameter, Directory, Request),
        version::V1_5,
    ),
    later(
        row("urlp_dom", "url_param", UrlParameter, Domain, Request),
        version::V1_5,
    ),
    later(
        row("urlp_end", "url_param", UrlParameter, Suffix, Request),
        version::V1_5,
    ),
    later(
        row("urlp_len", "url_param", UrlParameter, Length, Request),
        version::V1_5,
    ),
    later(
        row("urlp_reg", "url_param", UrlParameter, Regex, Request),
        version::V1_5,
    ),
    later(
        row("urlp_sub", "url_param", UrlParameter, Substring, Request),
        version::V1_5,
    ),
    later(
        row("urlp_val", "url_param_val", UrlParameter, Integer, Request),
        version::V1_5,
    ),
    row("wait_end", "wait_end", NONE, Bool, Remembered),
];

/// Whether the name is one of a fetch as well: `hdr_beg` only names a way to compare.
pub fn is_fetch(criterion: &Criterion) -> bool {
    const WAYS: [&str; 8] = [
        "_beg", "_dir", "_dom", "_end", "_len", "_reg", "_sub", "_group",
    ];
    criterion.name == "req_len" || !WAYS.iter().any(|way| criterion.name.ends_with(way))
}

/// The criterion of that name.
pub fn find(name: &str) -> Option<&'static Criterion> {
    let found = CRITERIA.binary_search_by(|c| c.name.cmp(name)).ok();
    found
        .and_then(|n| CRITERIA.get(n))
        .or_else(|| stored::FETCHES.iter().find(|c| c.name == name))
}

/// Every criterion.
pub fn all() -> impl Iterator<Item = &'static Criterion> {
    CRITERIA.iter().chain(stored::FETCHES)
}

/// ACLs that exist without being defined: the name, its criterion and its patterns.
/// Manual 1.4, section 7.6.
pub const PREDEFINED: &[(&str, &str, &[&str])] = &[
    ("FALSE", "always_false", &[]),
    ("HTTP", "req_proto_http", &[]),
    ("HTTP_1.0", "req_ver", &["1.0"]),
    ("HTTP_1.1", "req_ver", &["1.1"]),
    ("HTTP_CONTENT", "hdr_val(content-length)", &["gt", "0"]),
    ("HTTP_URL_ABS", "url_reg", &["^[^/:]*://"]),
    ("HTTP_URL_SLASH", "url_beg", &["/"]),
    ("HTTP_URL_STAR", "url", &["*"]),
    ("LOCALHOST", "src", &["127.0.0.1/8"]),
    ("METH_CONNECT", "method", &["CONNECT"]),
    ("METH_GET", "method", &["GET", "HEAD"]),
    ("METH_HEAD", "method", &["HEAD"]),
    ("METH_OPTIONS", "method", &["OPTIONS"]),
    ("METH_POST", "method", &["POST"]),
    ("METH_TRACE", "method", &["TRACE"]),
    ("RDP_COOKIE", "req_rdp_cookie_cnt", &["gt", "0"]),
    ("REQ_CONTENT", "req_len", &["gt", "0"]),
    ("TRUE", "always_true", &[]),
    ("WAIT_END", "wait_end", &[]),
];

/// Predefined ACLs that came later.
pub const PREDEFINED_LATER: &[(&str, Version, &str, &[&str])] = &[
    ("METH_DELETE", version::V1_8, "method", &["DELETE"]),
    ("METH_PUT", version::V1_8, "method", &["PUT"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted() {
        assert!(CRITERIA.windows(2).all(|w| w[0].name < w[1].name));
    }
}
