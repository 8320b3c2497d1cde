//! An explanation on the terminal.

use std::fmt::Write as _;

use super::pair::mode_name;
use super::{Explanation, PairExplanation, ProxyExplanation, Source, Value};

/// Prints everything.
pub(super) fn print(explanation: &Explanation) -> String {
    let mut out = format!("dialect {}\n", explanation.dialect.name());
    if !explanation.global.is_empty() {
        out.push_str("\nglobal\n");
        values(&mut out, &explanation.global);
    }
    for proxy in &explanation.proxies {
        print_proxy(&mut out, proxy);
    }
    for pair in &explanation.pairs {
        print_pair(&mut out, pair);
    }
    out
}

fn values(out: &mut String, list: &[Value]) {
    for value in list {
        let _ = writeln!(
            out,
            "  {:<28} {:<20} {}",
            value.name,
            value.value,
            origin(&value.origin)
        );
    }
}

fn origin(source: &Source) -> String {
    match source {
        Source::Line(place) => place.clone(),
        Source::Defaults(place) => format!("{place} (defaults)"),
        Source::FallsBack(name) => format!("as {name}"),
        Source::BuiltIn => "built in".to_owned(),
    }
}

fn print_proxy(out: &mut String, proxy: &ProxyExplanation) {
    let role = match proxy.role {
        crate::plan::Role::Frontend => "frontend",
        crate::plan::Role::Backend => "backend",
        crate::plan::Role::Listen => "listen",
    };
    let _ = writeln!(out, "\n{role} {}  {}", proxy.name, proxy.place);
    values(out, &proxy.settings);
    for server in &proxy.servers {
        let settings: Vec<String> = server
            .settings
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        let _ = writeln!(
            out,
            "  server {}: {}  {}",
            server.name,
            settings.join(", "),
            server.place
        );
    }
    for acl in &proxy.acls {
        let _ = writeln!(out, "  acl {}: {}", acl.name, acl.value);
    }
    if !proxy.rules.is_empty() {
        out.push_str("  rules, in the order in which they run\n");
    }
    for (n, rule) in proxy.rules.iter().enumerate() {
        let _ = writeln!(out, "    {:>3}. {} {}", n + 1, rule.family, rule.text);
    }
}

fn print_pair(out: &mut String, pair: &PairExplanation) {
    let _ = writeln!(out, "\n{} -> {}", pair.frontend, pair.backend);
    if let Some(mode) = &pair.mode {
        let _ = writeln!(
            out,
            "  connection mode              {}: {}",
            mode_name(mode.mode),
            mode.meaning
        );
        values(out, &mode.options);
        let _ = writeln!(out, "  because                      {}", mode.rule);
    }
    values(out, &pair.timeouts);
}
