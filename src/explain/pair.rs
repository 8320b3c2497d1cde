//! One frontend with one backend: the connection mode, and the rule that decided it; timeouts.

use std::collections::HashSet;

use haproxy_cfg_grammar::Dialect;
use serde::Serialize;

use super::{Context, Source, Value, time};
use crate::plan::{
    ConnectionMode, Converter, FormatPart, FormatString, MapValue, Mode, ModeOptions, Plan,
    ProxyId, SwitchingTarget,
};

/// What holds for requests of a frontend that a backend serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PairExplanation {
    /// The frontend.
    pub frontend: String,
    /// The backend; the frontend itself when it has servers of its own.
    pub backend: String,
    /// The connection mode; `None` in TCP mode.
    pub mode: Option<ModeExplanation>,
    /// The timeouts of both sides.
    pub timeouts: Vec<Value>,
}

/// A connection mode and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModeExplanation {
    /// The mode.
    pub mode: ConnectionMode,
    /// What it means.
    pub meaning: &'static str,
    /// The options of both sides that are in force.
    pub options: Vec<Value>,
    /// The rule of precedence that decided.
    pub rule: String,
}

/// Every frontend with every backend that it can choose.
pub(super) fn pairs(plan: &Plan) -> Vec<(ProxyId, ProxyId)> {
    let mut pairs = Vec::new();
    for (index, proxy) in plan.proxies.iter().enumerate() {
        if !proxy.role.is_frontend() {
            continue;
        }
        let id = ProxyId(u32::try_from(index).unwrap_or(u32::MAX));
        let switched = proxy.switching.iter().flat_map(|rule| match &rule.target {
            SwitchingTarget::Backend(id) => vec![*id],
            SwitchingTarget::Named(format) => named(format, plan),
        });
        let own = (proxy.role.is_backend() && proxy.default_backend.is_none()).then_some(id);
        let mut seen = HashSet::new();
        pairs.extend(
            switched
                .chain(proxy.default_backend)
                .chain(own)
                .filter(|target| seen.insert(*target))
                .map(|target| (id, target)),
        );
    }
    pairs
}

/// The backends that may come out of a format string, where that can be told: those that the map
/// names which it asks.
fn named(format: &FormatString, plan: &Plan) -> Vec<ProxyId> {
    let [FormatPart::Sample(sample)] = &*format.parts else {
        return Vec::new();
    };
    let Some(Converter::Map(lookup)) = sample.converters.last() else {
        return Vec::new();
    };
    let entries = plan.maps.get(lookup.map.0 as usize).map(|map| &map.entries);
    let values = entries.into_iter().flatten().map(|entry| &entry.value);
    let names: HashSet<&[u8]> = values
        .chain(&lookup.default)
        .filter_map(|value| match value {
            MapValue::Text(name) => Some(&**name),
            _ => None,
        })
        .collect();
    let backends = (0..).map(ProxyId).zip(&plan.proxies);
    backends
        .filter(|(_, proxy)| proxy.role.is_backend() && names.contains(proxy.name.as_bytes()))
        .map(|(id, _)| id)
        .collect()
}

/// Explains one pair.
pub(super) fn explain(
    context: &Context<'_>,
    frontend: ProxyId,
    backend: ProxyId,
) -> PairExplanation {
    let (front, back) = (context.plan.proxy(frontend), context.plan.proxy(backend));
    let http = front.mode == Mode::Http || back.mode == Mode::Http;
    PairExplanation {
        frontend: front.name.clone(),
        backend: back.name.clone(),
        mode: http.then(|| mode(context, frontend, backend)),
        timeouts: timeouts(context, frontend, backend),
    }
}

const OPTIONS: [&str; 6] = [
    "httpclose",
    "forceclose",
    "http-server-close",
    "http-pretend-keepalive",
    "http-keep-alive",
    "http-tunnel",
];

fn is_set(options: ModeOptions, name: &str) -> bool {
    match name {
        "httpclose" => options.httpclose,
        "forceclose" => options.forceclose,
        "http-server-close" => options.http_server_close,
        "http-pretend-keepalive" => options.http_pretend_keepalive,
        "http-keep-alive" => options.http_keep_alive,
        _ => options.http_tunnel,
    }
}

fn mode(context: &Context<'_>, frontend: ProxyId, backend: ProxyId) -> ModeExplanation {
    let mode = context.plan.connection_mode(frontend, backend);
    let mut options = Vec::new();
    let mut sides = vec![(frontend, "frontend")];
    if backend != frontend {
        sides.push((backend, "backend"));
    }
    for (id, side) in sides {
        let proxy = context.plan.proxy(id);
        for option in OPTIONS {
            let set = is_set(proxy.mode_options, option);
            let origin = context.origin(id, option);
            if set || origin != Source::BuiltIn {
                options.push(Value {
                    name: format!("{side} option {option}"),
                    value: if set { "on" } else { "off" }.to_owned(),
                    origin,
                });
            }
        }
    }
    let (f, b) = (
        context.plan.proxy(frontend).mode_options,
        context.plan.proxy(backend).mode_options,
    );
    ModeExplanation {
        mode,
        meaning: meaning(mode),
        options,
        rule: rule(f, b, context.plan.dialect),
    }
}

/// The name of a mode.
pub(super) fn mode_name(mode: ConnectionMode) -> &'static str {
    match mode {
        ConnectionMode::KeepAlive => "keep-alive",
        ConnectionMode::Tunnel => "tunnel",
        ConnectionMode::PassiveClose => "passive close",
        ConnectionMode::ServerClose => "server close",
        ConnectionMode::ForcedClose => "forced close",
    }
}

fn meaning(mode: ConnectionMode) -> &'static str {
    match mode {
        ConnectionMode::KeepAlive => "both sides are kept, every request is processed",
        ConnectionMode::Tunnel => "after the first response everything is relayed unseen",
        ConnectionMode::PassiveClose => "both sides are asked to close after the response",
        ConnectionMode::ServerClose => "the server side is closed, the client side is kept",
        ConnectionMode::ForcedClose => "both sides are closed after the response",
    }
}

/// The rule of precedence that decided, in words.
fn rule(frontend: ModeOptions, backend: ModeOptions, dialect: Dialect) -> String {
    match dialect {
        Dialect::V1_4 => {
            let either = |name| is_set(frontend, name) || is_set(backend, name);
            let text = if either("forceclose") {
                "forceclose on either side is stronger than everything else"
            } else if either("httpclose") && either("http-server-close") {
                "httpclose together with http-server-close, even on different sides, closes both"
            } else if either("http-server-close") {
                "http-server-close on either side"
            } else if either("httpclose") {
                "httpclose on either side only writes 'Connection: close'"
            } else {
                "no option of either side: 1.4 relays everything after the first response"
            };
            format!("1.4, the options of both sides joined: {text}")
        }
        Dialect::V1_8 | Dialect::Hapax => {
            let none = ModeOptions::default();
            let own = |options| ConnectionMode::of(options, none, dialect);
            let (f, b) = (own(frontend), own(backend));
            let joined = ConnectionMode::of(frontend, backend, dialect);
            let why = if f == b {
                "both sides say the same".to_owned()
            } else if joined != f && joined != b {
                "passive close with server close gives forced close".to_owned()
            } else {
                "the stronger wins: forced close, server close, passive close, tunnel, keep-alive"
                    .to_owned()
            };
            let within = if dialect == Dialect::V1_8 {
                "the last option of a section counts"
            } else {
                "in a section the options of 1.4 add up, http-keep-alive and http-tunnel replace \
                 what stands before them"
            };
            format!(
                "frontend {}, backend {}: {why} ({within})",
                mode_name(f),
                mode_name(b)
            )
        }
    }
}

fn timeouts(context: &Context<'_>, frontend: ProxyId, backend: ProxyId) -> Vec<Value> {
    let (f, b) = (context.plan.proxy(frontend), context.plan.proxy(backend));
    let mut values = Vec::new();
    let mut push = |name: &str, own, id, fallbacks: &[(&str, Option<std::time::Duration>)]| {
        let (value, origin): (Option<std::time::Duration>, Source) = match own {
            Some(_) => (own, context.origin(id, name)),
            None => match fallbacks.iter().find(|(_, v)| v.is_some()) {
                Some((from, value)) => (*value, Source::FallsBack((*from).to_owned())),
                None => (None, context.origin(id, name)),
            },
        };
        values.push(Value {
            name: name.to_owned(),
            value: time(value),
            origin,
        });
    };
    let client = ("timeout client", f.timeouts.client);
    let request = ("timeout http-request", f.timeouts.http_request);
    let connect = ("timeout connect", b.timeouts.connect);
    push("timeout client", f.timeouts.client, frontend, &[]);
    if f.mode == Mode::Http {
        push(
            "timeout http-request",
            f.timeouts.http_request,
            frontend,
            &[client],
        );
        push(
            "timeout http-keep-alive",
            f.timeouts.http_keep_alive,
            frontend,
            &[request, client],
        );
    }
    push("timeout connect", b.timeouts.connect, backend, &[]);
    push("timeout queue", b.timeouts.queue, backend, &[connect]);
    push("timeout server", b.timeouts.server, backend, &[]);
    if f.mode == Mode::Http {
        push("timeout tarpit", f.timeouts.tarpit, frontend, &[connect]);
    }
    values
}
