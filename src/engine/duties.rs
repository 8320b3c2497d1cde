//! Which parts of a transaction a proxy has anything to do in.
//!
//! Most steps of a transaction belong to something that most configurations do not use. What is used
//! is known when a plan comes into service: a transaction asks once for several steps in a row, and
//! only where there is something to do does each of them look for itself.

use crate::plan::{Balance, Global, LogFormat, Mode, Proxy};
use crate::rule::HttpRules;

/// What a proxy, or a frontend and the backend of a session together, have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Duties {
    /// Rules look at the first bytes of a connection, before there is a request or without one.
    pub(crate) content: bool,
    /// Something is done with a request before the rules see it.
    pub(crate) reception: bool,
    /// Rules judge requests, or the statistics page answers some.
    pub(crate) rules: bool,
    /// More than whose turn it is decides about the server, or about the way to it.
    pub(crate) placement: bool,
    /// Something is looked for in responses, or done to them.
    pub(crate) response: bool,
    /// Requests are logged.
    pub(crate) log: bool,
    /// Bytes may go from socket to socket.
    pub(crate) splicing: bool,
}

impl Duties {
    /// Those of a proxy with these rules, in either role. `passwords` says that ACLs of its ask for
    /// passwords with slow hashes.
    pub(crate) fn of(proxy: &Proxy, global: &Global, rules: &HttpRules, passwords: bool) -> Self {
        let Proxy {
            options,
            persistence,
            captures,
            servers,
            ..
        } = proxy;
        let cookies = persistence.cookie.is_some()
            || persistence.appsession.is_some()
            || captures.cookie.is_some();
        let sticks = !persistence.stick.is_empty();
        let hashes = !matches!(
            proxy.balance,
            Balance::RoundRobin | Balance::StaticRr | Balance::LeastConn | Balance::First
        );
        // Of `usesrc` the header alone is of interest.
        let sources =
            proxy.source.is_some() || servers.iter().any(|server| server.source.is_some());
        Self {
            content: !proxy.tcp_rules.content.is_empty()
                || proxy.mode == Mode::Tcp && !proxy.switching.is_empty(),
            reception: options.http_buffer_request
                || options.http_use_proxy_header
                || proxy.monitor_uri.is_some(),
            rules: rules.acts_on_requests() || proxy.stats.is_some() || passwords,
            placement: cookies
                || sticks
                || hashes
                || sources
                || persistence.rdp_cookie.is_some()
                || !persistence.overrides.is_empty()
                || !proxy.use_server.is_empty()
                || options.http_proxy
                || servers.iter().any(|server| server.redir.is_some()),
            response: cookies
                || sticks
                || rules.acts_on_responses()
                || options.checkcache
                || !captures.response_headers.is_empty()
                || proxy.logs_early(),
            log: proxy.log_format != LogFormat::Default && !proxy.log_targets.is_empty(),
            splicing: !global.nosplice
                && (proxy.mode == Mode::Tcp
                    || options.splice_auto
                    || options.splice_request
                    || options.splice_response),
        }
    }

    /// What there is to do in one proxy or the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            content: self.content || other.content,
            reception: self.reception || other.reception,
            rules: self.rules || other.rules,
            placement: self.placement || other.placement,
            response: self.response || other.response,
            log: self.log || other.log,
            splicing: self.splicing || other.splicing,
        }
    }
}
