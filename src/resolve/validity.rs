//! What is checked once every section has been read: names, numbers, addresses, timeouts.

use std::collections::HashSet;

use haproxy_cfg_grammar::{Code, Diagnostic};

use super::draft::{Draft, Drafts};
use crate::plan::{Global, LogFormat, Mode};

/// Checks every proxy.
pub(super) fn check(drafts: &mut Drafts<'_>) {
    let mut diagnostics = Vec::new();
    number(drafts);
    for draft in &mut drafts.proxies {
        if draft.broken {
            continue;
        }
        logs(draft, &drafts.global, &mut diagnostics);
        if draft.proxy.disabled {
            continue;
        }
        proxy(draft, &mut diagnostics);
    }
    drafts.diagnostics.extend(diagnostics);
}

/// Gives every proxy, server and listener without `id` the lowest number that is free.
fn number(drafts: &mut Drafts<'_>) {
    let used: HashSet<u32> = drafts
        .proxies
        .iter()
        .map(|d| d.proxy.numeric_id)
        .filter(|id| *id != 0)
        .collect();
    let mut next = 1;
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

fn fill(id: &mut u32, next: &mut u32, used: &HashSet<u32>) {
    if *id != 0 {
        return;
    }
    while used.contains(next) {
        *next += 1;
    }
    *id = *next;
    *next += 1;
}

fn logs(draft: &mut Draft, global: &Global, diagnostics: &mut Vec<Diagnostic>) {
    if draft.log_global {
        draft.proxy.log_targets = global.log_targets.clone();
    }
    let named = draft.proxy.log_format != LogFormat::Default;
    if named
        && draft.proxy.role.is_frontend()
        && !draft.log_global
        && draft.proxy.log_targets.is_empty()
    {
        diagnostics.push(
            Diagnostic::whole(
                Code::NoLogTarget,
                Some(draft.provenance.section),
                format!(
                    "'{}' sets a log format, but has no log target",
                    draft.proxy.name
                ),
            )
            .help("add 'log global', or 'log ADDRESS FACILITY'"),
        );
    }
}

fn proxy(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let proxy = &draft.proxy;
    let section = Some(draft.provenance.section);
    if proxy.role.is_frontend() && proxy.listeners.is_empty() {
        diagnostics.push(
            Diagnostic::whole(
                Code::NoListener,
                section,
                format!("'{}' has no address to listen on", proxy.name),
            )
            .help("add a line as 'bind :80'"),
        );
    }
    if proxy.mode == Mode::Health {
        return;
    }
    let mut missing = Vec::new();
    let no_backend_used =
        proxy.servers.is_empty() && proxy.dispatch.is_none() && !proxy.options.transparent;
    if proxy.role.is_frontend() && proxy.timeouts.client.is_none() {
        missing.push("client");
    }
    if proxy.role.is_backend() && !no_backend_used {
        if proxy.timeouts.connect.is_none() {
            missing.push("connect");
        }
        if proxy.timeouts.server.is_none() {
            missing.push("server");
        }
    }
    if !missing.is_empty() {
        diagnostics.push(
            Diagnostic::whole(
                Code::MissingTimeouts,
                section,
                format!(
                    "'{}' waits for ever: it has no timeout {}",
                    proxy.name,
                    missing.join(", no timeout ")
                ),
            )
            .help("add lines as 'timeout client 30s' here or in 'defaults'"),
        );
    }
}
