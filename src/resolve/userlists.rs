//! `userlist` sections. Manual 1.4, section 3.4.

use haproxy_cfg_grammar::keywords::userlist::{self, UserlistStatement};
use haproxy_cfg_grammar::{Code, Diagnostic, Document, Section, Severity, Statement, Word};

use super::draft::Drafts;
use crate::plan::{Password, User, Userlist};

/// Reads a section.
pub(super) fn read(document: &Document, section: &Section, drafts: &mut Drafts<'_>) {
    let Some(name) = section.name.as_ref().filter(|_| !section.broken) else {
        return;
    };
    let mut list = Userlist {
        name: name.shown(),
        users: Vec::new(),
        groups: Vec::new(),
    };
    // Users may name groups that come later, and groups users.
    let mut memberships: Vec<(Word, Word)> = Vec::new();
    for line in document.body(section) {
        let Some(Statement::Userlist(statement)) = &line.statement else {
            continue;
        };
        match statement {
            UserlistStatement::Group { name, users } => {
                if list.groups.contains(&name.shown()) {
                    drafts.report(duplicate("group", name, &list.name));
                    continue;
                }
                list.groups.push(name.shown());
                memberships.extend(users.iter().map(|u| (u.clone(), name.clone())));
            }
            UserlistStatement::User {
                name,
                password,
                groups,
            } => {
                if list.users.iter().any(|u| *u.name == *name.bytes) {
                    drafts.report(duplicate("user", name, &list.name));
                    continue;
                }
                list.users.push(User {
                    name: (&*name.bytes).into(),
                    password: match password {
                        None => Password::None,
                        Some(userlist::Password::Plain(text)) => {
                            Password::Plain(text.clone().into())
                        }
                        Some(userlist::Password::Crypt(text)) => {
                            Password::Crypt(text.clone().into())
                        }
                    },
                    groups: Vec::new(),
                });
                memberships.extend(groups.iter().map(|g| (name.clone(), g.clone())));
            }
        }
    }
    for (user, group) in memberships {
        link(&mut list, &user, &group, drafts);
    }
    drafts.userlists.push(list);
}

fn link(list: &mut Userlist, user: &Word, group: &Word, drafts: &mut Drafts<'_>) {
    let index = list.groups.iter().position(|g| *g == group.shown());
    let member = list.users.iter_mut().find(|u| *u.name == *user.bytes);
    match (member, index.and_then(|n| u32::try_from(n).ok())) {
        (Some(member), Some(index)) => {
            if !member.groups.contains(&index) {
                member.groups.push(index);
            }
        }
        (None, _) => drafts.report(unknown("user", user, &list.name)),
        (_, None) => drafts.report(unknown("group", group, &list.name)),
    }
}

fn duplicate(what: &str, name: &Word, list: &str) -> Diagnostic {
    Diagnostic::new(
        Code::AlreadyDefined,
        name.span,
        format!(
            "the {what} '{}' exists already in the user list '{list}'; this line is ignored",
            name.shown()
        ),
    )
    .severity(Severity::Warning)
}

fn unknown(what: &str, name: &Word, list: &str) -> Diagnostic {
    Diagnostic::whole(
        Code::UnknownUserlist,
        Some(name.span),
        format!("the user list '{list}' has no {what} '{}'", name.shown()),
    )
}
