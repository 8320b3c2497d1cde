//! A plan in words: for every frontend and backend pair the connection mode and the timeouts,
//! with the lines and the rule that decided.

use std::fmt::Write as _;
use std::time::Duration;

use haproxy_cfg_grammar::SourceSet;

use crate::plan::{ConnectionMode, Mode, Plan, ProxyId, SwitchingTarget};
use crate::resolve::Provenance;

/// Explains a plan; `only` names the proxies of interest, none means all.
pub fn text(plan: &Plan, provenance: &Provenance, sources: &SourceSet, only: &[String]) -> String {
    let mut out = format!("dialect {}\n", plan.dialect.name());
    let writer = Writer {
        plan,
        provenance,
        sources,
    };
    for (frontend, backend) in pairs(plan) {
        let names = [&plan.proxy(frontend).name, &plan.proxy(backend).name];
        if !only.is_empty() && !only.iter().all(|o| names.contains(&o)) {
            continue;
        }
        writer.pair(&mut out, frontend, backend);
    }
    out
}

/// Every frontend with every backend that it can choose.
fn pairs(plan: &Plan) -> Vec<(ProxyId, ProxyId)> {
    let mut pairs = Vec::new();
    for (index, proxy) in plan.proxies.iter().enumerate() {
        if !proxy.role.is_frontend() {
            continue;
        }
        let id = ProxyId(u32::try_from(index).unwrap_or(u32::MAX));
        let mut targets: Vec<ProxyId> = proxy
            .switching
            .iter()
            .map(|rule| match rule.target {
                SwitchingTarget::Backend(id) => id,
            })
            .collect();
        targets.extend(proxy.default_backend);
        if proxy.role.is_backend() && proxy.default_backend.is_none() {
            targets.push(id);
        }
        let mut seen = Vec::new();
        for target in targets {
            if !seen.contains(&target) {
                seen.push(target);
                pairs.push((id, target));
            }
        }
    }
    pairs
}

struct Writer<'a> {
    plan: &'a Plan,
    provenance: &'a Provenance,
    sources: &'a SourceSet,
}

impl Writer<'_> {
    fn pair(&self, out: &mut String, frontend: ProxyId, backend: ProxyId) {
        let (front, back) = (self.plan.proxy(frontend), self.plan.proxy(backend));
        let _ = writeln!(out, "\n{} -> {}", front.name, back.name);
        if front.mode == Mode::Http {
            let mode = self.plan.connection_mode(frontend, backend);
            let _ = writeln!(out, "  connection mode   {}", mode_name(mode));
            let options = [
                "httpclose",
                "forceclose",
                "http-server-close",
                "http-pretend-keepalive",
                "http-keep-alive",
                "http-tunnel",
            ];
            let mut decided = false;
            for (id, side) in [(frontend, "frontend"), (backend, "backend")] {
                for option in options {
                    if let Some(origin) = self.origin(id, option) {
                        decided = true;
                        let _ = writeln!(out, "    {side}: option {option}  {origin}");
                    }
                }
                if frontend == backend {
                    break;
                }
            }
            if !decided {
                let _ = writeln!(out, "    no option says otherwise");
            }
        }
        let t = (&front.timeouts, &back.timeouts);
        for (name, value, id) in [
            ("timeout client", t.0.client, frontend),
            ("timeout http-request", t.0.http_request, frontend),
            ("timeout http-keep-alive", t.0.http_keep_alive, frontend),
            ("timeout connect", t.1.connect, backend),
            ("timeout queue", t.1.queue, backend),
            ("timeout server", t.1.server, backend),
        ] {
            let origin = self.origin(id, name);
            let _ = writeln!(
                out,
                "  {name:<24}{:<10}{}",
                duration(value),
                origin.unwrap_or_else(|| "not set".to_owned())
            );
        }
    }

    fn origin(&self, id: ProxyId, name: &str) -> Option<String> {
        let origin = self.provenance.proxies.get(id.0 as usize)?.origin(name)?;
        let inherited = if origin.inherited { " (defaults)" } else { "" };
        Some(format!(
            "{}:{}{inherited}",
            self.sources.name(origin.span.file),
            origin.span.line
        ))
    }
}

fn mode_name(mode: ConnectionMode) -> &'static str {
    match mode {
        ConnectionMode::KeepAlive => "keep-alive",
        ConnectionMode::Tunnel => "tunnel",
        ConnectionMode::PassiveClose => "passive close",
        ConnectionMode::ServerClose => "server close",
        ConnectionMode::ForcedClose => "forced close",
    }
}

fn duration(value: Option<Duration>) -> String {
    match value {
        None => "for ever".to_owned(),
        Some(d) => format!("{} ms", d.as_millis()),
    }
}
