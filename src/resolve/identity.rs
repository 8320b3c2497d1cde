//! Names and numbers of proxies, servers and listeners: no two may be taken for each other.

use std::collections::{HashMap, HashSet};

use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Severity, Span};

use super::draft::{Draft, Drafts};
use crate::plan::Role;

fn side(role: Role) -> &'static str {
    match role {
        Role::Frontend => "frontend",
        Role::Backend => "backend",
        Role::Listen => "proxy",
    }
}

/// Two proxies of one name on the same side: HAProxy warns, and rules cannot choose between them.
pub(super) fn names(proxies: &[Draft], dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<(&str, bool), &Draft> = HashMap::with_capacity(proxies.len());
    for draft in proxies.iter().filter(|d| !d.broken) {
        let role = draft.proxy.role;
        let name = draft.proxy.name.as_str();
        let mut other = None;
        for frontend in [true, false] {
            if frontend && !role.is_frontend() || !frontend && !role.is_backend() {
                continue;
            }
            match seen.get(&(name, frontend)) {
                Some(found) => other = Some(*found),
                None => {
                    seen.insert((name, frontend), draft);
                }
            }
        }
        if let Some(other) = other {
            diagnostics.push(
                Diagnostic::new(
                    Code::DuplicateName,
                    draft.provenance.section,
                    format!(
                        "this {} has the name of another {}: '{name}'",
                        side(role),
                        side(other.proxy.role)
                    ),
                )
                .severity(if dialect == Dialect::V1_8 {
                    Severity::Error
                } else {
                    Severity::Warning
                })
                .related(other.provenance.section, "the other one")
                .help("rename one of them, and what refers to it"),
            );
        }
    }
}

/// Numbers given with `id` must differ.
pub(super) fn ids(proxies: &[Draft], dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<u32, &Draft> = HashMap::new();
    for draft in proxies {
        let id = draft.proxy.numeric_id;
        let given: Vec<Span> = draft
            .provenance
            .own
            .iter()
            .filter(|(n, _)| *n == "id")
            .map(|(_, s)| *s)
            .collect();
        if let [first, .., last] = given[..]
            && dialect == Dialect::V1_4
        {
            diagnostics.push(taken(
                last,
                first,
                "this section has an 'id' already".to_owned(),
            ));
        }
        if id != 0 {
            match seen.get(&id) {
                Some(other) => diagnostics.push(taken(
                    given.last().copied().unwrap_or(draft.provenance.section),
                    other.provenance.section,
                    format!("the id {id} belongs to '{}' already", other.proxy.name),
                )),
                None => {
                    seen.insert(id, draft);
                }
            }
        }
        let mut servers: HashMap<u32, Span> = HashMap::new();
        for (server, spans) in draft.proxy.servers.iter().zip(&draft.server_spans) {
            if server.numeric_id == 0 {
                continue;
            }
            let span = spans.id.unwrap_or(spans.line);
            if let Some(first) = servers.insert(server.numeric_id, span) {
                diagnostics.push(taken(
                    span,
                    first,
                    format!(
                        "the id {} belongs to another server already",
                        server.numeric_id
                    ),
                ));
            }
        }
        let mut listeners: HashMap<u32, Span> = HashMap::new();
        for (listener, span) in draft.proxy.listeners.iter().zip(&draft.listener_spans) {
            if listener.numeric_id == 0 {
                continue;
            }
            if let Some(first) = listeners.insert(listener.numeric_id, *span) {
                diagnostics.push(taken(
                    *span,
                    first,
                    format!(
                        "the id {} belongs to another address already",
                        listener.numeric_id
                    ),
                ));
            }
        }
    }
}

fn taken(span: Span, first: Span, message: String) -> Diagnostic {
    Diagnostic::new(Code::DuplicateId, span, message)
        .related(first, "here")
        .help("choose another number")
}

/// Gives every proxy, server and listener without `id` the next number that is free.
pub(super) fn number(drafts: &mut Drafts<'_>) {
    let used: HashSet<u32> = drafts
        .proxies
        .iter()
        .map(|d| d.proxy.numeric_id)
        .filter(|id| *id != 0)
        .collect();
    // Since 1.5 the statistics socket is a proxy, the first of them.
    let socket = drafts.dialect != Dialect::V1_4 && !drafts.global.stats_sockets.is_empty();
    let mut next = if socket { 2 } else { 1 };
    for draft in &mut drafts.proxies {
        fill(&mut draft.proxy.numeric_id, &mut next, &used);
        let used = draft.proxy.servers.iter().map(|s| s.numeric_id).collect();
        let mut next = 1;
        for server in &mut draft.proxy.servers {
            fill(&mut server.numeric_id, &mut next, &used);
        }
        let used = draft.proxy.listeners.iter().map(|l| l.numeric_id).collect();
        let mut next = 1;
        for listener in &mut draft.proxy.listeners {
            fill(&mut listener.numeric_id, &mut next, &used);
        }
    }
}

/// Gives a number to what has none. What has one of its own takes up the next one all the same.
fn fill(id: &mut u32, next: &mut u32, used: &HashSet<u32>) {
    if *id == 0 {
        while used.contains(next) {
            *next = next.saturating_add(1);
        }
        *id = *next;
    }
    *next = next.saturating_add(1);
}
