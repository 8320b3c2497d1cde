//! Which parts of a transaction a proxy has anything to do in.
//!
//! Most steps of a transaction belong to something that most configurations do not use. What is used
//! is known when a plan comes into service: a transaction asks once for several steps in a row, and
//! only where there is something to do does each of them look for itself.

use crate::plan::{Balance, Global, LogFormat, Mode, Proxy};
use crate::rule::HttpRules;

/// Something that a proxy has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Rules look at the first bytes of a connection, before there is a request or without one.
    Content,
    /// Something is done with a request before the rules see it.
    Reception,
    /// Rules judge requests, or the statistics page answers some.
    Rules,
    /// More than whose turn it is decides about the server, or about the way to it.
    Placement,
    /// Something is looked for in responses, or done to them.
    Response,
    /// Requests are logged.
    Log,
    /// Bytes may go from socket to socket.
    Splicing,
}

/// What a proxy, or a frontend and the backend of a session together, have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Duties(u8);

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
        let duties = [
            (
                Duty::Content,
                !proxy.tcp_rules.content.is_empty()
                    || proxy.mode == Mode::Tcp && !proxy.switching.is_empty(),
            ),
            (
                Duty::Reception,
                options.http_buffer_request
                    || options.http_use_proxy_header
                    || proxy.monitor_uri.is_some(),
            ),
            (
                Duty::Rules,
                rules.acts_on_requests() || proxy.stats.is_some() || passwords,
            ),
            (
                Duty::Placement,
                cookies
                    || sticks
                    || hashes
                    || sources
                    || persistence.rdp_cookie.is_some()
                    || !persistence.overrides.is_empty()
                    || !proxy.use_server.is_empty()
                    || options.http_proxy
                    || servers.iter().any(|server| server.redir.is_some()),
            ),
            (
                Duty::Response,
                cookies
                    || sticks
                    || rules.acts_on_responses()
                    || options.checkcache
                    || !captures.response_headers.is_empty()
                    || proxy.logs_early(),
            ),
            (
                Duty::Log,
                proxy.log_format != LogFormat::Default && !proxy.log_targets.is_empty(),
            ),
            (
                Duty::Splicing,
                !global.nosplice
                    && (proxy.mode == Mode::Tcp
                        || options.splice_auto
                        || options.splice_request
                        || options.splice_response),
            ),
        ];
        let bits = duties.map(|(duty, has)| u8::from(has) << duty as u8);
        Self(bits.into_iter().fold(0, |all, bit| all | bit))
    }

    /// Whether that is among them.
    pub(crate) fn has(self, duty: Duty) -> bool {
        self.0 & 1 << duty as u8 != 0
    }

    /// What there is to do in one proxy or the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
