//! What of a request decides about its server: the key that it is hashed by, the body that such a
//! key may be in, the address that a server wants its clients to be sent to.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use super::body::{Came, Patience, first_chunk};
use super::rules::whole;
use super::{End, Next, Transaction};
use crate::balance::{hash, key};
use crate::engine::deadline::after;
use crate::engine::live::Server;
use crate::engine::session::{Session, Written};
use crate::http1::{Body, Method, uri};
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
            Balance::UrlParam { name, check_post } => key::url_parameter(target, name)
                .or_else(|| self.posted_parameter(name, *check_post))
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
            let live = Arc::clone(live);
            self.sticky = Some(live);
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
    fn posted_parameter(&self, name: &[u8], check_post: Option<u32>) -> Option<&[u8]> {
        check_post?;
        if self.method != Method::Post {
            return None;
        }
        key::parameter(self.first_of_body(), name)
    }

    /// What has come of the body: of a chunked one the first chunk.
    fn first_of_body(&self) -> &[u8] {
        let bytes = self.up.buffer.bytes();
        let body = bytes.get(self.request.received_len()..).unwrap_or_default();
        match self.body {
            Body::Chunked(_) => first_chunk(body).map_or(&[], |(content, _)| content),
            Body::Length(left) => {
                &body[..body.len().min(usize::try_from(left).unwrap_or(usize::MAX))]
            }
            _ => body,
        }
    }

    /// `balance url_param ... check_post`: waits for as much of the body as may hold the parameter.
    pub(super) async fn await_body_to_balance(&mut self, session: &mut Session) -> Result<(), End> {
        let Balance::UrlParam {
            name,
            check_post: Some(wanted),
        } = &session.backend().balance
        else {
            return Ok(());
        };
        let in_url = {
            let target = self.request.second_word(self.up.buffer.bytes());
            key::url_parameter(target, name).is_some()
        };
        if self.method != Method::Post || in_url || self.sticky.is_some() {
            return Ok(());
        }
        let (wanted, body) = (*wanted as usize, self.body);
        let enough = |come: &[u8]| {
            let mut body = body;
            body.advance(come).is_err() || body.is_done() || come.len() >= wanted
        };
        let patience = Patience {
            whole: after(
                session.worker.now(),
                session.backend().timeouts.http_request,
            ),
            silence: None,
        };
        match self.await_body(session, patience, enough).await {
            Came::Enough | Came::Short => {
                self.timing.received = Some(session.worker.now());
                Ok(())
            }
            Came::Late => Err(self.too_late()),
        }
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
