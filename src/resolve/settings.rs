//! Statements of proxies that set one value.

use std::time::Duration;

use haproxy_cfg_grammar::keywords::balance;
use haproxy_cfg_grammar::keywords::capture::Captured;
use haproxy_cfg_grammar::keywords::check::{Expect, HttpCheck, TcpCheck, TcpExpect};
use haproxy_cfg_grammar::keywords::monitor::Monitor;
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Severity, Span, Statement};

use super::draft::{self, Draft, Drafts};
use super::{conditions, persistence, rules};
use crate::plan::{Balance, Capture, CheckExpect, CheckStep, StepPattern};

/// Statements that set one value.
pub(super) fn apply(
    statement: &Statement,
    span: Span,
    draft: &mut Draft,
    drafts: &mut Drafts<'_>,
) -> Result<(), Diagnostic> {
    let proxy = &mut draft.proxy;
    let name = match statement {
        Statement::Balance(balance) => {
            proxy.balance = balance_of(balance);
            proxy.balances = true;
            "balance"
        }
        Statement::HashType(hash) => {
            proxy.hash_type = *hash;
            "hash-type"
        }
        Statement::DefaultBackend(name) => {
            draft.default_backend = Some(name.clone());
            "default_backend"
        }
        Statement::Monitor(Monitor::Uri(uri)) => {
            proxy.monitor_uri = Some(uri.clone().into());
            "monitor-uri"
        }
        Statement::Monitor(Monitor::Net(network)) => {
            proxy.monitor_net = Some(draft::network(network, drafts.environment, span)?);
            "monitor-net"
        }
        Statement::Cookie(cookie) => {
            proxy.persistence.cookie = Some(persistence::cookie(cookie));
            "cookie"
        }
        Statement::AppSession(session) => {
            proxy.persistence.appsession = Some(persistence::appsession(session));
            "appsession"
        }
        Statement::PersistRdpCookie(name) => {
            proxy.persistence.rdp_cookie = Some(name.clone().into());
            "persist rdp-cookie"
        }
        Statement::StickTable(table) => {
            proxy.persistence.table = Some(persistence::table(table));
            "stick-table"
        }
        Statement::SendNameHeader(name) => {
            proxy.send_name_header = Some(rules::bytes(name));
            "http-send-name-header"
        }
        Statement::HttpReuse(reuse) => {
            proxy.http_reuse = *reuse;
            "http-reuse"
        }
        Statement::InspectDelay(_) if proxy.tcp_rules.inspect_delay.is_some() => {
            return Err(Diagnostic::new(
                Code::AlreadyDefined,
                span,
                "'tcp-request inspect-delay' stands in this section twice; the first one counts",
            )
            .severity(Severity::Warning));
        }
        Statement::InspectDelay(time) => {
            proxy.tcp_rules.inspect_delay = Some(Duration::from_millis(time.0.into()));
            "tcp-request inspect-delay"
        }
        Statement::HttpCheck(check) => {
            match check {
                HttpCheck::DisableOn404 => proxy.check.disable_on_404 = true,
                HttpCheck::SendState => proxy.check.send_state = true,
                HttpCheck::Expect {
                    negated,
                    kind,
                    pattern,
                } => {
                    if matches!(kind, Expect::Regex | Expect::StatusRegex) {
                        conditions::regex(&pattern.bytes, false, pattern.span)?;
                    }
                    if proxy.check.expect.is_some() && drafts.dialect != Dialect::Hapax {
                        return Err(Diagnostic::new(
                            Code::AlreadyDefined,
                            span,
                            "HAProxy takes one 'http-check expect' in a proxy",
                        ));
                    }
                    proxy.check.expect = Some(CheckExpect {
                        negated: *negated,
                        kind: *kind,
                        pattern: rules::bytes(pattern),
                    });
                }
            }
            "http-check"
        }
        Statement::TcpCheck(rule) => {
            if let TcpCheck::Expect {
                kind: TcpExpect::Regex,
                pattern,
                span,
                ..
            } = rule
            {
                conditions::regex(pattern, false, *span)?;
            }
            proxy.check.script.push(check_step(rule));
            "tcp-check"
        }
        Statement::Capture(capture) => {
            let value = Capture {
                name: rules::bytes(&capture.name),
                len: capture.len,
            };
            match capture.what {
                Captured::Cookie => proxy.captures.cookie = Some(value),
                Captured::RequestHeader => proxy.captures.request_headers.push(value),
                Captured::ResponseHeader => proxy.captures.response_headers.push(value),
            }
            "capture"
        }
        _ => return Ok(()),
    };
    draft.note(name, span);
    Ok(())
}

fn check_step(rule: &TcpCheck) -> CheckStep {
    match rule {
        TcpCheck::Connect { port } => CheckStep::Connect { port: *port },
        TcpCheck::Send(bytes) => CheckStep::Send(bytes.clone().into()),
        TcpCheck::Comment(text) => CheckStep::Comment(rules::bytes(text)),
        TcpCheck::Expect {
            negated,
            kind,
            pattern,
            ..
        } => {
            let pattern = pattern.clone().into();
            CheckStep::Expect {
                negated: *negated,
                pattern: match kind {
                    TcpExpect::Text => StepPattern::Text(pattern),
                    TcpExpect::Regex => StepPattern::Regex(pattern),
                    TcpExpect::Binary => StepPattern::Binary(pattern),
                },
            }
        }
    }
}

fn balance_of(balance: &balance::Balance) -> Balance {
    match balance {
        balance::Balance::RoundRobin => Balance::RoundRobin,
        balance::Balance::StaticRr => Balance::StaticRr,
        balance::Balance::LeastConn => Balance::LeastConn,
        balance::Balance::First => Balance::First,
        balance::Balance::Source => Balance::Source,
        balance::Balance::Uri { len, depth, whole } => Balance::Uri {
            len: *len,
            depth: *depth,
            whole: *whole,
        },
        balance::Balance::UrlParam { name, check_post } => Balance::UrlParam {
            name: name.clone().into(),
            check_post: *check_post,
        },
        balance::Balance::Header { name, domain_only } => Balance::Header {
            name: name.clone().into(),
            domain_only: *domain_only,
        },
        balance::Balance::RdpCookie { name } => Balance::RdpCookie {
            name: name.clone().into(),
        },
    }
}
