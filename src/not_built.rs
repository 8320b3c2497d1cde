//! What a configuration says and hapax does not act upon yet. Nothing is ignored silently.

use std::collections::HashSet;

use haproxy_cfg_grammar::keyword::{Prefix, Status};
use haproxy_cfg_grammar::keywords::userlist::{Password, UserlistStatement};
use haproxy_cfg_grammar::keywords::{self, Lookup, bind, server};
use haproxy_cfg_grammar::value::condition::TermKind;
use haproxy_cfg_grammar::value::criterion::{self, Criterion, PREDEFINED};
use haproxy_cfg_grammar::{Code, Diagnostic, Document, Line, SectionKind, Span, Statement};

use crate::resolve::condition_of;
use crate::userlist::is_known_form;

/// One warning for each such keyword, at its first place.
pub fn warnings(document: &Document) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let mut diagnostics = Vec::new();
    for section in &document.sections {
        for line in document.body(section) {
            if line.statement.is_some() {
                of_line(line, section.kind, &mut seen, &mut diagnostics);
            }
        }
    }
    diagnostics
}

fn of_line<'a>(
    line: &'a Line,
    section: SectionKind,
    seen: &mut HashSet<(&'static str, &'a str)>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let skip = usize::from(line.prefix != Prefix::None);
    let words = line.words.get(skip..).unwrap_or_default();
    let Lookup::Known(keyword) = keywords::find(words, section) else {
        return;
    };
    let mut warn = |kind: &'static str, name: &'a str, span| {
        if seen.insert((kind, name)) {
            diagnostics.push(Diagnostic::new(
                Code::NotBuilt,
                span,
                format!("{kind}'{name}' is understood, but hapax does not act upon it yet"),
            ));
        }
    };
    if keyword.status == Status::Accepted && line.prefix == Prefix::None {
        let name: &'static str = keyword.name;
        warn("", name, line.words_span());
        return;
    }
    let table = match &line.statement {
        Some(Statement::Server(_) | Statement::DefaultServer(_)) => server::OPTIONS,
        Some(Statement::Bind(_)) => bind::OPTIONS,
        _ => &[],
    };
    for word in words.iter().skip(keyword.word_count() + 1) {
        if let Some(setting) = table.iter().find(|s| word.is(s.name))
            && setting.status == Status::Accepted
        {
            warn("the option ", setting.name, word.span);
        }
    }
    if let Some(Statement::Userlist(UserlistStatement::User {
        name,
        password: Some(Password::Crypt(hash)),
        ..
    })) = &line.statement
        && !is_known_form(hash)
    {
        let message = format!(
            "the password of '{}' is in no form of crypt(3) that hapax knows: none fits it",
            name.shown()
        );
        diagnostics.push(Diagnostic::new(Code::NotBuilt, name.span, message));
        return;
    }
    if let Some(statement) = &line.statement {
        for (name, span) in criteria(statement) {
            warn("the criterion ", name, span);
        }
    }
}

/// The criteria of a line that have no value yet.
fn criteria(statement: &Statement) -> Vec<(&'static str, Span)> {
    let mut found = Vec::new();
    let mut look = |criterion: &'static Criterion, span| {
        if criterion.status == Status::Accepted {
            found.push((criterion.name, span));
        }
    };
    if let Statement::Acl(acl) = statement {
        look(acl.acl.criterion, acl.acl.span);
    }
    let condition = condition_of(statement);
    for term in condition.iter().flat_map(|c| c.any.iter().flatten()) {
        match &term.what {
            TermKind::Anonymous(acl) => look(acl.criterion, acl.span),
            TermKind::Named(name) => {
                let predefined = PREDEFINED.iter().find(|(n, ..)| name.is(n));
                let criterion = predefined
                    .and_then(|(_, text, _)| text.split('(').next())
                    .and_then(criterion::find);
                if let Some(criterion) = criterion {
                    look(criterion, name.span);
                }
            }
        }
    }
    found
}
