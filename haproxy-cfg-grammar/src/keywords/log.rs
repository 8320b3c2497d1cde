//! `log` of proxies. Manual 1.4, section 4.2 "log".

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Prefix};
use crate::section::DFLB;
use crate::value::address::{self, Endpoint, Host, Port};
use crate::value::log as names;
use crate::{Dialect, SectionKind, Span, Statement, Word, version};

/// One `log` line.
#[derive(Clone, Debug)]
pub enum LogStatement {
    /// `log global`: the targets of the global section.
    Global,
    /// A target.
    Target(LogTarget),
}

/// Where lines go.
#[derive(Clone, Debug)]
pub enum LogAddress {
    /// UDP or a Unix socket.
    Socket(Endpoint),
    /// `stdout`
    Stdout,
    /// `stderr`
    Stderr,
}

/// What stands around the text of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFrame {
    /// `rfc3164`: the old syslog.
    #[default]
    Rfc3164,
    /// `rfc5424`: the new one (1.8 and later).
    Rfc5424,
    /// `short`: only the severity.
    Short,
    /// `raw`: nothing.
    Raw,
    /// `json`: an object on one line (hapax).
    Json,
}

/// Where lines go and which.
#[derive(Clone, Debug)]
pub struct LogTarget {
    /// Where.
    pub address: LogAddress,
    /// `len`: longest line, in bytes (1.5 and later). Default 1024.
    pub len: u32,
    /// `format`.
    pub frame: LogFrame,
    /// Where the address is written.
    pub span: Span,
    /// Facility, 0 to 23.
    pub facility: u8,
    /// Least severe level that is sent, 0 to 7.
    pub level: u8,
    /// Most severe level that is sent as it is, 0 to 7.
    pub min_level: u8,
}

/// The family.
pub const LOG: &[Keyword] = &[Keyword {
    arguments: "global | addr|stdout|stderr [len n] [format f] facility [level [minlevel]]",
    no_prefix: true,
    default_prefix: true,
    accepts: &[
        "log global",
        "log 127.0.0.1 local0",
        "log 127.0.0.1:514 local0 notice err",
        "log /dev/log daemon",
    ],
    refuses: &[
        "log",
        "log 127.0.0.1",
        "log 127.0.0.1 local8",
        "log 127.0.0.1 local0 bogus",
    ],
    ..Keyword::new("log", DFLB, log)
}];

fn log(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    if arguments.prefix == Prefix::No {
        arguments.end(version::V1_4)?;
        return Ok(Statement::NoLog);
    }
    if arguments.take("global").is_some() {
        arguments.end(version::V1_8)?;
        return Ok(Statement::Log(LogStatement::Global));
    }
    Ok(Statement::Log(LogStatement::Target(target(arguments)?)))
}

/// An address, a facility, and levels.
pub(crate) fn target(arguments: &mut Arguments<'_>) -> Result<LogTarget, Diagnostic> {
    let word = arguments.require("an address and a facility")?;
    if arguments.peek().is_none() {
        return Err(arguments.missing("a facility after the address"));
    }
    let (len, frame) = frame(arguments, word)?;
    let facility_word = arguments.require("a facility after the address")?;
    let facility = names::facility(facility_word.text()).ok_or_else(|| {
        Diagnostic::new(
            Code::BadValue,
            facility_word.span,
            format!("'{}' is not a log facility", facility_word.shown()),
        )
        .help(format!("one of: {}", names::FACILITIES.join(", ")))
    })?;
    let mut levels = [7, 0];
    for (which, level) in levels.iter_mut().enumerate() {
        let Some(word) = arguments.next_word() else {
            break;
        };
        // In proxies 1.4 does not look at the second one closely.
        let lax = which == 1
            && arguments.dialect == Dialect::V1_4
            && arguments.section != SectionKind::Global;
        match names::level(word.text()) {
            Some(number) => *level = number,
            None if lax => arguments.report(
                Diagnostic::new(
                    Code::JunkIgnored,
                    word.span,
                    format!("'{}' is not a log level, and is ignored", word.shown()),
                )
                .help(format!("one of: {}", names::LEVELS.join(", "))),
            ),
            None => {
                return Err(Diagnostic::new(
                    Code::BadValue,
                    word.span,
                    format!("'{}' is not a log level", word.shown()),
                )
                .help(format!("one of: {}", names::LEVELS.join(", "))));
            }
        }
    }
    let address = if let Some(stream) = stream(word, arguments.dialect) {
        stream
    } else if word.bytes.first() == Some(&b'/') {
        LogAddress::Socket(Endpoint {
            host: Host::Unix(word.shown()),
            port: Port::None,
        })
    } else {
        let parsed = if arguments.dialect == Dialect::V1_4 {
            address::endpoint_v4(&word.bytes)
        } else {
            address::endpoint(&word.bytes, address::PortRules::default())
        };
        let endpoint = parsed.map_err(|e| {
            Diagnostic::new(
                Code::BadAddress,
                word.span,
                format!("'{}' is not an address: {e}", word.shown()),
            )
        })?;
        LogAddress::Socket(endpoint)
    };
    arguments.end(version::V1_8)?;
    Ok(LogTarget {
        address,
        len,
        frame,
        span: word.span,
        facility,
        level: levels[0],
        min_level: levels[1],
    })
}

/// Standard output and error, which later versions than 1.8 know.
fn stream(word: &Word, dialect: Dialect) -> Option<LogAddress> {
    if dialect != Dialect::Hapax {
        return None;
    }
    match word.text() {
        "stdout" | "fd@1" => Some(LogAddress::Stdout),
        "stderr" | "fd@2" => Some(LogAddress::Stderr),
        _ => None,
    }
}

/// `len` and `format`, between the address and the facility, since 1.5.
fn frame(arguments: &mut Arguments<'_>, target: &Word) -> Result<(u32, LogFrame), Diagnostic> {
    let mut len = DEFAULT_LEN;
    // What prints to a terminal or a container's log needs no frame.
    let mut frame = match stream(target, arguments.dialect) {
        Some(_) => LogFrame::Raw,
        None => LogFrame::Rfc3164,
    };
    if arguments.dialect == Dialect::V1_4 {
        return Ok((len, frame));
    }
    if arguments.take("len").is_some() {
        let word = arguments.require("a length after 'len'")?;
        len = word
            .text()
            .parse()
            .ok()
            .filter(|len| (80..=65535).contains(len))
            .ok_or_else(|| {
                Diagnostic::new(
                    Code::OutOfRange,
                    word.span,
                    format!("'{}' is no length between 80 and 65535", word.shown()),
                )
            })?;
    }
    if arguments.take("format").is_some() {
        let word = arguments.require("a format after 'format'")?;
        let hapax = arguments.dialect == Dialect::Hapax;
        frame = match word.text() {
            "rfc3164" => LogFrame::Rfc3164,
            "rfc5424" => LogFrame::Rfc5424,
            "short" if hapax => LogFrame::Short,
            "raw" if hapax => LogFrame::Raw,
            "json" if hapax => LogFrame::Json,
            _ => {
                return Err(Diagnostic::new(
                    Code::BadValue,
                    word.span,
                    format!("'{}' is not a format of log lines", word.shown()),
                )
                .help("one of: rfc3164, rfc5424, short, raw, json"));
            }
        };
    }
    Ok((len, frame))
}

/// Longest line when nothing is said, in bytes.
pub const DEFAULT_LEN: u32 = 1024;
