//! `source`: the address that connections to servers come from. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::{DLB, FRONTEND};
use crate::value::address::{self, Endpoint, Port, PortRules};
use crate::{Dialect, Span, Statement, Word};

/// `source`, of a proxy or of a server.
#[derive(Clone, Debug)]
pub struct SourceStatement {
    /// The address, and for servers a range of ports.
    pub address: Endpoint,
    /// Where it is written.
    pub span: Span,
    /// `usesrc`.
    pub usesrc: Option<UseSource>,
    /// `interface`.
    pub interface: Option<Word>,
}

/// `usesrc`: an address that is not ours (needs a transparent proxy).
#[derive(Clone, Debug)]
pub enum UseSource {
    /// `client`: address and port of the client.
    Client,
    /// `clientip`: address of the client.
    ClientIp,
    /// `hdr_ip(name[,occurrence])`: an address in a header.
    Header {
        /// The header.
        name: Vec<u8>,
        /// Which one; negative counts from the last.
        occurrence: i32,
    },
    /// An address.
    Address(Endpoint, Span),
}

/// The family.
pub const SOURCE: &[Keyword] = &[Keyword {
    ignored_in: FRONTEND,
    arguments: "addr[:port] [usesrc ...] [interface name]",
    accepts: &[
        "source 10.0.0.1",
        "source 0.0.0.0 usesrc clientip",
        "source 0.0.0.0 usesrc hdr_ip(x-forwarded-for,-1)",
        "source * interface lo",
    ],
    refuses: &[
        "source",
        "source 10.0.0.1 bogus",
        "source 300.1.1.1",
        "source 0.0.0.0 usesrc hdr_ip(x-forwarded-for,-11)",
    ],
    ..Keyword::new("source", DLB, |a| {
        let source = read(a, false)?;
        a.refuse_rest()?;
        Ok(Statement::Source(Box::new(source)))
    })
}];

/// Reads an address and what may follow it. In a `server` line other options follow.
pub(crate) fn read(
    arguments: &mut Arguments<'_>,
    in_server: bool,
) -> Result<SourceStatement, Diagnostic> {
    let word = arguments.require("an address after 'source'")?;
    let parsed = match arguments.dialect {
        Dialect::V1_4 if in_server => address::source_range_v1_4(&word.bytes),
        Dialect::V1_4 => address::endpoint_v4(&word.bytes),
        _ => address::endpoint(
            &word.bytes,
            PortRules {
                range: in_server,
                ..PortRules::default()
            },
        ),
    };
    if let Ok(Endpoint {
        port: Port::Range(low, high),
        ..
    }) = &parsed
        && (low > high || *low == 0 && arguments.dialect != Dialect::V1_4)
    {
        return Err(bad(word, address::AddressError::Port));
    }
    let mut source = SourceStatement {
        address: parsed.map_err(|e| bad(word, e))?,
        span: word.span,
        usesrc: None,
        interface: None,
    };
    loop {
        if arguments.take("usesrc").is_some() {
            source.usesrc = Some(usesrc(arguments)?);
        } else if arguments.take("interface").is_some() {
            source.interface = Some(arguments.require("an interface after 'interface'")?.clone());
        } else {
            return match arguments.peek() {
                Some(word) if !in_server => Err(arguments.bad(word, "'usesrc' or 'interface'")),
                _ => Ok(source),
            };
        }
    }
}

/// The occurrence that is furthest from the last one: HAProxy remembers so many.
const FURTHEST: i64 = -10;

fn bad(word: &Word, error: address::AddressError) -> Diagnostic {
    Diagnostic::new(
        Code::BadAddress,
        word.span,
        format!("'{}' is not an address: {error}", word.shown()),
    )
}

fn usesrc(arguments: &mut Arguments<'_>) -> Result<UseSource, Diagnostic> {
    let word = arguments.require("'client', 'clientip', 'hdr_ip(name)' or an address")?;
    if word.is("client") {
        return Ok(UseSource::Client);
    }
    if word.is("clientip") {
        return Ok(UseSource::ClientIp);
    }
    if let Some(rest) = word.bytes.strip_prefix(b"hdr_ip(") {
        let end = memchr::memchr2(b',', b')', rest).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let occurrence = match rest.strip_prefix(b",") {
            Some(number) => crate::value::number::atol(number).0,
            None => -1,
        };
        if occurrence < FURTHEST {
            return Err(arguments.bad(word, "an occurrence of -10 or more"));
        }
        return Ok(UseSource::Header {
            name: name.to_vec(),
            occurrence: crate::value::number::to_int(occurrence),
        });
    }
    let parsed = match arguments.dialect {
        Dialect::V1_4 => address::endpoint_v4(&word.bytes),
        _ => address::endpoint(&word.bytes, PortRules::default()),
    };
    Ok(UseSource::Address(
        parsed.map_err(|e| bad(word, e))?,
        word.span,
    ))
}
