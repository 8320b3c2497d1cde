//! `mode`, `disabled`, `enabled`, `description`, `id`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::{DFLB, FLB};
use crate::value::number;
use crate::{Statement, version};

/// `mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Bytes are relayed.
    Tcp,
    /// HTTP is parsed.
    Http,
    /// Every connection is answered `OK`.
    Health,
}

/// The family.
pub const MODE: &[Keyword] = &[
    Keyword {
        arguments: "tcp | http | health",
        accepts: &["mode tcp", "mode http", "mode health"],
        refuses: &["mode", "mode udp", "mode HTTP"],
        ..Keyword::new("mode", DFLB, mode)
    },
    Keyword {
        arguments: "none",
        accepts: &["disabled"],
        ..Keyword::new("disabled", DFLB, |a| {
            a.end(version::V1_5)?;
            Ok(Statement::Disabled(true))
        })
    },
    Keyword {
        arguments: "none",
        accepts: &["enabled"],
        ..Keyword::new("enabled", DFLB, |a| {
            a.end(version::V1_8)?;
            Ok(Statement::Disabled(false))
        })
    },
    Keyword {
        arguments: "free text",
        stops: true,
        accepts: &["description the front door"],
        refuses: &["description"],
        ..Keyword::new("description", FLB, |a| Ok(Statement::Description(text(a)?)))
    },
    Keyword {
        arguments: "positive integer",
        accepts: &["id 1001"],
        refuses: &["id 0", "id"],
        ..Keyword::new("id", FLB, id)
    },
];

fn mode(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("'tcp', 'http' or 'health'")?;
    let mode = match word.text() {
        "tcp" => Mode::Tcp,
        "http" => Mode::Http,
        "health" => Mode::Health,
        _ => return Err(arguments.bad(word, "'tcp', 'http' or 'health'")),
    };
    arguments.end(version::V1_8)?;
    Ok(Statement::Mode(mode))
}

/// Words joined by single blanks.
pub(crate) fn text(arguments: &mut Arguments<'_>) -> Result<Vec<u8>, Diagnostic> {
    arguments
        .require("a text")
        .map(|first| first.bytes.to_vec())
        .map(|mut text| {
            for word in arguments.rest() {
                text.push(b' ');
                text.extend_from_slice(&word.bytes);
            }
            text
        })
}

fn id(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let span = arguments.peek().map(|w| w.span);
    let value = arguments.lax_integer("a positive number")?;
    let value = positive_id(value, span.unwrap_or_else(|| arguments.here()))?;
    arguments.end(version::V1_8)?;
    Ok(Statement::Id(value))
}

/// Numeric ids are 1 to 2147483647.
pub(crate) fn positive_id(value: i64, span: crate::Span) -> Result<u32, Diagnostic> {
    u32::try_from(number::to_int(value))
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| {
            Diagnostic::new(
                Code::OutOfRange,
                span,
                format!("an id must be greater than 0, not {value}"),
            )
        })
}
