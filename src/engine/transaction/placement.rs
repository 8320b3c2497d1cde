//! What of a request decides about its server: the key that it is hashed by, the body that such a
//! key may be in, the address that a server wants its clients to be sent to.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use super::body::first_content;
use super::rules::whole;
use super::{End, Next, Transaction};
use crate::balance::{hash, key};
use crate::engine::live::Server;
use crate::engine::session::{Session, Written};
use crate::http1::{Method, uri};
use crate::log::{Cause, Stage, Termination};
use crate::plan::{Balance, HashType, Proxy};
use crate::sample::content::{self, Found};
use crate::sample::http;

impl Transaction {
    /// Hashes a request by what the backend's algorithm looks at.
    pub(super) fn hash_request(&mut self, session: &Session) {
        let proxy = session.backend();
        self.note_path(proxy);
        if self.sticky.is_some() {
            return;
        }
        let bytes = self.up.buffer.bytes();
        let target = self.request.second_word(bytes);
        let dialect = session.generation.plan.dialect;
        let hash = proxy.hash_type;
        self.hash = match &proxy.balance {
            Balance::Uri { len, depth, whole } => {
                Some(number(hash, key::uri(target, *len, *depth, *whole)))
            }
            Balance::UrlParam { name, .. } => key::url_parameter(target, name)
                .or_else(|| self.posted_parameter(name))
                .map(|value| number(hash, value)),
            Balance::Header { name, domain_only } => self
                .request
                .find(bytes, name, None)
                .and_then(|line| http::values(self.request.value(bytes, line)).next())
                .filter(|value| !value.is_empty())
                .map(|value| {
                    if *domain_only {
                        domain_number(hash, value, dialect)
                    } else {
                        number(hash, value)
                    }
                }),
            _ => self.hash_connection(session),
        };
    }

    /// `use-server`: the first server that a rule wants and that can be used.
    pub(crate) fn server_rules(&mut self, session: &Session, http: bool) {
        let backend = session.backend();
        if backend.use_server.is_empty() {
            return;
        }
        let facts = if http {
            self.request_facts(session, session.backend)
        } else {
            self.facts(session, session.backend, whole(self.up.buffer.bytes()))
        };
        let handles = session.backend_handles();
        let wanted = backend.use_server.iter().find_map(|rule| {
            let live = handles.servers.get(rule.server.0 as usize)?;
            let usable = live.is_up() || backend.options.persist || self.forced;
            (usable && handles.acls.applies(Some(&rule.condition), &facts)).then_some(live)
        });
        if let Some(live) = wanted {
            self.sticky = Some(Arc::clone(live));
            self.cookies.direct = true;
            self.cookies.assigned = true;
        }
    }

    /// Hashes a connection, by the client's address or by an RDP cookie in its first bytes.
    pub(crate) fn hash_connection(&self, session: &Session) -> Option<u32> {
        let proxy = session.backend();
        let hash = proxy.hash_type;
        match &proxy.balance {
            Balance::Source => {
                let address = hash::of_address(session.peer?.ip().to_canonical());
                Some(mixed(hash, address))
            }
            // A server is chosen before bytes have come that nobody waits for.
            Balance::RdpCookie { name } if is_inspected(session) => {
                match content::rdp_cookie(self.up.buffer.bytes(), name) {
                    Found::Value(value) => Some(number(hash, value)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The value of a parameter in the body of a POST, as far as that has come.
    fn posted_parameter(&self, name: &[u8]) -> Option<&[u8]> {
        if self.method != Method::Post {
            return None;
        }
        let bytes = self.up.buffer.bytes();
        let come = bytes.get(self.request.received_len()..)?;
        let (content, _) = first_content(self.body, come)?;
        key::parameter(content, name)
    }

    /// `balance url_param`: waits for as much of the body of a POST as may hold the parameter, even when
    /// the URL has it. Since 1.5 that is all of it, whatever `check_post` says.
    pub(super) async fn await_body_to_balance(&mut self, session: &mut Session) -> Result<(), End> {
        let Balance::UrlParam { check_post, .. } = session.backend().balance else {
            return Ok(());
        };
        if self.method != Method::Post || self.sticky.is_some() {
            return Ok(());
        }
        let wanted = match (session.generation.plan.dialect, check_post) {
            (Dialect::V1_4, None) => return Ok(()),
            (Dialect::V1_4, Some(wanted)) => wanted as usize,
            _ => usize::MAX,
        };
        let timeout = session.backend().timeouts.http_request;
        self.await_content(session, timeout, wanted).await
    }

    /// Whether a client that has closed before a server is asked is served all the same: with its
    /// whole request at hand, unless the server is chosen by a parameter.
    pub(super) fn serves_who_left(&self, session: &Session) -> bool {
        let bytes = self.up.buffer.bytes();
        let come = bytes.get(self.request.received_len()..).unwrap_or_default();
        let mut body = self.body;
        let whole = body.advance(come).is_err() || body.is_done();
        whole && !matches!(session.backend().balance, Balance::UrlParam { .. })
    }

    /// Notes the path of a request that may be sent elsewhere by the server that is chosen.
    fn note_path(&mut self, proxy: &Proxy) {
        let redirectable = matches!(self.method, Method::Get | Method::Head);
        if !redirectable || proxy.servers.iter().all(|server| server.redir.is_none()) {
            return;
        }
        let bytes = self.up.buffer.bytes();
        let target = self.request.second_word(bytes);
        if let Some(start) = uri::path_start(target) {
            self.path.extend_from_slice(&target[start..]);
        }
    }

    /// Whether that server wants this client to be sent elsewhere.
    pub(crate) fn redirects(&self, server: &Server) -> bool {
        !self.path.is_empty() && server.settings().redir.is_some()
    }

    /// Sends the client to where its server wants it.
    pub(super) async fn redirect_to_server(&mut self, session: &mut Session) -> Result<Next, End> {
        let prefix = self
            .server
            .as_ref()
            .and_then(|server| server.settings().redir.clone());
        let mut message = b"HTTP/1.1 302 Found\r\nCache-Control: no-cache\r\nContent-length: 0\r\n\
            Location: "
            .to_vec();
        // A lone slash is no prefix: the client is to ask here again.
        message.extend_from_slice(prefix.as_deref().filter(|p| p != b"/").unwrap_or_default());
        message.extend_from_slice(&self.path);
        message.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
        self.reply(session, message, 302, false).await;
        let cause = if session.generation.plan.dialect == Dialect::V1_4 {
            Cause::Proxy
        } else {
            Cause::Local
        };
        let termination = Termination::new(cause, Stage::Connect);
        self.account(session, termination);
        self.log(session, termination, Written::End);
        Ok(Next::Close)
    }
}

/// Whether the first bytes of a connection are waited for.
fn is_inspected(session: &Session) -> bool {
    [session.proxy(), session.backend()]
        .iter()
        .any(|proxy| proxy.tcp_rules.inspect_delay.is_some() || !proxy.tcp_rules.content.is_empty())
}

/// The number of a key.
fn number(hash: HashType, key: &[u8]) -> u32 {
    mixed(hash, hash::of(hash.function, key))
}

fn mixed(hash: HashType, number: u32) -> u32 {
    if hash.avalanche {
        hash::mix(number)
    } else {
        number
    }
}

/// The number of the main part of a host name. 1.4 reads it backwards, and has none for a name
/// without dots; later versions take such a name whole.
fn domain_number(hash: HashType, host: &[u8], dialect: Dialect) -> u32 {
    let domain = key::domain(host);
    if dialect == Dialect::V1_4 {
        let backwards: Vec<u8> = domain.unwrap_or_default().iter().rev().copied().collect();
        number(hash, &backwards)
    } else {
        number(hash, domain.unwrap_or(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_by_dialect() {
        let hash = HashType::default();
        let of = |host: &str, dialect| domain_number(hash, host.as_bytes(), dialect);
        assert_eq!(of("www.ab.com", Dialect::V1_4), number(hash, b"ba"));
        assert_eq!(of("www.ab.com", Dialect::V1_8), number(hash, b"ab"));
        assert_eq!(of("local", Dialect::V1_4), 0);
        assert_eq!(of("local", Dialect::V1_8), number(hash, b"local"));
    }
}
