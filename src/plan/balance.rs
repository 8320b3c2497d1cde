//! `balance`, `hash-type`. Manual 1.4, section 4.2.

pub use haproxy_cfg_grammar::keywords::balance::{HashFunction, HashType};
use serde::Serialize;

use super::ByteString;

/// How a server is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// `roundrobin`: by weight, in turn. HAProxy's default when nothing is said.
    #[default]
    RoundRobin,
    /// `static-rr`: the same with weights that cannot change.
    StaticRr,
    /// `leastconn`: the server with the fewest connections for its weight.
    LeastConn,
    /// `first`: the first server with a free slot (1.5 and later).
    First,
    /// `source`: by the client's address.
    Source,
    /// `uri`: by the left part of the URI.
    Uri {
        /// How many bytes count; `None` is all.
        len: Option<u32>,
        /// How many directories count; `None` is all.
        depth: Option<u32>,
        /// The query counts too (1.5 and later).
        whole: bool,
    },
    /// `url_param`: by a parameter of the URL, round robin without it.
    UrlParam {
        /// The parameter.
        name: ByteString,
        /// Look into the body of a POST as well, waiting for this many bytes.
        check_post: Option<u32>,
    },
    /// `hdr`: by a header, round robin without it.
    Header {
        /// The header.
        name: ByteString,
        /// Only the part of a host name between its last dots.
        domain_only: bool,
    },
    /// `rdp-cookie`: by a cookie of RDP, round robin without it.
    RdpCookie {
        /// The cookie.
        name: ByteString,
    },
}

impl Balance {
    /// The keyword.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin => "roundrobin",
            Self::StaticRr => "static-rr",
            Self::LeastConn => "leastconn",
            Self::First => "first",
            Self::Source => "source",
            Self::Uri { .. } => "uri",
            Self::UrlParam { .. } => "url_param",
            Self::Header { .. } => "hdr",
            Self::RdpCookie { .. } => "rdp-cookie",
        }
    }
}
