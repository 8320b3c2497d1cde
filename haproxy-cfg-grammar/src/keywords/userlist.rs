//! `userlist` sections: users and groups. Manual 1.4, section 3.4.

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::keyword::Keyword;
use crate::section::USERLIST as SECTION;
use crate::{Statement, Word};

/// One line.
#[derive(Clone, Debug)]
pub enum UserlistStatement {
    /// `group name [users a,b]`
    Group {
        /// Its name.
        name: Word,
        /// Its members.
        users: Vec<Word>,
    },
    /// `user name [password|insecure-password text] [groups a,b]`
    User {
        /// Its name.
        name: Word,
        /// The password.
        password: Option<Password>,
        /// The groups that it belongs to.
        groups: Vec<Word>,
    },
}

/// How a password is written.
#[derive(Clone, Debug)]
pub enum Password {
    /// `insecure-password`: as it is.
    Plain(Vec<u8>),
    /// `password`: as crypt(3) gives it.
    Crypt(Vec<u8>),
}

/// The family.
pub const USERLIST: &[Keyword] = &[
    Keyword {
        arguments: "name [users a,b]",
        accepts: &["group admins", "group admins users alice,bob"],
        refuses: &["group", "group admins bogus x"],
        ..Keyword::new("group", SECTION, group)
    },
    Keyword {
        arguments: "name [password|insecure-password text] [groups a,b]",
        accepts: &[
            "user alice insecure-password secret groups admins",
            "user bob password $1$a$b",
        ],
        refuses: &["user", "user alice bogus x"],
        ..Keyword::new("user", SECTION, user)
    },
];

/// A comma-separated list as words of their own.
fn list(word: Option<&Word>) -> Vec<Word> {
    word.into_iter()
        .flat_map(|word| {
            word.bytes.split(|b| *b == b',').map(|part| Word {
                span: word.span,
                bytes: part.into(),
            })
        })
        .filter(|w| !w.bytes.is_empty())
        .collect()
}

fn group(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let name = arguments.require("a name")?.clone();
    let mut users = Vec::new();
    while let Some(word) = arguments.next_word() {
        if !word.is("users") {
            return Err(arguments.bad(word, "'users a,b'"));
        }
        users.extend(list(arguments.next_word()));
    }
    Ok(Statement::Userlist(UserlistStatement::Group {
        name,
        users,
    }))
}

fn user(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let name = arguments.require("a name")?.clone();
    let (mut password, mut groups) = (None, Vec::new());
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "password" => password = Some(Password::Crypt(bytes(arguments.next_word()))),
            "insecure-password" => password = Some(Password::Plain(bytes(arguments.next_word()))),
            "groups" => groups.extend(list(arguments.next_word())),
            _ => {
                return Err(arguments.bad(word, "'password', 'insecure-password' or 'groups'"));
            }
        }
    }
    Ok(Statement::Userlist(UserlistStatement::User {
        name,
        password,
        groups,
    }))
}

fn bytes(word: Option<&Word>) -> Vec<u8> {
    word.map(|w| w.bytes.to_vec()).unwrap_or_default()
}
