//! What the mode options of a frontend and a backend ask for, before any message was seen.

use haproxy_cfg_grammar::Dialect;

use crate::plan::{ConnectionMode, ModeOptions};

/// What happens after the response of this transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    /// Bytes are relayed from then on.
    #[default]
    Tunnel,
    /// Both connections are kept.
    KeepAlive,
    /// The server connection is closed, the client's is kept.
    ServerClose,
    /// Both are closed.
    Close,
}

/// What the options of both sides ask for, before any message was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What the frontend alone asks for: the request is first looked at with this.
    pub(super) frontend: Intent,
    /// What both sides together ask for.
    pub(super) joint: Intent,
    /// The frontend alone asks for passive close.
    pub(super) frontend_passive: bool,
    /// The mode is passive close: `close` is announced and nobody is forced.
    pub(super) passive_close: bool,
    /// `option http-pretend-keepalive`: the server is not told that its connection will close.
    pub(super) pretend_keepalive: bool,
    /// 1.4: there is no keep-alive to fall back to, and the request is looked at once.
    pub(super) v1_4: bool,
    /// The header is `Proxy-Connection`.
    as_proxy: bool,
}

impl Policy {
    /// Whether the mode is passive close.
    pub fn is_passive_close(self) -> bool {
        self.passive_close
    }

    /// The policy for a frontend and the backend that it switched to.
    pub fn of(frontend: ModeOptions, backend: ModeOptions, dialect: Dialect) -> Self {
        let passive = |options: ModeOptions| {
            ConnectionMode::of(options, options, dialect) == ConnectionMode::PassiveClose
        };
        let pretend_keepalive = frontend.http_pretend_keepalive || backend.http_pretend_keepalive;
        let v1_4 = dialect == Dialect::V1_4;
        let passive_close = if v1_4 {
            frontend.httpclose || backend.httpclose
        } else {
            passive(frontend) || passive(backend)
        };
        let intent = |one: ModeOptions, other: ModeOptions| {
            let intent = match ConnectionMode::of(one, other, dialect) {
                ConnectionMode::KeepAlive => Intent::KeepAlive,
                ConnectionMode::Tunnel | ConnectionMode::PassiveClose => Intent::Tunnel,
                ConnectionMode::ServerClose => Intent::ServerClose,
                ConnectionMode::ForcedClose => Intent::Close,
            };
            // 1.4 acts on it only beside an option that makes it look at the header.
            let looks = !v1_4 || one.httpclose || other.httpclose;
            let pretends = one.http_pretend_keepalive || other.http_pretend_keepalive;
            if pretends && looks && intent == Intent::Tunnel {
                Intent::KeepAlive
            } else {
                intent
            }
        };
        let joint = intent(frontend, backend);
        Self {
            frontend: if v1_4 {
                joint
            } else {
                intent(frontend, frontend)
            },
            joint,
            frontend_passive: if v1_4 {
                passive_close
            } else {
                passive(frontend)
            },
            passive_close,
            pretend_keepalive,
            v1_4,
            as_proxy: false,
        }
    }

    /// Says whether the client takes this for a proxy (`option http-use-proxy-header`).
    pub fn set_as_proxy(&mut self, as_proxy: bool) {
        self.as_proxy = as_proxy;
    }

    pub(super) fn header(&self) -> &'static [u8] {
        if self.as_proxy {
            b"Proxy-Connection"
        } else {
            b"Connection"
        }
    }

    pub(super) fn strength(&self, intent: Intent) -> u8 {
        match intent {
            Intent::KeepAlive => u8::from(self.v1_4),
            Intent::Tunnel => u8::from(!self.v1_4),
            Intent::ServerClose => 2,
            Intent::Close => 3,
        }
    }
}

impl Intent {
    /// Whether the client connection outlives the transaction as an HTTP connection.
    pub fn keeps_client(self) -> bool {
        matches!(self, Self::KeepAlive | Self::ServerClose)
    }
}

/// The policies of all pairs of proxies of a plan. They are found once, for every pair of sets of
/// options that occur: a transaction only looks them up.
#[derive(Debug)]
pub struct Policies {
    /// Which set of options each proxy has.
    sets: Box<[u16]>,
    /// How many sets there are; 64 at most.
    count: usize,
    /// For every set of a frontend, those with each set of a backend.
    found: Box<[Policy]>,
}

impl Policies {
    /// The policies for proxies with these options.
    pub fn new(proxies: impl Iterator<Item = ModeOptions>, dialect: Dialect) -> Self {
        let mut known: Vec<ModeOptions> = Vec::new();
        let sets = proxies
            .map(|options| {
                let at = known.iter().position(|set| *set == options);
                at.unwrap_or_else(|| {
                    known.push(options);
                    known.len() - 1
                }) as u16
            })
            .collect();
        let of = |frontend: &ModeOptions, backend| Policy::of(*frontend, backend, dialect);
        let row = |frontend| known.iter().map(move |backend| of(frontend, *backend));
        Self {
            sets,
            count: known.len(),
            found: known.iter().flat_map(row).collect(),
        }
    }

    /// The policy for a frontend and the backend that it switched to, by their places in the plan.
    ///
    /// # Panics
    /// When there is no such proxy.
    pub fn of(&self, frontend: usize, backend: usize) -> &Policy {
        let (frontend, backend) = (self.sets[frontend], self.sets[backend]);
        &self.found[usize::from(frontend) * self.count + usize::from(backend)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_up_is_what_would_be_found() {
        let options = |bits: u8| ModeOptions {
            httpclose: bits & 1 != 0,
            http_server_close: bits & 2 != 0,
            http_pretend_keepalive: bits & 4 != 0,
            ..ModeOptions::default()
        };
        let proxies: Vec<ModeOptions> = [3, 0, 5, 0, 7, 3, 2].map(options).to_vec();
        for dialect in [Dialect::V1_4, Dialect::V1_8, Dialect::Hapax] {
            let policies = Policies::new(proxies.iter().copied(), dialect);
            for (i, frontend) in proxies.iter().enumerate() {
                for (j, backend) in proxies.iter().enumerate() {
                    let expected = Policy::of(*frontend, *backend, dialect);
                    assert_eq!(*policies.of(i, j), expected, "{i} {j} {dialect:?}");
                }
            }
        }
    }
}
