//! `log` of proxies. Manual 1.4, section 4.2 "log".

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Prefix};
use crate::section::DFLB;
use crate::value::address::{self, Endpoint, Host, Port};
use crate::value::log as names;
use crate::{Dialect, SectionKind, Span, Statement, version};

/// One `log` line.
#[derive(Clone, Debug)]
pub enum LogStatement {
    /// `log global`: the targets of the global section.
    Global,
    /// A target.
    Target(LogTarget),
}

/// Where lines go and which.
#[derive(Clone, Debug)]
pub struct LogTarget {
    /// UDP or a Unix socket.
    pub address: Endpoint,
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
    arguments: "global | addr facility [level [minlevel]]",
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
    let address = if word.bytes.first() == Some(&b'/') {
        Endpoint {
            host: Host::Unix(word.shown()),
            port: Port::None,
        }
    } else {
        let parsed = if arguments.dialect == Dialect::V1_4 {
            address::endpoint_v4(&word.bytes)
        } else {
            address::endpoint(&word.bytes, address::PortRules::default())
        };
        parsed.map_err(|e| {
            Diagnostic::new(
                Code::BadAddress,
                word.span,
                format!("'{}' is not an address: {e}", word.shown()),
            )
        })?
    };
    arguments.end(version::V1_8)?;
    Ok(LogTarget {
        address,
        span: word.span,
        facility,
        level: levels[0],
        min_level: levels[1],
    })
}
