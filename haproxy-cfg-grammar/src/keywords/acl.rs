//! `acl`. Manual 1.4, section 7.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::FLB;
use crate::value::condition::{self, AclSyntax};
use crate::value::name;
use crate::{Statement, Word};

/// One `acl` line.
#[derive(Clone, Debug)]
pub struct AclStatement {
    /// Its name.
    pub name: Word,
    /// What it asks.
    pub acl: AclSyntax,
}

/// The family.
pub const ACL: &[Keyword] = &[Keyword {
    arguments: "name criterion [flags] values...",
    accepts: &[
        "acl static path_beg /static /images",
        "acl big hdr_val(content-length) gt 10000",
        "acl local src 127.0.0.0/8 -- localhost",
        "acl host hdr(host) -i www.example.com",
    ],
    refuses: &[
        "acl",
        "acl a1",
        "acl a1 nosuchcriterion x",
        "acl a!b src 10.0.0.1",
        "acl a1 dst_port abc",
    ],
    ..Keyword::new("acl", FLB, acl)
}];

fn acl(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let dialect = arguments.dialect;
    let name = arguments.require("a name and a criterion")?;
    if let Some(byte) = name::invalid_char(&name.bytes) {
        return Err(Diagnostic::new(
            Code::BadName,
            name.span,
            format!(
                "'{}' cannot name an ACL: '{}' is not allowed",
                name.shown(),
                byte.escape_ascii()
            ),
        )
        .help("use letters, digits, '-', '_', '.' and ':'"));
    }
    if arguments.is_empty() {
        return Err(arguments.missing("a criterion"));
    }
    let acl = condition::acl(arguments.rest(), dialect)?;
    Ok(Statement::Acl(Box::new(AclStatement {
        name: name.clone(),
        acl,
    })))
}
