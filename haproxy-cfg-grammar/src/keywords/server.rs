//! `server` and `dispatch`. Manual 1.4, sections 4.2 and 5.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Setting};
use crate::keywords::bind::unknown_option;
use crate::keywords::later;
use crate::keywords::source::SourceStatement;
use crate::section::{DLB, FRONTEND, LB, NOWHERE};
use crate::value::address::{self, Endpoint, PortRules};
use crate::value::number;
use crate::value::time::{Milliseconds, Unit};
use crate::{Dialect, Span, Statement, Word, WordBytes, version};

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
    /// `addr`: of checks.
    pub addr: Option<(Endpoint, Span)>,
    /// `error-limit`.
    pub error_limit: Option<u32>,
    /// `observe`.
    pub observe: Option<(Observe, Span)>,
    /// `on-error`.
    pub on_error: Option<OnError>,
    /// `redir`: a prefix to which clients are sent instead.
    pub redir: Option<Word>,
    /// `source`.
    pub source: Option<Box<SourceStatement>>,
    /// `track`: `[backend/]server`.
    pub track: Option<Word>,
    /// `agent-check` (1.5 and later, as all that follow): a program on the server says how it is.
    pub agent_check: bool,
    /// `agent-port`.
    pub agent_port: Option<u16>,
    /// `agent-addr`.
    pub agent_addr: Option<(Endpoint, Span)>,
    /// `agent-inter`.
    pub agent_inter: Option<Milliseconds>,
    /// `agent-send`.
    pub agent_send: Option<Word>,
    /// `check-send-proxy`.
    pub check_send_proxy: bool,
    /// `non-stick`.
    pub non_stick: Option<bool>,
    /// `on-marked-down shutdown-sessions`.
    pub shutdown_sessions: bool,
    /// `on-marked-up shutdown-backup-sessions`.
    pub shutdown_backup_sessions: bool,
    /// `send-proxy`, `send-proxy-v2`.
    pub send_proxy: Option<ProxyHeader>,
    /// `tcp-ut`: how long sent bytes may go without acknowledgement.
    pub tcp_ut: Option<Milliseconds>,
    /// Where `check` is written.
    pub check_span: Option<Span>,
    /// Where `id` is written.
    pub id_span: Option<Span>,
}

/// `observe`: what of the traffic counts as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Observe {
    /// Connections that fail.
    Layer4,
    /// Responses that are invalid as well.
    Layer7,
}

/// The header that tells a server who the client is, before anything else is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyHeader {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// `on-error`: what follows from too many errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// Check more often.
    Fastinter,
    /// Count as a failed check.
    FailCheck,
    /// One failed check more and it is down.
    SuddenDeath,
    /// It is down.
    MarkDown,
}

/// The options that `default-server` takes in 1.4.
const DEFAULT_OPTIONS: [&str; 13] = [
    "downinter",
    "error-limit",
    "fall",
    "fastinter",
    "inter",
    "maxconn",
    "maxqueue",
    "minconn",
    "on-error",
    "port",
    "rise",
    "slowstart",
    "weight",
];

/// The options of `server`.
pub const OPTIONS: &[Setting] = &[
    Setting::works("addr", "address"),
    Setting::works("backup", "none"),
    Setting::works("check", "none"),
    Setting::works("cookie", "value"),
    Setting::works("disabled", "none"),
    Setting::works("downinter", "time"),
    Setting::works("error-limit", "integer"),
    Setting::works("fall", "integer"),
    Setting::works("fastinter", "time"),
    Setting::works("id", "positive integer"),
    Setting::works("inter", "time"),
    Setting::works("maxconn", "integer"),
    Setting::works("maxqueue", "integer"),
    Setting::works("minconn", "integer"),
    Setting::works("observe", "none|layer4|layer7"),
    Setting::works("on-error", "action"),
    Setting::works("port", "port"),
    Setting::works("redir", "url prefix"),
    Setting::works("rise", "integer"),
    Setting::works("slowstart", "time"),
    Setting::works("source", "addr[:port[-port]] [usesrc ...] [interface name]"),
    Setting::works("track", "[backend/]server"),
    Setting::works("weight", "0 to 256"),
];

/// The options of `server` that came with 1.5 and later.
pub const OPTIONS_SINCE_1_5: &[Setting] = &[
    Setting::works("agent-addr", "address"),
    Setting::works("agent-check", "none"),
    Setting::works("agent-inter", "time"),
    Setting::works("agent-port", "port"),
    Setting::works("agent-send", "string"),
    Setting::works("check-send-proxy", "none"),
    Setting::works("non-stick", "none"),
    Setting::works("on-marked-down", "shutdown-sessions"),
    Setting::works("on-marked-up", "shutdown-backup-sessions"),
    Setting::works("send-proxy", "none"),
    Setting::works("send-proxy-v2", "none"),
    Setting::works("stick", "none"),
    Setting::works("tcp-ut", "time"),
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
        ignored_in: NOWHERE,
        arguments: "server options",
        accepts: &[
            "default-server inter 5s fall 3",
            "default-server weight 10 maxconn 100",
        ],
        refuses: &[
            "default-server",
            "default-server bogus",
            "default-server weight 300",
        ],
        ..Keyword::new("default-server", DLB, default_server)
    },
    Keyword {
        ignored_in: FRONTEND,
        arguments: "addr:port",
        accepts: &["dispatch 10.0.0.1:80"],
        refuses: &["dispatch", "dispatch 10.0.0.1"],
        ..Keyword::new("dispatch", LB, dispatch)
    },
    Keyword {
        since: version::V1_8,
        arguments: "prefix count addr[:port] [options]",
        accepts: &[
            "server-template s 1-3 10.0.0.1:80",
            "server-template s 2 10.0.0.1:80",
        ],
        refuses: &["server-template s", "server-template s x 10.0.0.1:80"],
        ..Keyword::new("server-template", LB, server_template)
    },
];

fn server_template(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let prefix = arguments.require("a prefix, a count and an address")?;
    let count = arguments.require("a count, as 3 or 1-3")?;
    let text = count.text();
    let range = match text.split_once('-') {
        Some((low, high)) => (low.parse().ok(), high.parse().ok()),
        None => (Some(1), text.parse().ok()),
    };
    let (Some(low), Some(high)) = range else {
        return Err(arguments.bad(count, "a count, as 3 or 1-3"));
    };
    if low > high || high - low >= MOST_FROM_TEMPLATE {
        return Err(arguments.bad(count, "a count, as 3 or 1-3"));
    }
    let server = one_server(arguments, prefix)?;
    Ok(Statement::ServerTemplate(Box::new(ServerTemplate {
        server,
        low,
        high,
    })))
}

/// No template makes more servers than this.
const MOST_FROM_TEMPLATE: u32 = 100_000;

/// `server-template`: servers that differ in the number behind their name.
#[derive(Clone, Debug)]
pub struct ServerTemplate {
    /// What they have in common; the name is the prefix.
    pub server: ServerStatement,
    /// The first number.
    pub low: u32,
    /// The last number.
    pub high: u32,
}

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
    let server = one_server(arguments, name)?;
    Ok(Statement::Server(Box::new(server)))
}

fn one_server(arguments: &mut Arguments<'_>, name: &Word) -> Result<ServerStatement, Diagnostic> {
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
    let address = parsed.map_err(|e| {
        // 1.5 to 1.8 look servers' addresses up when all lines are read.
        let mut diagnostic = bad_address(address_word, e);
        diagnostic.late = arguments.dialect == Dialect::V1_8;
        diagnostic
    })?;
    let settings = settings(arguments, false)?;
    Ok(ServerStatement {
        name: name.clone(),
        address,
        address_span: address_word.span,
        settings,
    })
}

fn default_server(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    // 1.4 wants two words at least, whatever they are.
    if arguments.dialect == Dialect::V1_4 && arguments.peek_second().is_none() {
        return Err(arguments.missing("an option and its value"));
    }
    let settings = settings(arguments, true)?;
    Ok(Statement::DefaultServer(Box::new(settings)))
}

fn settings(arguments: &mut Arguments<'_>, default: bool) -> Result<ServerSettings, Diagnostic> {
    let mut s = ServerSettings::default();
    let only = default && arguments.dialect == Dialect::V1_4;
    while let Some(word) = arguments.next_word() {
        let text = word.text();
        if only && !DEFAULT_OPTIONS.contains(&text) {
            return Err(unknown_option(
                word,
                "default-server",
                DEFAULT_OPTIONS.into_iter(),
            ));
        }
        let known = option(arguments, &mut s, word)?
            || arguments.dialect != Dialect::V1_4 && later_option(arguments, &mut s, word)?;
        if !known {
            return Err(match later::find(later::SERVER_OPTIONS, text) {
                Some(row) => row.refusal(word.span, ""),
                None => unknown_option(word, "server", OPTIONS.iter().map(|o| o.name)),
            });
        }
    }
    Ok(s)
}

/// Reads one option and its values; false when there is no such option.
fn option(
    arguments: &mut Arguments<'_>,
    s: &mut ServerSettings,
    word: &Word,
) -> Result<bool, Diagnostic> {
    match word.text() {
        "weight" => s.weight = Some(weight(arguments)?),
        "enabled" if arguments.dialect != Dialect::V1_4 => s.disabled = false,
        "backup" => s.backup = true,
        "disabled" => s.disabled = true,
        "check" => {
            s.check = true;
            s.check_span = Some(word.span);
        }
        "maxconn" => s.maxconn = Some(count(arguments)?),
        "minconn" => s.minconn = Some(count(arguments)?),
        "maxqueue" => s.maxqueue = Some(count(arguments)?),
        "cookie" if arguments.dialect == Dialect::V1_8 => {
            s.cookie = Some(arguments.require("a value after 'cookie'")?.clone());
        }
        "cookie" => s.cookie = Some(value(arguments)),
        "redir" if arguments.dialect == Dialect::V1_8 => {
            s.redir = Some(arguments.require("a prefix after 'redir'")?.clone());
        }
        "redir" => s.redir = Some(value(arguments)),
        "track" => s.track = Some(arguments.require("a server after 'track'")?.clone()),
        "id" => {
            let value = arguments.require("a number after 'id'")?;
            let id = number::atol(&value.bytes).0;
            s.id = Some(super::mode::positive_id(id, value.span)?);
            s.id_span = Some(value.span);
        }
        "inter" => s.inter = Some(positive_time(arguments)?),
        "fastinter" => s.fastinter = Some(positive_time(arguments)?),
        "downinter" => s.downinter = Some(positive_time(arguments)?),
        "slowstart" => s.slowstart = Some(slowstart(arguments)?),
        "rise" => s.rise = Some(positive(arguments)?),
        "fall" => s.fall = Some(positive(arguments)?),
        "error-limit" => s.error_limit = Some(positive(arguments)?),
        "port" => s.port = Some(u16::try_from(count(arguments)? & 0xffff).unwrap_or(0)),
        "addr" => {
            let word = match arguments.dialect {
                Dialect::V1_8 => Some(arguments.require("an address after 'addr'")?),
                _ => arguments.next_word(),
            };
            let bytes = word.map_or(&[][..], |w| &w.bytes);
            let parsed = match arguments.dialect {
                Dialect::V1_4 => address::endpoint_v4(bytes),
                _ => address::endpoint(bytes, PortRules::default()),
            };
            let span = word.map_or_else(|| arguments.here(), |w| w.span);
            s.addr = Some((
                parsed.map_err(|e| {
                    Diagnostic::new(
                        Code::BadAddress,
                        span,
                        format!("this is not an address: {e}"),
                    )
                })?,
                span,
            ));
        }
        "observe" => {
            let value = arguments.require("'none', 'layer4' or 'layer7'")?;
            s.observe = match value.text() {
                "none" => None,
                "layer4" => Some((Observe::Layer4, value.span)),
                "layer7" => Some((Observe::Layer7, value.span)),
                _ => return Err(arguments.bad(value, "'none', 'layer4' or 'layer7'")),
            };
        }
        "on-error" => {
            let what = "'fastinter', 'fail-check', 'sudden-death' or 'mark-down'";
            let value = arguments.require(what)?;
            s.on_error = Some(match value.text() {
                "fastinter" => OnError::Fastinter,
                "fail-check" => OnError::FailCheck,
                "sudden-death" => OnError::SuddenDeath,
                "mark-down" => OnError::MarkDown,
                _ => return Err(arguments.bad(value, what)),
            });
        }
        "source" => s.source = Some(Box::new(super::source::read(arguments, true)?)),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The same for options of 1.5 and later.
fn later_option(
    arguments: &mut Arguments<'_>,
    s: &mut ServerSettings,
    word: &Word,
) -> Result<bool, Diagnostic> {
    match word.text() {
        "agent-check" => s.agent_check = true,
        "agent-port" => {
            let value = arguments.require("a port after 'agent-port'")?;
            let port = number::atol(&value.bytes).0;
            s.agent_port = match u16::try_from(port).ok().filter(|port| *port > 0) {
                Some(port) => Some(port),
                None => return Err(arguments.bad(value, "a port from 1 to 65535")),
            };
        }
        "agent-addr" => {
            let value = arguments.require("an address after 'agent-addr'")?;
            let endpoint = address::endpoint(&value.bytes, PortRules::default());
            let endpoint = endpoint.map_err(|e| bad_address(value, e))?;
            s.agent_addr = Some((endpoint, value.span));
        }
        "agent-inter" => s.agent_inter = Some(positive_time(arguments)?),
        "agent-send" => s.agent_send = Some(arguments.require("what to send")?.clone()),
        "check-send-proxy" => s.check_send_proxy = true,
        "non-stick" => s.non_stick = Some(true),
        "stick" => s.non_stick = Some(false),
        "on-marked-down" => {
            only(arguments, "shutdown-sessions")?;
            s.shutdown_sessions = true;
        }
        "on-marked-up" => {
            only(arguments, "shutdown-backup-sessions")?;
            s.shutdown_backup_sessions = true;
        }
        "send-proxy" => s.send_proxy = Some(ProxyHeader::V1),
        "send-proxy-v2" => s.send_proxy = Some(ProxyHeader::V2),
        // 0 leaves it to the system.
        "tcp-ut" => {
            let value = arguments.require("a time after 'tcp-ut'")?.clone();
            let time = arguments.time_of(&value, Unit::Millisecond)?;
            s.tcp_ut = Some(time).filter(|time| time.0 != 0);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Takes the one word that may stand here.
fn only(arguments: &mut Arguments<'_>, what: &str) -> Result<(), Diagnostic> {
    let word = arguments.require(what)?;
    if word.is(what) {
        Ok(())
    } else {
        Err(arguments.bad(word, what))
    }
}

/// A word that 1.4 takes even when it is missing.
fn value(arguments: &mut Arguments<'_>) -> Word {
    arguments.next_word().cloned().unwrap_or_else(|| Word {
        span: arguments.here(),
        bytes: WordBytes::default(),
    })
}

fn weight(arguments: &mut Arguments<'_>) -> Result<u16, Diagnostic> {
    let value = value(arguments);
    let weight = number::atol(&value.bytes).0;
    u16::try_from(number::to_int(weight))
        .ok()
        .filter(|w| *w <= 256)
        .ok_or_else(|| {
            Diagnostic::new(
                Code::OutOfRange,
                value.span,
                format!(
                    "a weight is a number from 0 to 256, not '{}'",
                    value.shown()
                ),
            )
        })
}

fn positive(arguments: &mut Arguments<'_>) -> Result<u32, Diagnostic> {
    let value = value(arguments);
    match u32::try_from(number::to_int(number::atol(&value.bytes).0)) {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(Diagnostic::new(
            Code::OutOfRange,
            value.span,
            format!(
                "this must be a number greater than 0, not '{}'",
                value.shown()
            ),
        )),
    }
}

pub(super) fn positive_time(arguments: &mut Arguments<'_>) -> Result<Milliseconds, Diagnostic> {
    let value = value(arguments);
    let time = arguments.time_of(&value, Unit::Millisecond)?;
    if time.0 == 0 {
        return Err(Diagnostic::new(
            Code::OutOfRange,
            value.span,
            format!("'{}' must be more than 0", value.shown()),
        ));
    }
    Ok(time)
}

/// `slowstart` is rounded up to seconds.
fn slowstart(arguments: &mut Arguments<'_>) -> Result<Milliseconds, Diagnostic> {
    let value = value(arguments);
    arguments.time_of(&value, Unit::Millisecond)
}

fn count(arguments: &mut Arguments<'_>) -> Result<u32, Diagnostic> {
    let value = value(arguments);
    let value = arguments.lax_integer_of(&value);
    Ok(super::limits::count(value))
}
