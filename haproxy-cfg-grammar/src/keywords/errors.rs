//! `errorfile`, `errorloc`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::keyword::Keyword;
use crate::section::DFLB;
use crate::{Statement, Word};

/// What is sent in place of an answer of the proxy's own.
#[derive(Clone, Debug)]
pub struct ErrorStatement {
    /// The status, one of [`STATUSES`].
    pub status: u16,
    /// What kind of page.
    pub kind: ErrorKind,
    /// The file or the URL.
    pub value: Word,
}

/// Kinds of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `errorfile`: the bytes of a file.
    File,
    /// `errorloc`, `errorloc302`.
    Location302,
    /// `errorloc303`.
    Location303,
}

/// The statuses that HAProxy answers by itself.
pub const STATUSES: [u16; 8] = [200, 400, 403, 408, 500, 502, 503, 504];

/// The family.
pub const ERRORS: &[Keyword] = &[
    Keyword {
        arguments: "code file",
        accepts: &["errorfile 503 /dev/null"],
        refuses: &[
            "errorfile",
            "errorfile 503",
            "errorfile 503 /nonexistent/503.http",
        ],
        ..Keyword::new("errorfile", DFLB, |a| read(a, ErrorKind::File))
    },
    Keyword {
        arguments: "code url",
        accepts: &["errorloc 503 http://sorry.example.com/"],
        refuses: &["errorloc", "errorloc 503"],
        ..Keyword::new("errorloc", DFLB, |a| read(a, ErrorKind::Location302))
    },
    Keyword {
        arguments: "code url",
        accepts: &["errorloc302 503 http://sorry.example.com/"],
        refuses: &["errorloc302 503"],
        ..Keyword::new("errorloc302", DFLB, |a| read(a, ErrorKind::Location302))
    },
    Keyword {
        arguments: "code url",
        accepts: &["errorloc303 503 http://sorry.example.com/"],
        refuses: &["errorloc303"],
        ..Keyword::new("errorloc303", DFLB, |a| read(a, ErrorKind::Location303))
    },
];

fn read(arguments: &mut Arguments<'_>, kind: ErrorKind) -> Result<Statement, Diagnostic> {
    let what = match kind {
        ErrorKind::File => "a status and a file",
        _ => "a status and a URL",
    };
    // Both words must be there before the status is looked at.
    let code = match (arguments.peek(), arguments.peek_second()) {
        (Some(code), Some(second)) if !second.bytes.is_empty() => code,
        _ => return Err(arguments.missing(what)),
    };
    arguments.next_word();
    let value = arguments.require(what)?;
    let status = arguments.lax_integer_of(code);
    arguments.ignore_rest();
    let status = u16::try_from(status).unwrap_or(0);
    if !STATUSES.contains(&status) {
        arguments.report(
            Diagnostic::new(
                Code::Useless,
                code.span,
                format!(
                    "status {} is never answered by the proxy itself; the line is ignored",
                    code.shown()
                ),
            )
            .severity(Severity::Warning)
            .help("one of: 200, 400, 403, 408, 500, 502, 503, 504"),
        );
        return Ok(Statement::Error(ErrorStatement {
            status: 0,
            kind,
            value: value.clone(),
        }));
    }
    Ok(Statement::Error(ErrorStatement {
        status,
        kind,
        value: value.clone(),
    }))
}
