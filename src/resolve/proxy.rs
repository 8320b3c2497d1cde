//! `defaults`, `frontend`, `listen` and `backend` sections, statement by statement.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::keyword::Prefix;
use haproxy_cfg_grammar::keywords::errors::{ErrorKind, ErrorStatement};
use haproxy_cfg_grammar::keywords::limits::Limit;
use haproxy_cfg_grammar::keywords::log::LogStatement;
use haproxy_cfg_grammar::keywords::mode;
use haproxy_cfg_grammar::keywords::monitor::Monitor;
use haproxy_cfg_grammar::keywords::option::{Flag, OptionStatement};
use haproxy_cfg_grammar::keywords::timeout::Timer;
use haproxy_cfg_grammar::{
    Code, Diagnostic, Dialect, Document, Line, Section, SectionKind, Span, Statement,
};

use super::conditions::Reader;
use super::draft::{self, Draft, Drafts};
use super::environment::Environment;
use super::{listeners, options, servers};
use crate::plan::{
    Balance, ErrorPage, ErrorPages, ErrorStatus, LogFormat, Mode, ModeOptions, Proxy, ProxyOptions,
    Role, Timeouts,
};

/// What a proxy is when nothing is said.
pub(super) fn built_in(environment: &Environment) -> Draft {
    let proxy = Proxy {
        name: String::new(),
        numeric_id: 0,
        role: Role::Listen,
        mode: Mode::Tcp,
        disabled: false,
        mode_options: ModeOptions::default(),
        options: ProxyOptions::default(),
        timeouts: Timeouts::default(),
        log_targets: Vec::new(),
        log_format: LogFormat::Default,
        error_pages: ErrorPages::default(),
        acls: Vec::new(),
        description: None,
        listeners: Vec::new(),
        maxconn: environment.default_proxy_maxconn.unwrap_or(2000),
        backlog: 0,
        rate_limit_sessions: 0,
        default_backend: None,
        switching: Vec::new(),
        monitor_uri: None,
        monitor_net: None,
        servers: Vec::new(),
        balance: Balance::RoundRobin,
        retries: 3,
        fullconn: 0,
        dispatch: None,
    };
    Draft {
        proxy,
        provenance: super::provenance::ProxyProvenance::default(),
        broken: false,
        default_backend: None,
        switching: Vec::new(),
        log_global: false,
        acl_names: HashMap::new(),
        explicit_id: false,
        mode_set: false,
    }
}

/// A `defaults` section: it forgets the one before it.
pub(super) fn read_defaults(document: &Document, section: &Section, drafts: &mut Drafts<'_>) {
    let mut draft = built_in(drafts.environment);
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
    let mut draft = inherit(&drafts.defaults, role, drafts.environment);
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
        && let Err(diagnostic) = listeners::add(&mut draft, bind, drafts.environment)
    {
        drafts.report(diagnostic);
    }
    lines(document, section, &mut draft, drafts);
    drafts.proxies.push(draft);
}

/// A proxy with what `defaults` gives to its side.
fn inherit(defaults: &Draft, role: Role, environment: &Environment) -> Draft {
    let mut draft = built_in(environment);
    let from = &defaults.proxy;
    let to = &mut draft.proxy;
    to.role = role;
    to.mode = from.mode;
    to.disabled = from.disabled;
    to.mode_options = from.mode_options;
    to.options = from.options.clone();
    to.log_targets = from.log_targets.clone();
    to.log_format = from.log_format;
    to.error_pages = from.error_pages.clone();
    to.timeouts.http_request = from.timeouts.http_request;
    to.timeouts.http_keep_alive = from.timeouts.http_keep_alive;
    to.timeouts.tarpit = from.timeouts.tarpit;
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
        to.retries = from.retries;
        to.fullconn = from.fullconn;
    }
    draft.log_global = defaults.log_global;
    draft.provenance.inherited = Arc::clone(&defaults.provenance.inherited);
    draft
}

fn lines(document: &Document, section: &Section, draft: &mut Draft, drafts: &mut Drafts<'_>) {
    for line in document.body(section) {
        let Some(statement) = &line.statement else {
            continue;
        };
        if let Err(diagnostic) = apply(line, statement, draft, drafts) {
            drafts.report(diagnostic);
        }
    }
}

/// Applies one statement to the proxy.
fn apply(
    line: &Line,
    statement: &Statement,
    draft: &mut Draft,
    drafts: &mut Drafts<'_>,
) -> Result<(), Diagnostic> {
    let span = line.words_span();
    let dialect = drafts.dialect;
    let environment = drafts.environment;
    let conditions = Reader {
        environment,
        dialect,
    };
    match statement {
        Statement::Timeout(timer, value) => {
            let time = (value.0 != 0).then(|| Duration::from_millis(value.0.into()));
            timeout(draft, *timer, time, span);
        }
        Statement::Mode(mode) => {
            draft.proxy.mode = match mode {
                mode::Mode::Tcp => Mode::Tcp,
                mode::Mode::Http => Mode::Http,
                mode::Mode::Health => Mode::Health,
            };
            draft.mode_set = true;
            draft.note("mode", span);
        }
        Statement::Option(option) => apply_option(option, line.prefix, span, draft, dialect),
        Statement::Bind(bind) => listeners::add(draft, bind, environment)?,
        Statement::Server(server) => servers::add(draft, server, span, environment)?,
        Statement::Dispatch(endpoint) => {
            draft.proxy.dispatch = Some(servers::address(endpoint, span, environment)?);
            draft.note("dispatch", span);
        }
        Statement::Log(LogStatement::Global) => {
            draft.log_global = true;
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
            draft.log_global = false;
            draft.proxy.log_targets.clear();
            draft.note("log", span);
        }
        Statement::Balance(balance) => {
            let _ = balance;
            draft.note("balance", span);
        }
        Statement::Limit(limit, value) => apply_limit(*limit, *value, span, draft),
        Statement::DefaultBackend(name) => {
            draft.default_backend = Some(name.clone());
            draft.note("default_backend", span);
        }
        Statement::UseBackend(rule) => {
            let condition = match &rule.condition {
                Some(condition) => Some(conditions.condition(draft, condition)?),
                None => None,
            };
            draft.switching.push((rule.target.clone(), condition));
            draft.provenance.switching.push(span);
        }
        Statement::Acl(acl) => conditions.define(draft, &acl.name, &acl.acl)?,
        Statement::Error(error) => apply_error(error, span, draft, environment)?,
        Statement::Monitor(Monitor::Uri(uri)) => {
            draft.proxy.monitor_uri = Some(uri.clone().into());
            draft.note("monitor-uri", span);
        }
        Statement::Monitor(Monitor::Net(network)) => {
            draft.proxy.monitor_net = Some(draft::network(network, environment, span)?);
            draft.note("monitor-net", span);
        }
        Statement::Disabled(disabled) => {
            draft.proxy.disabled = *disabled;
            draft.note("disabled", span);
        }
        Statement::Description(text) => {
            draft.proxy.description = Some(String::from_utf8_lossy(text).into_owned());
        }
        Statement::Id(id) => {
            draft.proxy.numeric_id = *id;
            draft.explicit_id = true;
            draft.note("id", span);
        }
        _ => {}
    }
    Ok(())
}

fn timeout(draft: &mut Draft, timer: Timer, time: Option<Duration>, span: Span) {
    let timeouts = &mut draft.proxy.timeouts;
    let (field, name) = match timer {
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
    };
    *field = time;
    draft.note(name, span);
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
    dialect: Dialect,
) {
    match option {
        OptionStatement::Flag(flag) => {
            options::apply(&mut draft.proxy, *flag, prefix == Prefix::None, dialect);
            draft.note(flag.name(), span);
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
        }
        OptionStatement::TcpLog => {
            draft.proxy.log_format = LogFormat::Tcp;
            draft.note("log-format", span);
        }
        OptionStatement::HttpLog { clf } => {
            draft.proxy.log_format = if *clf {
                LogFormat::Clf
            } else {
                LogFormat::Http
            };
            draft.note("log-format", span);
        }
        OptionStatement::ForwardFor(_)
        | OptionStatement::OriginalTo(_)
        | OptionStatement::Check(_) => {}
    }
}

fn apply_error(
    error: &ErrorStatement,
    span: Span,
    draft: &mut Draft,
    environment: &Environment,
) -> Result<(), Diagnostic> {
    let bytes = || (&*error.value.bytes).into();
    let page = match error.kind {
        ErrorKind::Location302 => ErrorPage::Location302(bytes()),
        ErrorKind::Location303 => ErrorPage::Location303(bytes()),
        ErrorKind::File => match environment.files.get(&error.value.shown()) {
            Some(Ok(content)) => ErrorPage::File((&**content).into()),
            found => {
                let why = match found {
                    Some(Err(why)) => why.as_str(),
                    _ => "it was not read",
                };
                return Err(Diagnostic::new(
                    Code::CannotRead,
                    error.value.span,
                    format!(
                        "cannot read the error page '{}': {why}",
                        error.value.shown()
                    ),
                ));
            }
        },
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
    draft.note("errorfile", span);
    Ok(())
}
