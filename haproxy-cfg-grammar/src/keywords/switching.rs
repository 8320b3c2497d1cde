//! `use_backend`, `default_backend`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::{BACKEND, DFL, FL, FRONTEND, LB};
use crate::value::condition::{self, ConditionSyntax};
use crate::value::format::{self, FormatSyntax};
use crate::{Dialect, Statement, Word, version};

/// One `use_backend` line.
#[derive(Clone, Debug)]
pub struct UseBackend {
    /// The backend.
    pub target: Word,
    /// Its name as a format string, when there is a `%` in it (since 1.5).
    pub format: Option<FormatSyntax>,
    /// When; since 1.5 a rule without condition is allowed.
    pub condition: Option<ConditionSyntax>,
}

/// The family.
pub const SWITCHING: &[Keyword] = &[
    Keyword {
        ignored_in: BACKEND,
        arguments: "backend name",
        accepts: &["default_backend dynamic"],
        refuses: &["default_backend"],
        ..Keyword::new("default_backend", DFL, |a| {
            let name = a.require("the name of a backend")?.clone();
            a.end(version::V1_8)?;
            Ok(Statement::DefaultBackend(name))
        })
    },
    Keyword {
        ignored_in: BACKEND,
        arguments: "backend if|unless condition",
        accepts: &[
            "use_backend static if { path_beg /static }",
            "use_backend be-%[req.hdr(host),lower] if TRUE",
            "use_backend b unless TRUE",
        ],
        refuses: &[
            "use_backend",
            "use_backend static when TRUE",
            "use_backend b if {",
        ],
        ..Keyword::new("use_backend", FL, use_backend)
    },
    Keyword {
        since: version::V1_5,
        ignored_in: FRONTEND,
        arguments: "server if|unless condition",
        accepts: &["use-server s1 if { path_beg /static }"],
        refuses: &["use-server", "use-server s1", "use-server s1 when TRUE"],
        ..Keyword::new("use-server", LB, |a| {
            let server = a.require("the name of a server")?.clone();
            let condition = required_condition(a)?;
            Ok(Statement::UseServer(Box::new(UseServer {
                server,
                condition,
            })))
        })
    },
];

/// One `use-server` line (1.5 and later).
#[derive(Clone, Debug)]
pub struct UseServer {
    /// The server.
    pub server: Word,
    /// When.
    pub condition: ConditionSyntax,
}

fn use_backend(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let target = arguments.require("the name of a backend")?.clone();
    let format = (arguments.dialect != Dialect::V1_4 && target.bytes.contains(&b'%'))
        .then(|| format::parse(&target))
        .transpose()?;
    let condition = if arguments.is_empty() && arguments.dialect != Dialect::V1_4 {
        None
    } else {
        Some(required_condition(arguments)?)
    };
    Ok(Statement::UseBackend(Box::new(UseBackend {
        target,
        format,
        condition,
    })))
}

/// The `if` or `unless` that must follow.
pub(crate) fn required_condition(
    arguments: &mut Arguments<'_>,
) -> Result<ConditionSyntax, Diagnostic> {
    match arguments.peek() {
        Some(word) if word.is("if") || word.is("unless") => {
            let dialect = arguments.dialect;
            condition::condition(arguments.rest(), dialect)
        }
        found => Err(Diagnostic::new(
            Code::BadCondition,
            found.map_or_else(|| arguments.here(), |w| w.span),
            format!(
                "'{}' needs 'if' or 'unless' and a condition here",
                arguments.keyword()
            ),
        )
        .help("write: if ACL... , where ACL is a name or { criterion patterns }")),
    }
}

/// A condition, if there are words left; any word but `if` and `unless` is refused.
pub(crate) fn optional_condition(
    arguments: &mut Arguments<'_>,
) -> Result<Option<ConditionSyntax>, Diagnostic> {
    if arguments.is_empty() {
        return Ok(None);
    }
    required_condition(arguments).map(Some)
}
