//! `defaults`, `frontend`, `listen` and `backend` sections, statement by statement.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::keyword::Prefix;
use haproxy_cfg_grammar::keywords::errors::{ErrorKind, ErrorStatement};
use haproxy_cfg_grammar::keywords::header_rules::Side;
use haproxy_cfg_grammar::keywords::limits::Limit;
use haproxy_cfg_grammar::keywords::log::LogStatement;
use haproxy_cfg_grammar::keywords::mode;
use haproxy_cfg_grammar::keywords::monitor::Monitor;
use haproxy_cfg_grammar::keywords::option::{self, Flag, OptionStatement};
use haproxy_cfg_grammar::keywords::stats::StatsStatement;
use haproxy_cfg_grammar::keywords::timeout::Timer;
use haproxy_cfg_grammar::{
    Code, Diagnostic, Dialect, Document, Line, Section, SectionKind, Severity, Span, Statement,
};

use super::conditions::{Moment, Reader};
use super::draft::{self, Draft, Drafts, PendingSwitch};
use super::environment::Environment;
use super::maps::PatternLists;
use super::rules::{self, Family};
use super::{checks, listeners, options, servers, settings, stats};
use crate::plan::{
    AddressHeader, ErrorPage, ErrorStatus, LogFormat, Mode, PersistRule, Proxy, ProxyId, Role,
    Timeouts,
};

/// What a proxy is when nothing is said.
pub(super) fn built_in(environment: &Environment, role: Role) -> Draft {
    let mut proxy = Proxy::new("", role);
    proxy.maxconn = environment.default_proxy_maxconn.unwrap_or(2000);
    Draft {
        proxy,
        provenance: super::provenance::ProxyProvenance::default(),
        broken: false,
        mistaken: false,
        is_defaults: false,
        default_backend: None,
        switching: Vec::new(),
        use_server: Vec::new(),
        acl_names: HashMap::new(),
        acl_needs: Vec::new(),
        acl_spans: Vec::new(),
        broken_acls: HashSet::new(),
        warnings: Vec::new(),
        families: Vec::new(),
        own_stats: false,
        default_server: Arc::default(),
        server_spans: Vec::new(),
        listener_spans: Vec::new(),
        lists: PatternLists::default(),
        pending_acls: Vec::new(),
        pending_backends: Vec::new(),
        pending_sticks: Vec::new(),
        pending_tracks: Vec::new(),
        pending_tables: Vec::new(),
        pending_proxies: Vec::new(),
    }
}

/// A `defaults` section: it forgets the one before it.
pub(super) fn read_defaults(document: &Document, section: &Section, drafts: &mut Drafts<'_>) {
    let mut draft = built_in(drafts.environment, Role::Listen);
    draft.is_defaults = true;
    lines(document, section, &mut draft, drafts);
    draft.provenance.inherited = Arc::new(std::mem::take(&mut draft.provenance.own));
    drafts.defaults = draft;
}

/// A section that is a proxy.
pub(super) fn read(document: &Document, section: &Section, drafts: &mut Drafts<'_>) {
    let role = match section.kind {
        SectionKind::Frontend => Role::Frontend,
        SectionKind::Backend => Role::Backend,
        _ => Role::Listen,
    };
    let mut draft = inherit(&drafts.defaults, role, drafts.environment, drafts.dialect);
    draft.broken = section.broken;
    draft.proxy.name = section
        .name
        .as_ref()
        .map(haproxy_cfg_grammar::Word::shown)
        .unwrap_or_default();
    if let Some(line) = document.header_line(section) {
        draft.provenance.section = line.words_span();
    }
    if let Some(Statement::Bind(bind)) = &section.header
        && let Err(diagnostic) = listeners::add(
            &mut draft,
            bind,
            &drafts.unix,
            drafts.environment,
            drafts.dialect,
        )
    {
        drafts.report(diagnostic);
    }
    lines(document, section, &mut draft, drafts);
    drafts.proxies.push(draft);
}

/// A proxy with what `defaults` gives to its side.
fn inherit(defaults: &Draft, role: Role, environment: &Environment, dialect: Dialect) -> Draft {
    let mut draft = built_in(environment, role);
    let from = &defaults.proxy;
    let to = &mut draft.proxy;
    to.mode = from.mode;
    to.disabled = from.disabled;
    to.mode_options = from.mode_options;
    to.options = from.options.clone();
    to.log_targets = from.log_targets.clone();
    to.log_format = from.log_format;
    to.error_pages = from.error_pages.clone();
    to.forwarded_for = from.forwarded_for.clone();
    to.original_to = from.original_to.clone();
    to.bind_process = from.bind_process;
    to.grace = from.grace;
    to.timeouts.http_request = from.timeouts.http_request;
    to.timeouts.http_keep_alive = from.timeouts.http_keep_alive;
    to.timeouts.tarpit = from.timeouts.tarpit;
    // In 1.4 a backend has the page that its own section describes, or none.
    if role.is_frontend() || dialect != Dialect::V1_4 {
        to.stats = from.stats.clone();
    }
    if role.is_frontend() {
        to.timeouts.client = from.timeouts.client;
        to.timeouts.client_fin = from.timeouts.client_fin;
        to.maxconn = from.maxconn;
        to.backlog = from.backlog;
        to.rate_limit_sessions = from.rate_limit_sessions;
        to.monitor_uri = from.monitor_uri.clone();
        to.monitor_net = from.monitor_net;
        draft.default_backend = defaults.default_backend.clone();
    }
    if role.is_backend() {
        to.timeouts.server = from.timeouts.server;
        to.timeouts.server_fin = from.timeouts.server_fin;
        to.timeouts.connect = from.timeouts.connect;
        to.timeouts.queue = from.timeouts.queue;
        to.timeouts.check = from.timeouts.check;
        to.timeouts.tunnel = from.timeouts.tunnel;
        to.balance = from.balance.clone();
        to.balances = from.balances;
        to.retries = from.retries;
        to.fullconn = from.fullconn;
        to.hash_type = from.hash_type;
        to.source = from.source.clone();
        to.check = from.check.clone();
        to.send_name_header = from.send_name_header.clone();
        to.http_reuse = from.http_reuse;
        to.persistence.cookie = from.persistence.cookie.clone();
        to.persistence.rdp_cookie = from.persistence.rdp_cookie.clone();
        draft.default_server = Arc::clone(&defaults.default_server);
    }
    draft.mistaken = defaults.mistaken;
    draft.provenance.inherited = Arc::clone(&defaults.provenance.inherited);
    draft
}

fn lines(document: &Document, section: &Section, draft: &mut Draft, drafts: &mut Drafts<'_>) {
    draft.lists = std::mem::take(&mut drafts.lists);
    draft.lists.proxy = ProxyId(u32::try_from(drafts.proxies.len()).unwrap_or(u32::MAX));
    for line in document.body(section) {
        let Some(statement) = &line.statement else {
            draft.mistaken |= !line.words.is_empty();
            continue;
        };
        let reader = Reader {
            environment: drafts.environment,
            dialect: drafts.dialect,
        };
        if let Err(diagnostic) = apply(line, statement, draft, drafts, &reader) {
            draft.mistaken = true;
            if let Statement::Acl(acl) = statement {
                draft.broken_acls.insert(acl.name.shown());
            }
            drafts.report(if stops(statement) {
                diagnostic.stops()
            } else {
                diagnostic
            });
        }
        drafts.diagnostics.append(&mut draft.warnings);
    }
    drafts.lists = std::mem::take(&mut draft.lists);
}

/// Whether HAProxy reads no further after a mistake in such a rule.
fn stops(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::HttpRequest(_) | Statement::Stats(StatsStatement::HttpRequest(_))
    )
}

/// Applies one statement to the proxy.
fn apply(
    line: &Line,
    statement: &Statement,
    draft: &mut Draft,
    drafts: &mut Drafts<'_>,
    reader: &Reader<'_>,
) -> Result<(), Diagnostic> {
    let span = line.words_span();
    let dialect = drafts.dialect;
    let environment = drafts.environment;
    match statement {
        Statement::Timeout(timer, value) => {
            let time = (value.0 != 0).then(|| Duration::from_millis(value.0.into()));
            let built_in = *timeout(&mut drafts.defaults.proxy.timeouts, *timer).0;
            let (field, name) = timeout(&mut draft.proxy.timeouts, *timer);
            // HAProxy only notices a value that is not the one of 'defaults'.
            let noticed = *field != built_in;
            *field = time;
            draft.note(name, span);
            if noticed {
                twice(draft, name, draft.is_defaults, drafts);
            }
        }
        Statement::Mode(mode) => {
            draft.proxy.mode = match mode {
                mode::Mode::Tcp => Mode::Tcp,
                mode::Mode::Http => Mode::Http,
                mode::Mode::Health => Mode::Health,
            };
            draft.note("mode", span);
        }
        Statement::Option(option) => {
            apply_option(option, line.prefix, span, draft, drafts)?;
        }
        Statement::Bind(bind) => listeners::add(draft, bind, &drafts.unix, environment, dialect)?,
        Statement::Server(server) => servers::add(draft, server, span, environment, dialect)?,
        Statement::ServerTemplate(template) => {
            servers::add_template(draft, template, span, environment, dialect)?;
        }
        Statement::DefaultServer(settings) => {
            servers::merge(Arc::make_mut(&mut draft.default_server), settings);
            draft.note("default-server", span);
        }
        Statement::Dispatch(endpoint) => {
            draft.proxy.dispatch = Some(servers::address(endpoint, span, environment)?);
            draft.note("dispatch", span);
        }
        Statement::Source(source) => {
            draft.proxy.source = Some(servers::source(source, environment)?);
            draft.note("source", span);
        }
        Statement::Log(LogStatement::Global) => {
            // 1.4 replaces what there was, later versions add to it.
            if dialect == Dialect::V1_4 {
                draft.proxy.log_targets.clear();
            }
            let targets = drafts.global.log_targets.iter().cloned();
            draft.proxy.log_targets.extend(targets);
            draft.note("log", span);
        }
        Statement::Log(LogStatement::Target(target)) => {
            if draft.proxy.log_targets.len() >= 2 && dialect == Dialect::V1_4 {
                return Err(Diagnostic::new(
                    Code::Conflict,
                    span,
                    "HAProxy 1.4 takes two log targets at most",
                ));
            }
            let target = draft::log_target(target, environment)?;
            draft.proxy.log_targets.push(target);
            draft.note("log", span);
        }
        Statement::NoLog => {
            draft.proxy.log_targets.clear();
            draft.note("log", span);
        }
        Statement::Limit(limit, value) => {
            apply_limit(*limit, *value, span, draft);
            if *limit == Limit::RateLimitSessions {
                twice(draft, "rate-limit sessions", draft.is_defaults, drafts);
            }
        }
        Statement::Error(error) => apply_error(error, span, draft, drafts)?,
        Statement::Disabled(disabled) => {
            draft.proxy.disabled = *disabled;
            draft.note("disabled", span);
        }
        Statement::Description(text) => {
            draft.proxy.description = Some(String::from_utf8_lossy(text).into_owned());
            draft.note("description", span);
        }
        Statement::Id(id) => {
            draft.proxy.numeric_id = *id;
            draft.note("id", span);
        }
        Statement::BindProcess { set, highest } => {
            if dialect == Dialect::V1_8 {
                let warning = processes(*set, &draft.proxy.name, &drafts.global, span);
                drafts.diagnostics.extend(warning);
            }
            // Without 'nbproc' above it, 1.4 complains about any number.
            let count = drafts.global.workers.map_or(0, u32::from);
            if *highest > count && dialect == Dialect::V1_4 {
                drafts.report(
                    Diagnostic::new(
                        Code::Useless,
                        span,
                        format!("no 'nbproc' above this line is as high as {highest}"),
                    )
                    .severity(Severity::Warning)
                    .help("raise 'nbproc' in the global section, above this line"),
                );
            }
            draft.proxy.bind_process = *set;
            draft.note("bind-process", span);
        }
        Statement::Grace(time) => {
            draft.proxy.grace = Some(Duration::from_millis(time.0.into()));
            draft.note("grace", span);
        }
        Statement::Stats(statement) => {
            let described = drafts.global.description.is_some();
            stats::apply(statement, span, draft, reader, described)?;
        }
        _ => apply_rule(statement, span, draft, drafts, reader)
            .and_then(|()| settings::apply(statement, span, draft, drafts))?,
    }
    Ok(())
}

/// Statements that are rules, in a list of their own.
fn apply_rule(
    statement: &Statement,
    span: Span,
    draft: &mut Draft,
    drafts: &mut Drafts<'_>,
    reader: &Reader<'_>,
) -> Result<(), Diagnostic> {
    let family = match statement {
        Statement::UseServer(rule) => {
            let condition = reader.required(draft, &rule.condition, Moment::Unchecked)?;
            draft.use_server.push((rule.server.clone(), condition));
            Family::UseServer
        }
        Statement::UseBackend(rule) => {
            let condition = reader.optional(draft, rule.condition.as_ref(), Moment::Switching)?;
            draft.switching.push(PendingSwitch {
                target: rule.target.clone(),
                format: rule.format.clone(),
                condition,
            });
            draft.provenance.switching.push(span);
            Family::UseBackend
        }
        Statement::Block(condition) => {
            let condition = reader.required(draft, condition, Moment::Unchecked)?;
            draft.proxy.http_rules.block.push(condition);
            Family::Block
        }
        Statement::HttpRequest(rule) => {
            let rule = reader.http_request(draft, rule)?;
            draft.proxy.http_rules.http_request.push(rule);
            Family::HttpRequest
        }
        Statement::HeaderEdit(rule) => {
            if !reader.header_edit(draft, rule)? {
                return Ok(());
            }
            Family::HttpRequest
        }
        Statement::Redirect(rule) => {
            reader.redirect(draft, rule)?;
            Family::Redirect
        }
        Statement::LineRule(rule) => {
            reader.line_rule(draft, rule)?;
            if rule.side == Side::Response {
                return Ok(());
            }
            Family::RequestLines
        }
        Statement::AddLine(rule) => {
            reader.add_line(draft, rule)?;
            if rule.side == Side::Response {
                return Ok(());
            }
            Family::RequestAdditions
        }
        Statement::TcpRequest(rule) => reader.tcp_request(draft, rule)?,
        Statement::Tracking(rule) => match reader.tracking(draft, rule)? {
            Some(family) => family,
            None => return Ok(()),
        },
        Statement::Acl(acl) => return reader.define(draft, &acl.name, &acl.acl),
        Statement::Stick(rule) => return reader.stick(draft, rule),
        Statement::ForcePersist(condition) | Statement::IgnorePersist(condition) => {
            let condition = reader.required(draft, condition, Moment::Request)?;
            draft.proxy.persistence.overrides.push(PersistRule {
                force: matches!(statement, Statement::ForcePersist(_)),
                condition,
            });
            return Ok(());
        }
        Statement::Monitor(Monitor::Fail(condition)) => {
            let condition = reader.required(draft, condition, Moment::Unchecked)?;
            draft.proxy.monitor_fail.push(condition);
            return Ok(());
        }
        _ => return Ok(()),
    };
    if let Some(warning) = rules::order(draft, family, span, drafts.dialect) {
        drafts.report(warning);
    }
    Ok(())
}

/// The warning of 1.5 to 1.8 about processes none of which exists.
fn processes(
    set: u64,
    proxy: &str,
    global: &crate::plan::Global,
    span: Span,
) -> Option<Diagnostic> {
    let count = global.workers.map_or(1, u32::from).clamp(1, 64);
    let present = u64::MAX >> (64 - count);
    (set != 0 && set & present == 0).then(|| {
        Diagnostic::whole(
            Code::Useless,
            Some(span),
            format!("'{proxy}' is bound to processes that do not exist: there are {count}"),
        )
        .help("raise 'nbproc' in the global section, or delete the line")
    })
}

/// The warning about a setting that this section has twice.
fn twice(draft: &Draft, name: &str, defaults: bool, drafts: &mut Drafts<'_>) {
    // HAProxy says nothing about it in 'defaults'.
    let severity = if defaults {
        Severity::Notice
    } else {
        Severity::Warning
    };
    let mut own = draft.provenance.own.iter().filter(|(n, _)| *n == name);
    if let (Some((_, first)), Some((_, last))) = (own.next(), own.next_back()) {
        drafts.report(
            Diagnostic::new(
                Code::AlreadyDefined,
                *last,
                format!("'{name}' stands in this section twice; this line counts"),
            )
            .severity(severity)
            .related(*first, "the other one")
            .help("delete one of them"),
        );
    }
}

/// A timeout by its timer, and its name.
fn timeout(timeouts: &mut Timeouts, timer: Timer) -> (&mut Option<Duration>, &'static str) {
    match timer {
        Timer::Client => (&mut timeouts.client, "timeout client"),
        Timer::Server => (&mut timeouts.server, "timeout server"),
        Timer::Connect => (&mut timeouts.connect, "timeout connect"),
        Timer::Queue => (&mut timeouts.queue, "timeout queue"),
        Timer::Check => (&mut timeouts.check, "timeout check"),
        Timer::Tarpit => (&mut timeouts.tarpit, "timeout tarpit"),
        Timer::HttpRequest => (&mut timeouts.http_request, "timeout http-request"),
        Timer::HttpKeepAlive => (&mut timeouts.http_keep_alive, "timeout http-keep-alive"),
        Timer::Tunnel => (&mut timeouts.tunnel, "timeout tunnel"),
        Timer::ClientFin => (&mut timeouts.client_fin, "timeout client-fin"),
        Timer::ServerFin => (&mut timeouts.server_fin, "timeout server-fin"),
    }
}

fn apply_limit(limit: Limit, value: u32, span: Span, draft: &mut Draft) {
    let proxy = &mut draft.proxy;
    let (field, name) = match limit {
        Limit::Maxconn => (&mut proxy.maxconn, "maxconn"),
        Limit::Backlog => (&mut proxy.backlog, "backlog"),
        Limit::RateLimitSessions => (&mut proxy.rate_limit_sessions, "rate-limit sessions"),
        Limit::Retries => (&mut proxy.retries, "retries"),
        Limit::Fullconn => (&mut proxy.fullconn, "fullconn"),
    };
    *field = value;
    draft.note(name, span);
}

fn apply_option(
    option: &OptionStatement,
    prefix: Prefix,
    span: Span,
    draft: &mut Draft,
    drafts: &Drafts<'_>,
) -> Result<(), Diagnostic> {
    let dialect = drafts.dialect;
    let name = match option {
        OptionStatement::Flag(flag) => {
            options::apply(&mut draft.proxy, *flag, prefix == Prefix::None, dialect);
            flag.name()
        }
        OptionStatement::TcpKeepAlive => {
            if draft.proxy.role.is_frontend() {
                options::apply(&mut draft.proxy, Flag::Clitcpka, true, dialect);
                draft.note(Flag::Clitcpka.name(), span);
            }
            if draft.proxy.role.is_backend() {
                options::apply(&mut draft.proxy, Flag::Srvtcpka, true, dialect);
                draft.note(Flag::Srvtcpka.name(), span);
            }
            return Ok(());
        }
        OptionStatement::TcpLog => {
            // In 1.4 it adds to what is logged, and takes nothing away.
            let http = matches!(draft.proxy.log_format, LogFormat::Http | LogFormat::Clf);
            if dialect != Dialect::V1_4 || !http {
                draft.proxy.log_format = LogFormat::Tcp;
            }
            "log format"
        }
        OptionStatement::HttpLog { clf } => {
            draft.proxy.log_format = if *clf {
                LogFormat::Clf
            } else {
                LogFormat::Http
            };
            "log format"
        }
        OptionStatement::ForwardFor(header) => {
            let header = address_header(header, "X-Forwarded-For", span, drafts)?;
            draft.proxy.forwarded_for = Some(header);
            "forwardfor"
        }
        OptionStatement::OriginalTo(header) => {
            let header = address_header(header, "X-Original-To", span, drafts)?;
            draft.proxy.original_to = Some(header);
            "originalto"
        }
        OptionStatement::Check(check) => {
            draft.proxy.check.method = checks::method(check);
            "check method"
        }
    };
    draft.note(name, span);
    Ok(())
}

fn address_header(
    header: &option::AddressHeader,
    name: &str,
    span: Span,
    drafts: &Drafts<'_>,
) -> Result<AddressHeader, Diagnostic> {
    Ok(AddressHeader {
        header: header
            .header
            .as_ref()
            .map_or_else(|| name.into(), rules::bytes),
        except: header
            .except
            .as_ref()
            .map(|network| draft::network(network, drafts.environment, span))
            .transpose()?,
        if_none: header.if_none,
    })
}

fn apply_error(
    error: &ErrorStatement,
    span: Span,
    draft: &mut Draft,
    drafts: &mut Drafts<'_>,
) -> Result<(), Diagnostic> {
    let page = match error.kind {
        ErrorKind::Location302 => ErrorPage::Location302(rules::bytes(&error.value)),
        ErrorKind::Location303 => ErrorPage::Location303(rules::bytes(&error.value)),
        ErrorKind::File => {
            let content = draft::file(&error.value, "the error page", drafts.environment)?;
            let limit = drafts.global.tune.bufsize as usize;
            let kept = content.get(..limit).unwrap_or(content);
            if kept.len() < content.len() {
                drafts.report(
                    Diagnostic::new(
                        Code::Useless,
                        error.value.span,
                        format!(
                            "'{}' is larger than a buffer; only its first {limit} bytes are sent",
                            error.value.shown()
                        ),
                    )
                    .help("make the page smaller, or tune.bufsize larger"),
                );
            }
            ErrorPage::File(kept.into())
        }
    };
    let status = match error.status {
        200 => ErrorStatus::S200,
        400 => ErrorStatus::S400,
        403 => ErrorStatus::S403,
        408 => ErrorStatus::S408,
        500 => ErrorStatus::S500,
        502 => ErrorStatus::S502,
        503 => ErrorStatus::S503,
        504 => ErrorStatus::S504,
        _ => return Ok(()),
    };
    let pages = &mut draft.proxy.error_pages.pages;
    pages.retain(|(s, _)| *s != status);
    pages.push((status, page));
    draft.note("error page", span);
    Ok(())
}
