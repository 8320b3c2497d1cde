//! `balance`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
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
pub const BALANCE: &[Keyword] = &[Keyword {
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
}];

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
        _ => return Err(arguments.bad(word, KINDS)),
    };
    arguments.end(version::V1_8)?;
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
    let name = text.trim_start_matches("hdr(");
    let name = name.split(')').next().unwrap_or(name);
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
