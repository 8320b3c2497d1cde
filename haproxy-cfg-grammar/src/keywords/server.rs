//! `server` and `dispatch`. Manual 1.4, sections 4.2 and 5.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::LB;
use crate::value::address::{self, Endpoint, PortRules};
use crate::value::number;
use crate::value::time::Milliseconds;
use crate::{Dialect, Span, Statement, Word, version};

/// One `server` line.
#[derive(Clone, Debug)]
pub struct ServerStatement {
    /// Its name.
    pub name: Word,
    /// Where it is.
    pub address: Endpoint,
    /// Where the address is written.
    pub address_span: Span,
    /// What follows.
    pub settings: ServerSettings,
}

/// The options of a server that `default-server` can give as well, and those it cannot.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// `weight`: 0 to 256.
    pub weight: Option<u16>,
    /// `backup`.
    pub backup: bool,
    /// `disabled`.
    pub disabled: bool,
    /// `maxconn`.
    pub maxconn: Option<u32>,
    /// `minconn`.
    pub minconn: Option<u32>,
    /// `maxqueue`.
    pub maxqueue: Option<u32>,
    /// `cookie`.
    pub cookie: Option<Word>,
    /// `id`.
    pub id: Option<u32>,
    /// `check`.
    pub check: bool,
    /// `inter`.
    pub inter: Option<Milliseconds>,
    /// `fastinter`.
    pub fastinter: Option<Milliseconds>,
    /// `downinter`.
    pub downinter: Option<Milliseconds>,
    /// `rise`.
    pub rise: Option<u32>,
    /// `fall`.
    pub fall: Option<u32>,
    /// `port`: of checks.
    pub port: Option<u16>,
    /// `slowstart`.
    pub slowstart: Option<Milliseconds>,
}

const OPTIONS: [&str; 23] = [
    "addr",
    "backup",
    "check",
    "cookie",
    "disabled",
    "downinter",
    "error-limit",
    "fall",
    "fastinter",
    "id",
    "inter",
    "maxconn",
    "maxqueue",
    "minconn",
    "observe",
    "on-error",
    "port",
    "redir",
    "rise",
    "slowstart",
    "source",
    "track",
    "weight",
];

/// The family.
pub const SERVER: &[Keyword] = &[
    Keyword {
        arguments: "name addr[:port] [options]",
        accepts: &[
            "server s1 10.0.0.1:80",
            "server s1 127.0.0.1:80 weight 10 maxconn 50 cookie a backup",
            "server s1 *:80",
            "server s1 10.0.0.1",
            "server s1 10.0.0.1:+8000 disabled",
        ],
        refuses: &[
            "server",
            "server s1",
            "server s1 10.0.0.1:80 bogus",
            "server s1 10.0.0.1:80 weight 257",
        ],
        ..Keyword::new("server", LB, server)
    },
    Keyword {
        arguments: "addr:port",
        accepts: &["dispatch 10.0.0.1:80"],
        refuses: &["dispatch", "dispatch 10.0.0.1"],
        ..Keyword::new("dispatch", LB, dispatch)
    },
];

fn dispatch(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("an address and a port")?;
    let parsed = if arguments.dialect == Dialect::V1_4 {
        match memchr::memchr(b':', &word.bytes) {
            Some(_) => address::endpoint_v4(&word.bytes),
            None => Err(address::AddressError::MissingPort),
        }
    } else {
        let rules = PortRules {
            mandatory: true,
            ..PortRules::default()
        };
        address::endpoint(&word.bytes, rules)
    };
    let endpoint = parsed.map_err(|e| bad_address(word, e))?;
    arguments.end(version::V1_8)?;
    Ok(Statement::Dispatch(endpoint))
}

fn bad_address(word: &Word, error: address::AddressError) -> Diagnostic {
    Diagnostic::new(
        Code::BadAddress,
        word.span,
        format!("'{}' is not an address: {error}", word.shown()),
    )
    .help("write address:port, as 10.0.0.1:80")
}

fn server(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let name = arguments.require("a name and an address")?;
    let address_word = arguments.require("an address after the name")?;
    if let Some(byte) = crate::value::name::invalid_char(&name.bytes) {
        return Err(Diagnostic::new(
            Code::BadName,
            name.span,
            format!(
                "'{}' cannot name a server: '{}' is not allowed",
                name.shown(),
                byte.escape_ascii()
            ),
        )
        .help("use letters, digits, '-', '_', '.' and ':'"));
    }
    let parsed = if arguments.dialect == Dialect::V1_4 {
        address::server_v1_4(&address_word.bytes)
    } else {
        let rules = PortRules {
            offset: true,
            ..PortRules::default()
        };
        address::endpoint(&address_word.bytes, rules)
    };
    let address = parsed.map_err(|e| bad_address(address_word, e))?;
    let settings = settings(arguments)?;
    Ok(Statement::Server(Box::new(ServerStatement {
        name: name.clone(),
        address,
        address_span: address_word.span,
        settings,
    })))
}

fn settings(arguments: &mut Arguments<'_>) -> Result<ServerSettings, Diagnostic> {
    let mut s = ServerSettings::default();
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "weight" => {
                let value = arguments.require("a number after 'weight'")?;
                let weight = number::atol(&value.bytes).0;
                s.weight = match u16::try_from(weight).ok().filter(|w| *w <= 256) {
                    Some(weight) => Some(weight),
                    None => {
                        return Err(Diagnostic::new(
                            Code::OutOfRange,
                            value.span,
                            format!(
                                "a weight is a number from 0 to 256, not '{}'",
                                value.shown()
                            ),
                        ));
                    }
                };
            }
            "backup" => s.backup = true,
            "disabled" => s.disabled = true,
            "check" => s.check = true,
            "maxconn" => s.maxconn = Some(count(arguments)?),
            "minconn" => s.minconn = Some(count(arguments)?),
            "maxqueue" => s.maxqueue = Some(count(arguments)?),
            "cookie" => s.cookie = Some(arguments.require("a value after 'cookie'")?.clone()),
            "id" => {
                let value = arguments.require("a number after 'id'")?;
                let id = number::atol(&value.bytes).0;
                s.id = Some(super::mode::positive_id(id, value.span)?);
            }
            "inter" => s.inter = Some(arguments.milliseconds("a time after 'inter'")?),
            "fastinter" => s.fastinter = Some(arguments.milliseconds("a time after 'fastinter'")?),
            "downinter" => s.downinter = Some(arguments.milliseconds("a time after 'downinter'")?),
            "slowstart" => s.slowstart = Some(arguments.milliseconds("a time after 'slowstart'")?),
            "rise" => s.rise = Some(count(arguments)?),
            "fall" => s.fall = Some(count(arguments)?),
            "port" => s.port = u16::try_from(count(arguments)?).ok(),
            _ => {
                return Err(super::bind::unknown_option(
                    word,
                    "server",
                    OPTIONS.into_iter(),
                ));
            }
        }
    }
    Ok(s)
}

fn count(arguments: &mut Arguments<'_>) -> Result<u32, Diagnostic> {
    let value = arguments.lax_integer("a number")?;
    Ok(super::limits::count(value))
}
