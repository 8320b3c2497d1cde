//! Settings that mean nothing in a proxy that does not speak HTTP.

use haproxy_cfg_grammar::{Code, Diagnostic, Dialect};

use super::draft::Draft;
use crate::plan::{Balance, LogFormat, Mode, Proxy, Role, TransparentSource};

/// Settings that need HTTP in a proxy that does not speak it.
pub(super) fn check(draft: &mut Draft, dialect: Dialect, diagnostics: &mut Vec<Diagnostic>) {
    if draft.proxy.mode == Mode::Http {
        return;
    }
    let section = draft.provenance.section;
    let proxy = &mut draft.proxy;
    let role = proxy.role;
    let name = proxy.name.clone();
    let message =
        |what: &str| format!("{what} means nothing in '{name}', which is not in HTTP mode");
    let help = "write 'mode http' if it is HTTP, or delete the setting";
    // 1.5 to 1.8 name the line of this one.
    if dialect == Dialect::V1_8
        && matches!(proxy.log_format, LogFormat::Http | LogFormat::Clf)
        && let Some(origin) = draft.provenance.origin("log format")
    {
        proxy.log_format = LogFormat::Tcp;
        let text = message("'option httplog'");
        diagnostics.push(Diagnostic::new(Code::IgnoredInMode, origin.span, text).help(help));
    }
    let mut ignored = |what: &str| {
        diagnostics
            .push(Diagnostic::whole(Code::IgnoredInMode, Some(section), message(what)).help(help));
    };
    if role.is_backend() && proxy.persistence.cookie.take().is_some() {
        ignored("'cookie'");
    }
    if proxy.monitor_uri.take().is_some() {
        ignored("'monitor-uri'");
    }
    let layer7 = matches!(
        proxy.balance,
        Balance::Uri { .. } | Balance::UrlParam { .. } | Balance::Header { .. }
    );
    if role.is_backend() && layer7 {
        ignored("'balance' by something of the request");
        proxy.balance = Balance::RoundRobin;
    }
    if proxy.stats.is_some() {
        ignored("'stats'");
    }
    if matches!(proxy.log_format, LogFormat::Http | LogFormat::Clf) {
        ignored("'option httplog'");
        proxy.log_format = LogFormat::Tcp;
    }
    let header = proxy
        .source
        .as_ref()
        .is_some_and(|s| matches!(s.transparent, Some(TransparentSource::Header { .. })));
    let own = draft.provenance.own.iter().any(|(n, _)| *n == "source");
    if header && own && role.is_backend() {
        ignored("'source' with an address from a header");
    }
    if dialect == Dialect::V1_8 && !proxy.http_rules.http_request.is_empty() {
        ignored("an 'http-request' rule");
    }
    if dialect == Dialect::V1_8 && !proxy.http_rules.http_response.is_empty() {
        ignored("an 'http-response' rule");
    }
    if !proxy.http_rules.request_lines.is_empty() {
        ignored("a 'req*' rule");
    }
    if !proxy.http_rules.response_lines.is_empty() {
        ignored("an 'rsp*' rule");
    }
    if !proxy.captures.request_headers.is_empty() && dialect != Dialect::V1_8 {
        ignored("'capture request header'");
    }
    if !proxy.captures.response_headers.is_empty() && dialect != Dialect::V1_8 {
        ignored("'capture response header'");
    }
    if proxy.forwarded_for.is_some() {
        ignored("'option forwardfor'");
    }
    if proxy.original_to.is_some() {
        ignored("'option originalto'");
    }
    // Only the options that this section says itself: what comes from `defaults` is not meant.
    let inherited = &draft.provenance;
    for option in HTTP_OPTIONS {
        if dialect == Dialect::V1_8 && MODE_OPTIONS.contains(option) {
            continue;
        }
        if is_set(proxy, option) && allowed(option, role) && inherited.origin(option).is_some() {
            ignored(&format!("'option {option}'"));
        }
    }
}

/// The on/off options that need HTTP.
const HTTP_OPTIONS: &[&str] = &[
    "accept-invalid-http-request",
    "accept-invalid-http-response",
    "checkcache",
    "forceclose",
    "http-buffer-request",
    "http-ignore-probes",
    "http-no-delay",
    "http-pretend-keepalive",
    "http-server-close",
    "http-use-proxy-header",
    "http_proxy",
    "httpclose",
    "prefer-last-server",
];

/// Those that 1.5 to 1.8 do not mind.
const MODE_OPTIONS: &[&str] = &["forceclose", "http-server-close", "httpclose"];

fn is_set(proxy: &Proxy, option: &str) -> bool {
    match option {
        "accept-invalid-http-request" => proxy.options.accept_invalid_http_request,
        "accept-invalid-http-response" => proxy.options.accept_invalid_http_response,
        "checkcache" => proxy.options.checkcache,
        "forceclose" => proxy.mode_options.forceclose,
        "http-buffer-request" => proxy.options.http_buffer_request,
        "http-ignore-probes" => proxy.options.http_ignore_probes,
        "prefer-last-server" => proxy.options.prefer_last_server,
        "http-no-delay" => proxy.options.http_no_delay,
        "http-pretend-keepalive" => proxy.mode_options.http_pretend_keepalive,
        "http-server-close" => proxy.mode_options.http_server_close,
        "http-use-proxy-header" => proxy.options.http_use_proxy_header,
        "http_proxy" => proxy.options.http_proxy,
        "httpclose" => proxy.mode_options.httpclose,
        _ => false,
    }
}

fn allowed(option: &str, role: Role) -> bool {
    match option {
        "accept-invalid-http-request" | "http-use-proxy-header" => role.is_frontend(),
        "accept-invalid-http-response" | "checkcache" => role.is_backend(),
        _ => true,
    }
}
