//! `balance`. Manual 1.4, section 4.2.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::keywords::later;
use crate::section::{DLB, FRONTEND};
use crate::value::number;
use crate::{Statement, version};

/// How a server is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// `roundrobin`
    RoundRobin,
    /// `static-rr`
    StaticRr,
    /// `leastconn`
    LeastConn,
    /// `first` (1.5 and later): the first server with a free slot.
    First,
    /// `source`
    Source,
    /// `uri [len n] [depth n] [whole]`
    Uri {
        /// How many bytes of the URI count; `None` is all.
        len: Option<u32>,
        /// How many directories count; `None` is all.
        depth: Option<u32>,
        /// The query counts too (1.5 and later).
        whole: bool,
    },
    /// `url_param name [check_post [wait]]`
    UrlParam {
        /// The parameter.
        name: Vec<u8>,
        /// Look into the body of a POST as well, waiting for this many bytes.
        check_post: Option<u32>,
    },
    /// `hdr(name) [use_domain_only]`
    Header {
        /// The header.
        name: Vec<u8>,
        /// Only the part of a host name before the last dot but one.
        domain_only: bool,
    },
    /// `rdp-cookie[(name)]`
    RdpCookie {
        /// The cookie; `mstshash` when none is written.
        name: Vec<u8>,
    },
}

const KINDS: &str = "roundrobin, static-rr, leastconn, source, uri, url_param, hdr(name) or \
                     rdp-cookie[(name)]";

/// The family.
pub const BALANCE: &[Keyword] = &[
    Keyword {
        ignored_in: FRONTEND,
        arguments: "algorithm [parameters]",
        accepts: &[
            "balance roundrobin",
            "balance leastconn",
            "balance source",
            "balance uri len 32 depth 2",
            "balance url_param userid check_post 64",
            "balance hdr(Host) use_domain_only",
            "balance rdp-cookie(msts)",
        ],
        refuses: &["balance bogus", "balance url_param", "balance uri depth"],
        ..Keyword::new("balance", DLB, |a| Ok(Statement::Balance(balance(a)?)))
    },
    Keyword {
        ignored_in: FRONTEND,
        arguments: "method [function] [modifier]",
        accepts: &["hash-type consistent", "hash-type map-based"],
        refuses: &["hash-type", "hash-type bogus"],
        ..Keyword::new("hash-type", DLB, hash_type)
    },
];

/// `hash-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct HashType {
    /// `consistent`: most keys keep their server when servers come and go.
    pub consistent: bool,
    /// The function (1.5 and later).
    pub function: HashFunction,
    /// `avalanche` (1.5 and later): mix the bits once more.
    pub avalanche: bool,
}

/// How a key becomes a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HashFunction {
    /// 1.4's own.
    #[default]
    Sdbm,
    /// `djb2`
    Djb2,
    /// `wt6`
    Wt6,
    /// `crc32`
    Crc32,
}

fn hash_type(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let what = "'consistent' or 'map-based'";
    let word = arguments.require(what)?;
    let mut hash = HashType {
        consistent: match word.text() {
            "consistent" => true,
            "map-based" => false,
            _ => return Err(arguments.bad(word, what)),
        },
        ..HashType::default()
    };
    // Without a function, keys of a ring are mixed.
    hash.avalanche = hash.consistent
        && (arguments.dialect == crate::Dialect::V1_4 || arguments.peek().is_none());
    if arguments.dialect == crate::Dialect::V1_4 {
        arguments.ignore_rest();
        return Ok(Statement::HashType(hash));
    }
    if let Some(word) = arguments.next_word() {
        hash.function = match word.text() {
            "sdbm" => HashFunction::Sdbm,
            "djb2" => HashFunction::Djb2,
            "wt6" => HashFunction::Wt6,
            "crc32" => HashFunction::Crc32,
            _ => return Err(arguments.bad(word, "'sdbm', 'djb2', 'wt6' or 'crc32'")),
        };
    }
    if let Some(word) = arguments.next_word() {
        if !word.is("avalanche") {
            return Err(arguments.bad(word, "'avalanche'"));
        }
        hash.avalanche = true;
    }
    arguments.end(version::V1_8)?;
    Ok(Statement::HashType(hash))
}

fn balance(arguments: &mut Arguments<'_>) -> Result<Balance, Diagnostic> {
    let Some(word) = arguments.next_word() else {
        return Ok(Balance::RoundRobin);
    };
    let text = word.text();
    let balance = match text {
        "roundrobin" => Balance::RoundRobin,
        "static-rr" => Balance::StaticRr,
        "leastconn" => Balance::LeastConn,
        "first" if arguments.dialect != crate::Dialect::V1_4 => Balance::First,
        "source" => Balance::Source,
        "uri" => uri(arguments)?,
        "url_param" => url_param(arguments)?,
        _ if text.starts_with("hdr(") => header(arguments, text)?,
        _ if text.starts_with("rdp-cookie") => {
            let rest = &word.bytes["rdp-cookie".len()..];
            let name = match rest {
                [] => b"mstshash".to_vec(),
                [b'(', name @ .., b')'] if !name.is_empty() => name.to_vec(),
                _ => return Err(arguments.bad(word, "a cookie in parentheses: rdp-cookie(name)")),
            };
            Balance::RdpCookie { name }
        }
        _ => return Err(later::argument(arguments, "balance", word, KINDS)),
    };
    arguments.ignore_rest();
    Ok(balance)
}

fn uri(arguments: &mut Arguments<'_>) -> Result<Balance, Diagnostic> {
    let (mut len, mut depth, mut whole) = (None, None, false);
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "len" => len = Some(count(arguments)?),
            "depth" => depth = Some(count(arguments)?),
            "whole" if arguments.dialect != crate::Dialect::V1_4 => whole = true,
            _ => return Err(arguments.bad(word, "'len N' or 'depth N'")),
        }
    }
    Ok(Balance::Uri { len, depth, whole })
}

fn count(arguments: &mut Arguments<'_>) -> Result<u32, Diagnostic> {
    let word = arguments.require("a number")?;
    match number::atol(&word.bytes).0 {
        n if n > 0 => Ok(super::limits::count(n)),
        _ => Err(arguments.bad(word, "a number greater than 0")),
    }
}

fn url_param(arguments: &mut Arguments<'_>) -> Result<Balance, Diagnostic> {
    let name = arguments
        .require("the name of a URL parameter")?
        .bytes
        .to_vec();
    let mut check_post = None;
    if let Some(word) = arguments.next_word() {
        if !word.is("check_post") {
            return Err(arguments.bad(word, "'check_post'"));
        }
        check_post = Some(48);
        if let Some(word) = arguments.next_word() {
            match number::atol(&word.bytes).0 {
                n @ 3.. => check_post = Some(super::limits::count(n)),
                _ => check_post = Some(48),
            }
        }
    }
    Ok(Balance::UrlParam { name, check_post })
}

fn header(arguments: &mut Arguments<'_>, text: &str) -> Result<Balance, Diagnostic> {
    let name = text.strip_prefix("hdr(").unwrap_or(text);
    let name = name.split(')').next().unwrap_or(name);
    if name.is_empty() {
        return Err(arguments.missing("a header name in the parentheses of 'hdr(name)'"));
    }
    let mut domain_only = false;
    if let Some(word) = arguments.next_word() {
        if !word.is("use_domain_only") {
            return Err(arguments.bad(word, "'use_domain_only'"));
        }
        domain_only = true;
    }
    Ok(Balance::Header {
        name: name.as_bytes().to_vec(),
        domain_only,
    })
}
