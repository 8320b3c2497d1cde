//! What a scraper asks for: `?scope=...&no-maint`, as HAProxy's exporter takes it.

use super::Scope;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    scopes: u8,
    /// Servers in maintenance are left out.
    pub no_maintenance: bool,
}

/// A scope that there is none of, or one without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scope is one of *, global, frontend, listener, backend, server, sticktable")]
pub struct BadQuery;

impl Query {
    /// Everything.
    pub const ALL: Self = Self {
        scopes: u8::MAX,
        no_maintenance: false,
    };

    /// Reads what stands behind the question mark. Several scopes add up, an empty one asks for
    /// nothing, and what is not known is for others.
    ///
    /// # Errors
    /// When a scope does not exist.
    pub fn read(text: &str) -> Result<Self, BadQuery> {
        let mut query = Self {
            scopes: 0,
            no_maintenance: false,
        };
        let mut all = true;
        for parameter in text.split('&') {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (parameter, None),
            };
            match decoded(name).as_slice() {
                b"no-maint" => query.no_maintenance = true,
                b"scope" => {
                    all = false;
                    query.scopes |= match decoded(value.ok_or(BadQuery)?).as_slice() {
                        // HAProxy begins anew here.
                        b"" => {
                            query.scopes = 0;
                            0
                        }
                        b"*" => u8::MAX,
                        name => bit(Scope::from_name(name).ok_or(BadQuery)?),
                    };
                }
                _ => {}
            }
        }
        if all {
            query.scopes = u8::MAX;
        }
        Ok(query)
    }

    /// Whether a scope is wanted.
    pub fn wants(self, scope: Scope) -> bool {
        self.scopes & bit(scope) != 0
    }

    /// Whether one of these is wanted.
    pub fn wants_any(self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|scope| self.wants(*scope))
    }
}

fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

/// Without percent signs. What is no number behind one stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let digit = |n: usize| hex.and_then(|hex| char::from(hex[n]).to_digit(16));
        if let (Some(high), Some(low)) = (digit(0), digit(1)) {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        use Scope::{Backend, Frontend, Global, Server, StickTable};
        for (text, wanted, others) in [
            ("", &[Global, Frontend, Server][..], &[][..]),
            ("scope=*", &[Global, StickTable], &[]),
            ("scope=server", &[Server], &[Global, Backend]),
            ("scope=%73erver&x=1", &[Server], &[Global]),
            ("scope=server&scope=global", &[Server, Global], &[Frontend]),
            ("&scope=backend&", &[Backend], &[Server]),
            ("scope=", &[], &[Global, Server]),
            ("scope=server&scope=", &[], &[Server]),
            ("foo", &[Global], &[]),
        ] {
            let query = Query::read(text).expect(text);
            assert!(wanted.iter().all(|scope| query.wants(*scope)), "{text}");
            assert!(!query.wants_any(others), "{text}");
        }
        for text in ["scope", "scope=zzz", "scope=SERVER", "scope=%zz"] {
            assert_eq!(Query::read(text), Err(BadQuery), "{text}");
        }
        assert!(Query::read("no-maint").is_ok_and(|query| query.no_maintenance));
        assert!(Query::read("scope=server&no-maint=1").is_ok_and(|query| query.no_maintenance));
        assert_eq!(Query::read(""), Ok(Query::ALL));
    }
}
