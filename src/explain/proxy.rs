//! One proxy: its values, its servers, and its rules in the order in which they run.

use std::borrow::Cow;

use serde::Serialize;

use super::condition::sample_text;
use super::condition::{acl_text, condition};
use super::{Context, Source, Value, time};
use crate::plan::{
    Change, Condition, FormatPart, FormatString, HeaderEdit, HttpRequestAction, HttpResponseAction,
    LineAction, LineRule, ListenAddress, Plan, Proxy, ProxyId, Role, Rule, ServerPort,
    SwitchingTarget, TcpAction, TrackingAction,
};

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProxyExplanation {
    /// Its name.
    pub name: String,
    /// `frontend`, `listen` or `backend`.
    pub role: Role,
    /// Its section line.
    pub place: String,
    /// Its effective values.
    pub settings: Vec<Value>,
    /// Its servers.
    pub servers: Vec<ServerExplanation>,
    /// Its ACLs by name.
    pub acls: Vec<Value>,
    /// Its rules, in the order in which they run.
    pub rules: Vec<RuleExplanation>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerExplanation {
    /// Its name.
    pub name: String,
    /// Its line.
    pub place: String,
    /// Its effective values.
    pub settings: Vec<(String, String)>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleExplanation {
    /// The keyword that it was written with.
    pub family: Cow<'static, str>,
    /// What it does, and when.
    pub text: String,
}

/// The values of the global section.
pub(super) fn global(context: &Context<'_>) -> Vec<Value> {
    let global = &context.plan.global;
    let origin = |name: &str| {
        let lines = &context.provenance.global;
        match lines.iter().rev().find(|(n, _)| *n == name) {
            Some((_, span)) => Source::Line(context.place(*span)),
            None => Source::BuiltIn,
        }
    };
    let value = |name: &str, value: String| Value {
        name: name.to_owned(),
        value,
        origin: origin(name),
    };
    let workers = global
        .workers
        .map_or_else(|| "one for each core".to_owned(), |n| n.to_string());
    let mut values = vec![
        value("maxconn", global.maxconn.to_string()),
        value("nbproc", workers),
        value("tune.bufsize", global.tune.bufsize.to_string()),
        value("tune.maxrewrite", global.tune.maxrewrite.to_string()),
        value("spread-checks", global.spread_checks.to_string()),
    ];
    let paths = [("chroot", &global.chroot), ("pidfile", &global.pidfile)];
    for (name, path) in paths {
        if let Some(path) = path {
            values.push(value(name, path.display().to_string()));
        }
    }
    for (name, id) in [("user", global.uid), ("group", global.gid)] {
        if let Some(id) = id {
            values.push(value(name, id.to_string()));
        }
    }
    values
}

/// Explains one proxy.
pub(super) fn explain(context: &Context<'_>, id: ProxyId) -> ProxyExplanation {
    let proxy = context.plan.proxy(id);
    let provenance = context.provenance.proxies.get(id.0 as usize);
    let place = provenance.map_or_else(String::new, |p| context.place(p.section));
    let servers = proxy
        .servers
        .iter()
        .enumerate()
        .map(|(n, server)| ServerExplanation {
            name: server.name.clone(),
            place: provenance
                .and_then(|p| p.servers.get(n))
                .map_or_else(String::new, |span| context.place(*span)),
            settings: server_settings(server),
        })
        .collect();
    let acls = proxy
        .acls
        .iter()
        .filter(|acl| !acl.name.is_empty())
        .map(|acl| Value {
            name: acl.name.clone(),
            value: acl_text(acl),
            origin: Source::BuiltIn,
        })
        .collect();
    ProxyExplanation {
        name: proxy.name.clone(),
        role: proxy.role,
        place,
        settings: settings(context, id, proxy),
        servers,
        acls,
        rules: rules(context.plan, proxy),
    }
}

fn settings(context: &Context<'_>, id: ProxyId, proxy: &Proxy) -> Vec<Value> {
    let mut values = Vec::new();
    let mut listeners = Vec::new();
    let mut push = |name: &str, value: String| {
        values.push(Value {
            name: name.to_owned(),
            value,
            origin: context.origin(id, name),
        });
    };
    push("mode", lower(&proxy.mode));
    push("id", proxy.numeric_id.to_string());
    if proxy.disabled {
        push("disabled", "yes".to_owned());
    }
    if proxy.role.is_frontend() {
        for (n, listener) in proxy.listeners.iter().enumerate() {
            let address = match &listener.address {
                ListenAddress::Tcp { ip, port } => {
                    std::net::SocketAddr::new(*ip, *port).to_string()
                }
                ListenAddress::Unix(socket) => socket.to_string(),
            };
            let span = context
                .provenance
                .proxies
                .get(id.0 as usize)
                .and_then(|p| p.listeners.get(n));
            listeners.push(Value {
                name: "bind".to_owned(),
                value: address,
                origin: span.map_or(Source::BuiltIn, |s| Source::Line(context.place(*s))),
            });
        }
        push("maxconn", proxy.maxconn.to_string());
        push("timeout client", time(proxy.timeouts.client));
        if let Some(backend) = proxy.default_backend {
            push("default_backend", context.plan.proxy(backend).name.clone());
        }
        if let Some(uri) = &proxy.monitor_uri {
            push("monitor-uri", uri.to_string());
        }
    }
    if proxy.role.is_backend() {
        push("balance", lower(&proxy.balance));
        push("retries", proxy.retries.to_string());
        push("timeout connect", time(proxy.timeouts.connect));
        push("timeout server", time(proxy.timeouts.server));
        if let Some(cookie) = &proxy.persistence.cookie {
            push("cookie", format!("{} {}", cookie.name, lower(&cookie.mode)));
        }
    }
    push("log format", lower(&proxy.log_format));
    push("log", format!("{} targets", proxy.log_targets.len()));
    for option in options(proxy) {
        push(&option, "on".to_owned());
    }
    values.splice(0..0, listeners);
    values
}

/// The on/off options that are on, by name.
fn options(proxy: &Proxy) -> Vec<String> {
    let mut names = Vec::new();
    for group in [
        serde_json::to_value(&proxy.options),
        serde_json::to_value(proxy.mode_options),
    ] {
        let Ok(serde_json::Value::Object(map)) = group else {
            continue;
        };
        names.extend(
            map.into_iter()
                .filter(|(_, on)| *on == serde_json::Value::Bool(true))
                .map(|(name, _)| match name.as_str() {
                    "http_proxy" => name,
                    _ => name.replace('_', "-"),
                }),
        );
    }
    names
}

/// A value of the plan as its serialised name.
fn lower(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn server_settings(server: &crate::plan::Server) -> Vec<(String, String)> {
    let ip = server.address.ip.map_or_else(
        || "the client's destination".to_owned(),
        |ip| ip.to_string(),
    );
    let port = match server.address.port {
        ServerPort::Fixed(port) => port.to_string(),
        ServerPort::Mapped(0) => "the client's port".to_owned(),
        ServerPort::Mapped(offset) => format!("the client's port {offset:+}"),
    };
    let mut settings = vec![
        ("address".to_owned(), ip),
        ("port".to_owned(), port),
        ("weight".to_owned(), server.weight.to_string()),
    ];
    let mut flag = |name: &str, on: bool| {
        if on {
            settings.push((name.to_owned(), "yes".to_owned()));
        }
    };
    flag("backup", server.backup);
    flag("disabled", server.disabled);
    if server.maxconn != 0 {
        settings.push(("maxconn".to_owned(), server.maxconn.to_string()));
    }
    if let Some(cookie) = &server.cookie {
        settings.push(("cookie".to_owned(), cookie.to_string()));
    }
    if let Some(check) = &server.check {
        settings.push((
            "check".to_owned(),
            format!(
                "port {}, every {}, up after {}, down after {}",
                check.port,
                time(Some(check.inter)),
                check.rise,
                check.fall
            ),
        ));
    }
    settings
}

/// An edit of headers as it stands in a file.
fn header_edit(edit: &HeaderEdit) -> String {
    let value = format_text(&edit.value);
    format!("{}-header {} {value}", lower(&edit.edit), edit.name)
        .replacen("delete", "del", 1)
        .trim_end()
        .to_owned()
}

/// A format string as it stands in a file.
fn format_text(format: &FormatString) -> String {
    let parts = format.parts.iter().map(|part| match part {
        FormatPart::Literal(text) => text.to_string().replace('%', "%%"),
        FormatPart::Sample(sample) => format!("%[{}]", sample_text(sample)),
    });
    parts.collect()
}

/// A rule that counts, in words that could stand in a file.
fn tracking(plan: &Plan, action: &TrackingAction) -> String {
    match action {
        TrackingAction::Track(track) => {
            let table = track.table.id.map(|id| &plan.proxy(id).name);
            format!(
                "track-sc{} {} table {}",
                track.counter,
                sample_text(&track.key),
                table.map_or("?", String::as_str)
            )
        }
        TrackingAction::Change { counter, change } => match change {
            Change::IncGpc0 => format!("sc-inc-gpc0({counter})"),
            Change::SetGpt0(value) => format!("sc-set-gpt0({counter}) {value}"),
        },
    }
}

/// The rules of a proxy in the order in which they run, which is not that of the file.
pub(super) fn rules(plan: &Plan, proxy: &Proxy) -> Vec<RuleExplanation> {
    let mut rules = Vec::new();
    let when = |c: Option<&Condition>| match c {
        Some(c) => format!(" {}", condition(c, &proxy.acls)),
        None => String::new(),
    };
    let tcp = &proxy.tcp_rules;
    for (family, list) in [
        ("tcp-request connection", &tcp.connection),
        ("tcp-request session", &tcp.session),
        ("tcp-request content", &tcp.content),
    ] {
        for rule in list {
            let action = match &rule.action {
                TcpAction::Accept => "accept".to_owned(),
                TcpAction::Reject => "reject".to_owned(),
                TcpAction::Tracking(action) => tracking(plan, action),
            };
            let text = format!("{action}{}", when(rule.condition.as_ref()));
            push(&mut rules, family, text);
        }
    }
    for block in &proxy.http_rules.block {
        push(&mut rules, "block", condition(block, &proxy.acls));
    }
    for rule in &proxy.http_rules.http_request {
        let action = match &rule.action {
            HttpRequestAction::Allow => "allow".to_owned(),
            HttpRequestAction::Deny => "deny".to_owned(),
            HttpRequestAction::Edit(edit) => header_edit(edit),
            HttpRequestAction::Tracking(action) => tracking(plan, action),
            HttpRequestAction::Auth { realm: None } => "auth".to_owned(),
            HttpRequestAction::Auth { realm: Some(realm) } => format!("auth realm {realm}"),
        };
        push(
            &mut rules,
            "http-request",
            format!("{action}{}", when(rule.condition.as_ref())),
        );
    }
    let line = |side: &str, rule: &Rule<LineRule>| {
        let r = &rule.action;
        let (action, argument) = match &r.action {
            LineAction::Allow => ("allow", String::new()),
            LineAction::Deny => ("deny", String::new()),
            LineAction::Delete => ("del", String::new()),
            LineAction::Pass => ("pass", String::new()),
            LineAction::Replace(with) => ("rep", format!(" {with}")),
            LineAction::Tarpit => ("tarpit", String::new()),
            LineAction::SetBackend(id) => ("setbe", format!(" {}", plan.proxy(*id).name)),
        };
        let case = if r.ignore_case { "i" } else { "" };
        RuleExplanation {
            family: format!("{side}{case}{action}").into(),
            text: format!("{}{argument}{}", r.pattern, when(rule.condition.as_ref())),
        }
    };
    for rule in &proxy.http_rules.request_lines {
        rules.push(line("req", rule));
    }
    for rule in &proxy.http_rules.request_additions {
        push(
            &mut rules,
            "reqadd",
            format!("{}{}", rule.action, when(rule.condition.as_ref())),
        );
    }
    for rule in &proxy.http_rules.redirects {
        let r = &rule.action;
        push(
            &mut rules,
            "redirect",
            format!(
                "{} {} code {}{}",
                lower(&r.kind),
                r.value,
                r.code,
                when(rule.condition.as_ref())
            ),
        );
    }
    for rule in &proxy.switching {
        let target = match &rule.target {
            SwitchingTarget::Backend(id) => plan.proxy(*id).name.clone(),
            SwitchingTarget::Named(format) => format_text(format),
        };
        push(
            &mut rules,
            "use_backend",
            format!("{target}{}", when(rule.condition.as_ref())),
        );
    }
    for rule in &proxy.http_rules.http_response {
        push(
            &mut rules,
            "http-response",
            format!(
                "{}{}",
                match &rule.action {
                    HttpResponseAction::Edit(edit) => header_edit(edit),
                    HttpResponseAction::Tracking(action) => tracking(plan, action),
                },
                when(rule.condition.as_ref())
            ),
        );
    }
    for rule in &proxy.http_rules.response_lines {
        rules.push(line("rsp", rule));
    }
    for rule in &proxy.http_rules.response_additions {
        push(
            &mut rules,
            "rspadd",
            format!("{}{}", rule.action, when(rule.condition.as_ref())),
        );
    }
    rules
}

fn push(rules: &mut Vec<RuleExplanation>, family: &'static str, text: String) {
    let family = Cow::Borrowed(family);
    rules.push(RuleExplanation { family, text });
}
