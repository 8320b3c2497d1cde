//! What happens to the two connections of a transaction when it ends.
//!
//! Manual 1.4, section 4 and "option httpclose" and following; manual 1.5 and later, section 4.

use haproxy_cfg_grammar::Dialect;
use serde::Serialize;

/// How the connections of both sides go on after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionMode {
    /// Both sides are kept; every request is parsed (1.5 and later).
    KeepAlive,
    /// After the first response, bytes are relayed unseen.
    Tunnel,
    /// `Connection: close` is asked of both sides, which are expected to close.
    PassiveClose,
    /// The server side is closed after the response, the client side is kept.
    ServerClose,
    /// Both sides are closed after the response.
    ForcedClose,
}

/// The mode options of one proxy, as written, after inheritance and `no option`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct ModeOptions {
    /// `option httpclose`.
    pub httpclose: bool,
    /// `option forceclose`.
    pub forceclose: bool,
    /// `option http-server-close`.
    pub http_server_close: bool,
    /// `option http-pretend-keepalive`.
    pub http_pretend_keepalive: bool,
    /// `option http-keep-alive` (1.5 and later).
    pub http_keep_alive: bool,
    /// `option http-tunnel` (1.5 and later).
    pub http_tunnel: bool,
}

impl ConnectionMode {
    /// The mode of a transaction between a frontend and a backend.
    ///
    /// 1.4 joins the options of both sides; 1.5 and later take one mode from each side and let
    /// the stronger win, except that passive close with server close gives forced close.
    pub fn of(frontend: ModeOptions, backend: ModeOptions, dialect: Dialect) -> Self {
        match dialect {
            Dialect::V1_4 => frontend
                .union(backend)
                .accumulated()
                .unwrap_or(Self::Tunnel),
            Dialect::V1_8 | Dialect::Hapax => {
                let one = |o: ModeOptions| o.accumulated().unwrap_or(Self::KeepAlive);
                one(frontend).meet(one(backend))
            }
        }
    }

    /// The stronger of both sides' modes, by 1.5's matrix.
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::PassiveClose, Self::ServerClose) | (Self::ServerClose, Self::PassiveClose) => {
                Self::ForcedClose
            }
            (a, b) if a.strength() >= b.strength() => a,
            (_, b) => b,
        }
    }

    fn strength(self) -> u8 {
        match self {
            Self::KeepAlive => 0,
            Self::Tunnel => 1,
            Self::PassiveClose => 2,
            Self::ServerClose => 3,
            Self::ForcedClose => 4,
        }
    }
}

impl ModeOptions {
    fn union(self, other: Self) -> Self {
        Self {
            httpclose: self.httpclose || other.httpclose,
            forceclose: self.forceclose || other.forceclose,
            http_server_close: self.http_server_close || other.http_server_close,
            http_pretend_keepalive: self.http_pretend_keepalive || other.http_pretend_keepalive,
            http_keep_alive: self.http_keep_alive || other.http_keep_alive,
            http_tunnel: self.http_tunnel || other.http_tunnel,
        }
    }

    /// The mode that a set of options means together, or `None` when none of them is set.
    fn accumulated(self) -> Option<ConnectionMode> {
        if self.forceclose || (self.httpclose && self.http_server_close) {
            Some(ConnectionMode::ForcedClose)
        } else if self.http_server_close {
            Some(ConnectionMode::ServerClose)
        } else if self.httpclose {
            Some(ConnectionMode::PassiveClose)
        } else if self.http_tunnel {
            Some(ConnectionMode::Tunnel)
        } else if self.http_keep_alive {
            Some(ConnectionMode::KeepAlive)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionMode::{ForcedClose, KeepAlive, PassiveClose, ServerClose, Tunnel};
    use super::*;

    /// The four options of 1.4 as the bits of a number.
    fn options(bits: u8) -> ModeOptions {
        ModeOptions {
            httpclose: bits & 1 != 0,
            forceclose: bits & 2 != 0,
            http_server_close: bits & 4 != 0,
            http_pretend_keepalive: bits & 8 != 0,
            ..ModeOptions::default()
        }
    }

    /// All option sets of both sides, as measured with 1.4.25: only the union counts.
    #[test]
    fn as_1_4() {
        for frontend in 0..16 {
            for backend in 0..16 {
                let expected = match (frontend | backend) & 7 {
                    0 => Tunnel,
                    1 => PassiveClose,
                    4 => ServerClose,
                    _ => ForcedClose,
                };
                let mode = ConnectionMode::of(options(frontend), options(backend), Dialect::V1_4);
                assert_eq!(mode, expected, "{frontend:04b} {backend:04b}");
            }
        }
    }

    /// The matrix of one mode on each side, as measured with 1.8.0.
    #[test]
    fn as_1_8() {
        let sides = [
            (ModeOptions::default(), KeepAlive),
            (
                ModeOptions {
                    http_keep_alive: true,
                    ..ModeOptions::default()
                },
                KeepAlive,
            ),
            (
                ModeOptions {
                    http_tunnel: true,
                    ..ModeOptions::default()
                },
                Tunnel,
            ),
            (options(1), PassiveClose),
            (options(4), ServerClose),
            (options(2), ForcedClose),
        ];
        let strength = [KeepAlive, Tunnel, PassiveClose, ServerClose, ForcedClose];
        let rank = |mode| strength.iter().position(|m| *m == mode);
        for dialect in [Dialect::V1_8, Dialect::Hapax] {
            for (frontend, f) in sides {
                for (backend, b) in sides {
                    let expected = match (f, b) {
                        (PassiveClose, ServerClose) | (ServerClose, PassiveClose) => ForcedClose,
                        _ if rank(f) > rank(b) => f,
                        _ => b,
                    };
                    let mode = ConnectionMode::of(frontend, backend, dialect);
                    assert_eq!(mode, expected, "{f:?} {b:?}");
                }
            }
        }
    }
}
