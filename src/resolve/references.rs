//! Names of backends, tables, servers and user lists into indexes.

use std::collections::HashMap;
use std::time::Duration;

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::keyword::nearest;
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Severity, Span, Word};

use super::conditions::{Moment, Reader};
use super::draft::{Draft, Drafts};
use super::tables::Tables;
use crate::plan::{
    CheckMethod, DataType, Fetch, LineAction, MatchMethod, Mode, Pattern, Proxy, ProxyId, ServerId,
    Side, StickRule, Stored, SwitchingRule, SwitchingTarget, Tracked, UseServer,
};

/// What other proxies need to know about one.
struct Known {
    name: String,
    mode: Mode,
    servers: Vec<String>,
    checked: Vec<bool>,
    /// A 404 takes servers out of use.
    disable_on_404: bool,
    has_table: bool,
}

/// Every proxy by name.
struct Index {
    known: Vec<Known>,
    /// By name and side.
    backends: HashMap<String, Vec<ProxyId>>,
    frontends: HashMap<String, ProxyId>,
}

/// Links everything that is named.
pub(super) fn link(drafts: &mut Drafts<'_>) {
    let dialect = drafts.dialect;
    let index = Index::new(&drafts.proxies, dialect);
    let reader = Reader {
        environment: drafts.environment,
        dialect,
    };
    let tables = Tables::new(&drafts.proxies);
    let mut diagnostics = Vec::new();
    for (number, draft) in drafts.proxies.iter_mut().enumerate() {
        let id = ProxyId(u32::try_from(number).unwrap_or(u32::MAX));
        if draft.broken {
            continue;
        }
        let enabled = !draft.proxy.disabled;
        if enabled {
            link_backends(draft, id, &index, &mut diagnostics);
            draft.lists = std::mem::take(&mut drafts.lists);
            draft.lists.late = true;
            link_switching(draft, id, &index, &reader, &mut diagnostics);
            drafts.lists = std::mem::take(&mut draft.lists);
            link_servers(draft, &mut diagnostics);
            link_sticks(draft, id, &index, &mut diagnostics);
        }
        // Once all rules are there: their samples name proxies and tables, too.
        link_proxies(draft, &index, dialect, &mut diagnostics);
        link_acls(
            draft,
            id,
            &index,
            &drafts.userlists,
            dialect,
            &mut diagnostics,
        );
        tables.link(draft, id, &mut diagnostics);
        if enabled {
            link_tracks(draft, id, &index, &mut diagnostics);
        }
    }
    end_tracks(&drafts.proxies, &mut diagnostics);
    store_servers(drafts);
    list_numbers(&drafts.proxies, &mut diagnostics);
    drafts.report_late(diagnostics);
}

/// Tables in which `stick` rules look or remember store servers.
fn store_servers(drafts: &mut Drafts<'_>) {
    let rules = drafts
        .proxies
        .iter()
        .flat_map(|draft| &draft.proxy.persistence.stick);
    let tables: Vec<ProxyId> = rules.map(|rule| rule.table).collect();
    for id in tables {
        let draft = drafts.proxies.get_mut(id.0 as usize);
        if let Some(table) = draft.and_then(|draft| draft.proxy.persistence.table.as_mut()) {
            table.add(Stored {
                data: DataType::ServerId,
                period: Duration::ZERO,
            });
        }
    }
}

/// Servers that track others must come to one that is checked in the end.
fn end_tracks(drafts: &[Draft], diagnostics: &mut Vec<Diagnostic>) {
    let track = |of: Tracked| {
        let servers = &drafts.get(of.proxy.0 as usize)?.proxy.servers;
        servers.get(of.server.0 as usize)?.track
    };
    let count: usize = drafts.iter().map(|d| d.proxy.servers.len()).sum();
    for draft in drafts {
        for (server, spans) in draft.proxy.servers.iter().zip(&draft.server_spans) {
            let mut at = server.track;
            for _ in 0..=count {
                let Some(next) = at.and_then(track) else {
                    at = None;
                    break;
                };
                at = Some(next);
            }
            if at.is_some() {
                diagnostics.push(
                    Diagnostic::whole(
                        Code::UnknownServer,
                        Some(spans.line),
                        format!("the server '{}' tracks itself in the end", server.name),
                    )
                    .help("add 'check' to one of them, and let the others track that"),
                );
            }
        }
    }
}

/// `use-server` names a server of its own section.
fn link_servers(draft: &mut Draft, diagnostics: &mut Vec<Diagnostic>) {
    for (name, condition) in std::mem::take(&mut draft.use_server) {
        let text = name.shown();
        let found = draft.proxy.servers.iter().position(|s| s.name == text);
        match found {
            Some(number) => draft.proxy.use_server.push(UseServer {
                server: ServerId(u32::try_from(number).unwrap_or(u32::MAX)),
                condition,
            }),
            None => diagnostics.push(Diagnostic::whole(
                Code::UnknownServer,
                Some(name.span),
                format!(
                    "'use-server {text}': '{}' has no such server",
                    draft.proxy.name
                ),
            )),
        }
    }
}

impl Index {
    fn new(drafts: &[Draft], dialect: Dialect) -> Self {
        let mut index = Self {
            known: Vec::with_capacity(drafts.len()),
            backends: HashMap::with_capacity(drafts.len()),
            frontends: HashMap::new(),
        };
        for (number, draft) in drafts.iter().enumerate() {
            let id = ProxyId(u32::try_from(number).unwrap_or(u32::MAX));
            let proxy = &draft.proxy;
            if proxy.role.is_backend() {
                index
                    .backends
                    .entry(proxy.name.clone())
                    .or_default()
                    .push(id);
            }
            if proxy.role.is_frontend() {
                index.frontends.entry(proxy.name.clone()).or_insert(id);
            }
            index.known.push(Known {
                name: proxy.name.clone(),
                mode: proxy.mode,
                servers: proxy.servers.iter().map(|s| s.name.clone()).collect(),
                checked: (0..)
                    .zip(&proxy.servers)
                    .map(|(number, server)| {
                        // Since 1.5 one can track a server that tracks another one.
                        let tracks = draft
                            .pending_tracks
                            .iter()
                            .any(|track| track.server == ServerId(number));
                        server.check.is_some() || dialect != Dialect::V1_4 && tracks
                    })
                    .collect(),
                disable_on_404: disables_on_404(proxy),
                has_table: proxy.persistence.table.is_some(),
            });
        }
        index
    }

    fn known(&self, id: ProxyId) -> Option<&Known> {
        self.known.get(id.0 as usize)
    }

    fn backend(&self, name: &str) -> Option<ProxyId> {
        self.backends.get(name).and_then(|ids| ids.first()).copied()
    }

    /// The proxy of that name and side; no name is the proxy that is asked.
    fn named(&self, name: &str, side: Side) -> Option<ProxyId> {
        match side {
            Side::Frontend => self.frontends.get(name).copied(),
            Side::Backend => self.backend(name),
        }
    }

    /// A proxy of either side.
    fn any(&self, name: &str) -> Option<ProxyId> {
        self.backend(name)
            .or_else(|| self.frontends.get(name).copied())
    }

    /// The backend that a rule of a frontend leads to.
    fn target(
        &self,
        own: ProxyId,
        frontend: &str,
        mode: Mode,
        name: &Word,
        keyword: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<ProxyId> {
        let text = name.shown();
        let Some(ids) = self.backends.get(&text) else {
            let diagnostic = Diagnostic::whole(
                Code::UnknownBackend,
                Some(name.span),
                format!("'{keyword}' of '{frontend}' names no backend: '{text}'"),
            );
            diagnostics.push(
                match nearest(&text, self.backends.keys().map(String::as_str)) {
                    Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
                    None => diagnostic.help(format!("add a section 'backend {text}'")),
                },
            );
            return None;
        };
        if ids.len() > 1 {
            diagnostics.push(
                Diagnostic::whole(
                    Code::UnknownBackend,
                    Some(name.span),
                    format!(
                        "'{keyword}' of '{frontend}' names a backend that exists twice: '{text}'"
                    ),
                )
                .help("rename one of them"),
            );
            return None;
        }
        let id = ids.first().copied()?;
        if id == own {
            diagnostics.push(
                Diagnostic::whole(
                    Code::Conflict,
                    Some(name.span),
                    format!("'{keyword}' of '{frontend}' leads back to '{frontend}' itself"),
                )
                .help("name another backend, or delete the line: a section serves what it receives with its own servers"),
            );
            return None;
        }
        let target = self.known(id).map_or(mode, |k| k.mode);
        if target != mode && !(target == Mode::Http && mode == Mode::Tcp) {
            diagnostics.push(
                Diagnostic::whole(
                    Code::ModeMismatch,
                    Some(name.span),
                    format!(
                        "'{frontend}' is {}, but its backend '{text}' is {}",
                        mode_name(mode),
                        mode_name(target)
                    ),
                )
                .help("give both the same mode"),
            );
        }
        Some(id)
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Tcp => "in TCP mode",
        Mode::Http => "in HTTP mode",
        Mode::Health => "in health mode",
    }
}

fn link_backends(
    draft: &mut Draft,
    own: ProxyId,
    index: &Index,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let frontend = draft.proxy.name.clone();
    let mode = draft.proxy.mode;
    let mut find =
        |name: &Word, keyword| index.target(own, &frontend, mode, name, keyword, diagnostics);
    // A backend has no use for it, but the name must exist all the same.
    if let Some(name) = draft.default_backend.take() {
        draft.proxy.default_backend = find(&name, "default_backend");
    }
    for (number, name) in std::mem::take(&mut draft.pending_backends) {
        if mode != Mode::Http {
            // The rules of a TCP proxy are not looked at.
            continue;
        }
        let target = find(&name, "reqsetbe");
        if let (Some(target), Some(rule)) =
            (target, draft.proxy.http_rules.request_lines.get_mut(number))
        {
            rule.action.action = LineAction::SetBackend(target);
        }
    }
}

fn link_switching(
    draft: &mut Draft,
    own: ProxyId,
    index: &Index,
    reader: &Reader<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let (frontend, mode) = (draft.proxy.name.clone(), draft.proxy.mode);
    for rule in std::mem::take(&mut draft.switching) {
        let name = &rule.target;
        let target = match &rule.format {
            None => index
                .target(own, &frontend, mode, name, "use_backend", diagnostics)
                .map(SwitchingTarget::Backend),
            Some(format) => reader
                .format(draft, format, Moment::Switching)
                .map_err(|mistake| diagnostics.push(mistake))
                .ok()
                .map(SwitchingTarget::Named),
        };
        if let Some(target) = target {
            draft.proxy.switching.push(SwitchingRule {
                target,
                condition: rule.condition,
            });
        }
    }
}

fn link_sticks(draft: &mut Draft, own: ProxyId, index: &Index, diagnostics: &mut Vec<Diagnostic>) {
    for rule in std::mem::take(&mut draft.pending_sticks) {
        let (id, name, span) = match &rule.table {
            None => (Some(own), draft.proxy.name.clone(), rule.span),
            Some(word) => (index.any(&word.shown()), word.shown(), word.span),
        };
        let mistake = |message: String| {
            Diagnostic::whole(Code::UnknownTable, Some(span), message)
                .help("add a line as 'stick-table type ip size 200k' to the proxy that is named")
        };
        let Some(id) = id else {
            diagnostics.push(mistake(format!("no proxy '{name}' has a stick table")));
            continue;
        };
        if !index.known(id).is_some_and(|k| k.has_table) {
            diagnostics.push(mistake(format!("'{name}' has no 'stick-table' line")));
            continue;
        }
        draft.proxy.persistence.stick.push(StickRule {
            looks_up: rule.matches,
            stores: rule.stores,
            of_response: rule.of_response,
            key: rule.key,
            table: id,
            condition: rule.condition,
        });
    }
}

/// `http-check disable-on-404`, where checks are such that a 404 can come.
fn disables_on_404(proxy: &Proxy) -> bool {
    proxy.check.disable_on_404 && matches!(proxy.check.method, CheckMethod::Http { .. })
}

fn link_tracks(draft: &mut Draft, own: ProxyId, index: &Index, diagnostics: &mut Vec<Diagnostic>) {
    for track in std::mem::take(&mut draft.pending_tracks) {
        let text = track.target.shown();
        let (proxy, server) = match text.split_once('/') {
            Some((proxy, server)) => (index.backend(proxy), server),
            None => (Some(own), text.as_str()),
        };
        let mistake = |message: String| {
            Diagnostic::whole(Code::UnknownServer, Some(track.target.span), message)
        };
        let Some(proxy) = proxy else {
            diagnostics.push(mistake(format!("'track {text}' names no backend")));
            continue;
        };
        let Some(known) = index.known(proxy) else {
            continue;
        };
        let Some(number) = known.servers.iter().position(|s| s == server) else {
            diagnostics.push(mistake(format!(
                "'track {text}': '{}' has no server '{server}'",
                known.name
            )));
            continue;
        };
        if !known.checked.get(number).copied().unwrap_or(false) {
            diagnostics.push(
                mistake(format!(
                    "'track {text}': that server is not checked, so it has no state to follow"
                ))
                .help("add 'check' to it"),
            );
            continue;
        }
        if known.disable_on_404 != disables_on_404(&draft.proxy) {
            diagnostics.push(
                mistake(format!(
                    "'track {text}': what a 404 means there is not what it means here"
                ))
                .help("write 'http-check disable-on-404' in both sections, or in none"),
            );
            continue;
        }
        if let Some(server) = draft.proxy.servers.get_mut(track.server.0 as usize) {
            server.track = Some(Tracked {
                proxy,
                server: ServerId(u32::try_from(number).unwrap_or(u32::MAX)),
            });
        }
    }
}

/// No two lists of patterns have the same number.
fn list_numbers(proxies: &[Draft], diagnostics: &mut Vec<Diagnostic>) {
    let mut known: HashMap<u32, Span> = HashMap::new();
    for draft in proxies {
        for (acl, span) in draft.proxy.acls.iter().zip(&draft.acl_spans) {
            let Some(number) = acl.written.number else {
                continue;
            };
            if let Some(other) = known.insert(number, *span) {
                let text = format!("another ACL has the number {number} of '-u', too");
                diagnostics.push(
                    Diagnostic::new(Code::BadAcl, *span, text).related(other, "the other one"),
                );
            }
        }
    }
}

/// Later versions name the line of a sample that asks about nothing.
fn placed(mut diagnostic: Diagnostic, dialect: Dialect) -> Diagnostic {
    if dialect != Dialect::V1_4 {
        diagnostic.place = Place::Line;
    }
    diagnostic
}

/// Finds the proxies that samples ask about: `be_conn(app)`, `nbsrv(app)`.
fn link_proxies(
    draft: &mut Draft,
    index: &Index,
    dialect: Dialect,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let role = draft.proxy.role;
    for pending in std::mem::take(&mut draft.pending_proxies) {
        let exists = match (pending.name.is_empty(), pending.side) {
            (true, Side::Frontend) => role.is_frontend(),
            (true, Side::Backend) => role.is_backend(),
            (false, side) => index.named(&pending.name, side).is_some(),
        };
        // 1.4 finds out when the ACL is asked, and then there is no value.
        if exists || dialect == Dialect::V1_4 {
            continue;
        }
        let severity = match dialect {
            Dialect::V1_8 => Severity::Error,
            _ => Severity::Warning,
        };
        let what = if pending.name.is_empty() {
            "this section is not one".to_owned()
        } else {
            format!("there is no '{}'", pending.name)
        };
        let side = match pending.side {
            Side::Frontend => "frontend",
            Side::Backend => "backend",
        };
        diagnostics.push(placed(
            Diagnostic::whole(
                Code::UnknownBackend,
                Some(pending.span),
                format!("this criterion asks about a {side}, and {what}"),
            )
            .severity(severity)
            .help("name it in the parentheses"),
            dialect,
        ));
    }
    draft.proxy.samples_mut(&mut |sample| {
        if let Some((proxy, side)) = sample.fetch.proxy_mut() {
            proxy.id = index.named(&proxy.name, side);
        }
    });
}

fn link_acls(
    draft: &mut Draft,
    own: ProxyId,
    index: &Index,
    userlists: &[crate::plan::Userlist],
    dialect: Dialect,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let placed = |diagnostic| placed(diagnostic, dialect);
    for pending in std::mem::take(&mut draft.pending_acls) {
        let Some(acl) = draft.proxy.acls.get_mut(pending.id.0 as usize) else {
            continue;
        };
        let name = acl.name.clone();
        match &mut acl.sample.fetch {
            Fetch::HttpAuth { userlist } | Fetch::HttpAuthGroup { userlist } => {
                let found = userlists.iter().position(|l| l.name == pending.name);
                let Some(number) = found else {
                    diagnostics.push(placed(
                        userlist_mistake(
                            &name,
                            pending.span,
                            format!("there is no user list '{}'", pending.name),
                        )
                        .help(format!("add a section 'userlist {}'", pending.name)),
                    ));
                    continue;
                };
                userlist.0 = u32::try_from(number).unwrap_or(u32::MAX);
                let groups = userlists.get(number).map_or(&[][..], |l| &l.groups);
                if acl.matching == MatchMethod::Group {
                    for pattern in &acl.patterns {
                        let Pattern::Text(group) = pattern else {
                            continue;
                        };
                        if !groups.iter().any(|g| g.as_bytes() == group.as_bytes()) {
                            diagnostics.push(userlist_mistake(
                                &name,
                                pending.span,
                                format!("the user list '{}' has no group '{group}'", pending.name),
                            ));
                        }
                    }
                }
            }
            fetch => {
                let (proxy, server) = match pending.name.split_once('/') {
                    Some((proxy, server)) => (index.backend(proxy), server),
                    None => (Some(own), pending.name.as_str()),
                };
                let number = proxy
                    .and_then(|id| index.known(id))
                    .and_then(|k| k.servers.iter().position(|s| s == server));
                match (proxy, number) {
                    (Some(proxy), Some(number)) => {
                        *fetch = Fetch::ServerIsUp {
                            proxy,
                            server: ServerId(u32::try_from(number).unwrap_or(u32::MAX)),
                        };
                    }
                    _ => diagnostics.push(placed(Diagnostic::whole(
                        Code::UnknownServer,
                        Some(pending.span),
                        format!(
                            "the ACL '{name}' asks about a server that does not exist: '{}'",
                            pending.name
                        ),
                    ))),
                }
            }
        }
    }
}

fn userlist_mistake(acl: &str, span: Span, message: String) -> Diagnostic {
    Diagnostic::whole(
        Code::UnknownUserlist,
        Some(span),
        format!("ACL '{acl}': {message}"),
    )
}
