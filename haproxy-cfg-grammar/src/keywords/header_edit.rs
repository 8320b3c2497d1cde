//! `http-request add-header` and its like: headers edited by name, since 1.5.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::keywords::header_rules::Side;
use crate::keywords::switching::optional_condition;
use crate::section::FLB;
use crate::value::condition::ConditionSyntax;
use crate::value::format::{self, FormatSyntax};
use crate::{Statement, Word, version};

/// What is done with headers of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Edit {
    /// `add-header`: one more.
    Add,
    /// `set-header`: this one in place of all.
    Set,
    /// `del-header`: none.
    Delete,
}

/// One line.
#[derive(Clone, Debug)]
pub struct HeaderEdit {
    /// Of requests or responses.
    pub side: Side,
    /// What is done.
    pub edit: Edit,
    /// The name of the header.
    pub name: Word,
    /// Its value; none to delete.
    pub value: Option<FormatSyntax>,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

/// The family.
pub const HEADER_EDITS: &[Keyword] = &[
    Keyword {
        stops: true,
        accepts: &[
            "http-request add-header X-Client %[src]",
            "http-request add-header X a\\ b if METH_GET",
        ],
        refuses: &[
            "http-request add-header X",
            "http-request add-header X a b",
            "http-request add-header X %[path",
        ],
        ..row("http-request add-header", WITH_VALUE, |a| {
            edit(a, Side::Request, Edit::Add)
        })
    },
    Keyword {
        stops: true,
        accepts: &["http-request del-header X if METH_GET"],
        refuses: &["http-request del-header", "http-request del-header X y"],
        ..row("http-request del-header", "name [condition]", |a| {
            edit(a, Side::Request, Edit::Delete)
        })
    },
    Keyword {
        stops: true,
        accepts: &["http-request set-header Host %[hdr(host),lower]"],
        refuses: &["http-request set-header X"],
        ..row("http-request set-header", WITH_VALUE, |a| {
            edit(a, Side::Request, Edit::Set)
        })
    },
    Keyword {
        accepts: &["http-response add-header X-Status %[status]"],
        refuses: &["http-response add-header X"],
        ..row("http-response add-header", WITH_VALUE, |a| {
            edit(a, Side::Response, Edit::Add)
        })
    },
    Keyword {
        accepts: &["http-response del-header Server"],
        refuses: &["http-response del-header"],
        ..row("http-response del-header", "name [condition]", |a| {
            edit(a, Side::Response, Edit::Delete)
        })
    },
    Keyword {
        accepts: &["http-response set-header Server hidden"],
        refuses: &["http-response set-header X"],
        ..row("http-response set-header", WITH_VALUE, |a| {
            edit(a, Side::Response, Edit::Set)
        })
    },
];

const WITH_VALUE: &str = "name format [condition]";

const fn row(
    name: &'static str,
    arguments: &'static str,
    parse: crate::keyword::Parser,
) -> Keyword {
    Keyword {
        since: version::V1_5,
        arguments,
        ..Keyword::new(name, FLB, parse)
    }
}

fn edit(arguments: &mut Arguments<'_>, side: Side, edit: Edit) -> Result<Statement, Diagnostic> {
    let name = arguments.require("the name of a header")?.clone();
    let value = match edit {
        Edit::Add | Edit::Set => Some(format::parse(
            arguments.require("the value of the header")?,
        )?),
        Edit::Delete => None,
    };
    Ok(Statement::HeaderEdit(Box::new(HeaderEdit {
        side,
        edit,
        name,
        value,
        condition: optional_condition(arguments)?,
    })))
}
