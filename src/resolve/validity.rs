//! What is checked once every section has been read: names, numbers, addresses, timeouts, and
//! settings that mean nothing in the mode of their proxy.

use std::collections::HashMap;

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::keywords::server::Observe;
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Severity, Span};

use super::draft::{Draft, Drafts};
use super::{http_only, identity};
use crate::plan::{CheckMethod, LogFormat, Mode, Role, TransparentSource};

/// Checks every proxy.
pub(super) fn check(drafts: &mut Drafts<'_>) {
    let mut diagnostics = Vec::new();
    let mut names = Vec::new();
    identity::names(&drafts.proxies, drafts.dialect, &mut names);
    drafts.diagnostics.extend(names);
    identity::ids(&drafts.proxies, drafts.dialect, &mut diagnostics);
    identity::number(drafts);
    let dialect = drafts.dialect;
    for draft in &mut drafts.proxies {
        if draft.broken {
            continue;
        }
        if draft.proxy.disabled {
            logs(draft, dialect, &mut Vec::new());
            continue;
        }
        let known = diagnostics.len();
        listeners(draft, dialect, &mut diagnostics);
        ways(draft, dialect, &mut diagnostics);
        http_only::check(draft, dialect, &mut diagnostics);
        logs(draft, dialect, &mut diagnostics);
        checks(draft, &mut diagnostics);
        timeouts(draft, &mut diagnostics);
        for diagnostic in diagnostics.iter_mut().skip(known) {
            let missing = matches!(
                diagnostic.code,
                Code::NoListener | Code::MissingTimeouts | Code::NoLogTarget
            );
            diagnostic.follows |= missing && draft.mistaken;
        }
        servers(draft, dialect, &mut diagnostics);
        doubles(draft, dialect, &mut diagnostics);
        tunnel(draft, dialect, &mut diagnostics);
        tidy(draft);
    }
    if drafts.stats_settings && drafts.global.stats_sockets.is_empty() && dialect == Dialect::V1_8 {
        diagnostics.push(
            Diagnostic::whole(
                Code::Useless,
                None,
                "settings of the statistics socket mean nothing without a socket",
            )
            .severity(Severity::Warning)
            .help("add 'stats socket PATH' to the global section"),
        );
    }
    drafts.report_late(diagnostics);
}

fn listeners(draft: &mut Draft, dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    let section = draft.provenance.section;
    if draft.proxy.mode == Mode::Health {
        let name = &draft.proxy.name;
        if !draft.proxy.role.is_frontend() {
            diagnostics.push(
                Diagnostic::whole(
                    Code::Conflict,
                    Some(section),
                    format!(
                        "the backend '{name}' cannot be in health mode: nothing connects to it"
                    ),
                )
                .help("write 'mode health' into a 'listen' or 'frontend' section"),
            );
        }
        if !draft.proxy.servers.is_empty() {
            diagnostics.push(
                Diagnostic::whole(
                    Code::Useless,
                    Some(section),
                    format!("the servers of '{name}' are not used: health mode answers by itself"),
                )
                .help("delete the servers, or choose another mode"),
            );
            draft.proxy.servers.clear();
        }
    }

    if draft.proxy.role.is_frontend() && draft.proxy.listeners.is_empty() {
        // Since 1.5 such a section is of no use, and no mistake.
        let severity = match dialect {
            Dialect::V1_8 => Severity::Warning,
            Dialect::V1_4 | Dialect::Hapax => Severity::Error,
        };
        diagnostics.push(
            Diagnostic::whole(
                Code::NoListener,
                Some(draft.provenance.section),
                format!("'{}' has no address to listen on", draft.proxy.name),
            )
            .severity(severity)
            .help("add a line as 'bind :80'"),
        );
    }
}

fn logs(draft: &mut Draft, dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    let proxy = &mut draft.proxy;
    let captures = &proxy.captures;
    let captured = captures.cookie.is_some()
        || !captures.request_headers.is_empty()
        || !captures.response_headers.is_empty();
    // 1.5 to 1.8 do not mind captures that go nowhere.
    let said = proxy.log_format != LogFormat::Default || captured && dialect != Dialect::V1_8;
    let bare = captured && proxy.log_format == LogFormat::Default;
    if bare && dialect == Dialect::V1_4 && proxy.mode == Mode::Http {
        proxy.log_format = LogFormat::Captures;
    }
    if said && proxy.role.is_frontend() && proxy.log_targets.is_empty() {
        diagnostics.push(
            Diagnostic::whole(
                Code::NoLogTarget,
                Some(draft.provenance.section),
                format!(
                    "'{}' says what to log, but not where the lines go",
                    proxy.name
                ),
            )
            .help("add 'log global', or 'log ADDRESS FACILITY'"),
        );
    }
}

/// A request goes to servers in turn, or elsewhere: not both.
fn ways(draft: &mut Draft, dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    let section = Some(draft.provenance.section);
    let proxy = &mut draft.proxy;
    if !proxy.role.is_backend() || proxy.mode == Mode::Health {
        return;
    }
    let name = &proxy.name;
    if proxy.balances && proxy.options.transparent {
        let text = format!("'{name}' has both 'balance' and 'option transparent'");
        diagnostics.push(
            Diagnostic::whole(Code::Conflict, section, text)
                .help("delete one of them, or write 'no option transparent' here"),
        );
    } else if proxy.balances && proxy.dispatch.is_some() {
        let text = format!("nothing goes to the 'dispatch' address of '{name}', which balances");
        diagnostics.push(
            Diagnostic::whole(Code::Useless, section, text)
                .help("delete 'dispatch', or 'balance' here and in 'defaults'"),
        );
    }
    if proxy.dispatch.is_some() && dialect != Dialect::V1_4 {
        proxy.options.transparent = false;
        proxy.options.http_proxy = false;
    }
}

fn checks(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let check = &draft.proxy.check;
    if !check.script.is_empty() && check.method != CheckMethod::Tcp {
        diagnostics.push(
            Diagnostic::whole(
                Code::Useless,
                Some(draft.provenance.section),
                format!(
                    "the 'tcp-check' lines of '{}' have no effect without 'option tcp-check'",
                    draft.proxy.name
                ),
            )
            .help("add 'option tcp-check', or delete the lines"),
        );
    }
    if matches!(check.method, CheckMethod::Http { .. }) {
        return;
    }
    for (set, what) in [
        (check.disable_on_404, "disable-on-404"),
        (check.send_state, "send-state"),
    ] {
        if set {
            diagnostics.push(
                Diagnostic::whole(
                    Code::Useless,
                    Some(draft.provenance.section),
                    format!(
                        "'http-check {what}' of '{}' has no effect without 'option httpchk'",
                        draft.proxy.name
                    ),
                )
                .help("add 'option httpchk', or delete the line"),
            );
        }
    }
}

fn timeouts(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let proxy = &draft.proxy;
    if proxy.mode == Mode::Health {
        return;
    }
    let unused = proxy.servers.is_empty() && proxy.dispatch.is_none() && !proxy.options.transparent;
    let mut missing = Vec::new();
    if proxy.role.is_frontend() && proxy.timeouts.client.is_none() {
        missing.push("client");
    }
    if proxy.role.is_backend() && !unused {
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
                Some(draft.provenance.section),
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

fn servers(draft: &mut Draft, dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    let section = draft.provenance.section;
    let http = draft.proxy.mode == Mode::Http;
    let moving = draft.proxy.servers.iter().zip(&draft.server_spans);
    let moving = moving.into_iter().find(|(s, _)| s.minconn != 0);
    if let Some((server, spans)) = moving
        && draft.proxy.role == Role::Backend
        && draft.proxy.fullconn == 0
        && dialect == Dialect::V1_4
    {
        diagnostics.push(
            Diagnostic::whole(
                Code::MissingArgument,
                Some(spans.line),
                format!(
                    "'minconn' of the server '{}' needs 'fullconn' in the backend",
                    server.name
                ),
            )
            .help("add 'fullconn N': how many connections make the limit reach 'maxconn'"),
        );
    }
    if let Some(stats) = &draft.proxy.stats
        && !stats.http_request.is_empty()
        && (!stats.auth.is_empty() || stats.realm.is_some())
    {
        diagnostics.push(
            Diagnostic::whole(
                Code::Conflict,
                Some(section),
                format!(
                    "'{}' protects its statistics twice: 'stats auth' and 'stats http-request' \
                     exclude each other",
                    draft.proxy.name
                ),
            )
            .help("keep one of them"),
        );
    }
    if http {
        return;
    }
    for (server, spans) in draft.proxy.servers.iter_mut().zip(&draft.server_spans) {
        if server.redir.as_ref().is_some_and(|r| !r.is_empty()) {
            diagnostics.push(Diagnostic::whole(
                Code::Conflict,
                Some(spans.line),
                format!(
                    "the server '{}' cannot redirect: '{}' is not in HTTP mode",
                    server.name, draft.proxy.name
                ),
            ));
        } else if server.cookie.take().is_some() {
            diagnostics.push(Diagnostic::whole(
                Code::IgnoredInMode,
                Some(spans.line),
                format!(
                    "the cookie of the server '{}' means nothing without HTTP mode",
                    server.name
                ),
            ));
        }
        let header = server
            .source
            .as_ref()
            .is_some_and(|s| matches!(s.transparent, Some(TransparentSource::Header { .. })));
        if header {
            diagnostics.push(Diagnostic::whole(
                Code::IgnoredInMode,
                Some(spans.line),
                format!(
                    "the server '{}' cannot take its source from a header without HTTP mode",
                    server.name
                ),
            ));
        }
        let layer7 = server
            .traffic_check
            .is_some_and(|t| t.observe == Observe::Layer7);
        if layer7 {
            server.traffic_check = None;
            let mut diagnostic = Diagnostic::new(
                Code::IgnoredInMode,
                spans.observe.unwrap_or(spans.line),
                format!(
                    "the server '{}' cannot observe layer 7 without HTTP mode",
                    server.name
                ),
            )
            .severity(Severity::Alert);
            diagnostic.place = Place::Line;
            diagnostics.push(diagnostic);
        }
    }
}

/// Two servers of one name: 1.4 says nothing, although cookies and tables cannot tell them apart.
fn doubles(draft: &Draft, dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    if dialect == Dialect::V1_4 {
        return;
    }
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for (server, spans) in draft.proxy.servers.iter().zip(&draft.server_spans) {
        if let Some(first) = seen.insert(&server.name, spans.line) {
            diagnostics.push(
                Diagnostic::new(
                    Code::DuplicateName,
                    spans.line,
                    format!(
                        "'{}' has another server named '{}'",
                        draft.proxy.name, server.name
                    ),
                )
                .related(first, "the other one")
                .help("rename one of them, or give both an 'id'"),
            );
        }
    }
    if draft.proxy.default_backend.is_some() && !draft.proxy.servers.is_empty() {
        diagnostics.push(
            Diagnostic::whole(
                Code::Useless,
                Some(draft.provenance.section),
                format!(
                    "the servers of '{}' are never used: 'default_backend' takes every request",
                    draft.proxy.name
                ),
            )
            .help("delete 'default_backend', or the servers"),
        );
    }
}

/// No mode option at all means something else in 1.4.
fn tunnel(draft: &Draft, dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    let proxy = &draft.proxy;
    if dialect == Dialect::Hapax
        && proxy.role.is_frontend()
        && proxy.mode == Mode::Http
        && proxy.mode_options == crate::plan::ModeOptions::default()
    {
        diagnostics.push(
            Diagnostic::whole(
                Code::TunnelBefore,
                Some(draft.provenance.section),
                format!(
                    "no option says how connections of '{}' go on: they are kept alive, and every \
                     request is processed; HAProxy 1.4 relays everything after the first response \
                     unseen",
                    proxy.name
                ),
            )
            .help("write 'option http-keep-alive' or 'option http-tunnel' to say which is meant"),
        );
    }
}

/// Takes away what a section of this kind cannot use, although it may be written there.
fn tidy(draft: &mut Draft) {
    let proxy = &mut draft.proxy;
    if !proxy.role.is_frontend() {
        proxy.listeners.clear();
        proxy.default_backend = None;
        proxy.switching.clear();
        proxy.monitor_uri = None;
        proxy.monitor_net = None;
        proxy.monitor_fail.clear();
    }
    if !proxy.role.is_backend() {
        proxy.dispatch = None;
        proxy.servers.clear();
    }
}
