//! Backends by the names that come out of format strings: `use_backend %[...]`, since 1.5.

use std::collections::HashMap;

use crate::plan::{Mode, Plan, ProxyId, SwitchingTarget};
use crate::sample::value::leading_integer;

/// The backends that rules can name while they run.
#[derive(Debug, Default)]
pub struct Backends {
    by_name: HashMap<Box<[u8]>, (ProxyId, Mode)>,
    by_id: HashMap<u32, (ProxyId, Mode)>,
}

impl Backends {
    /// Those of a plan; none when no rule would ask.
    pub fn of(plan: &Plan) -> Self {
        let mut backends = Self::default();
        let rules = plan.proxies.iter().flat_map(|proxy| &proxy.switching);
        if !rules
            .into_iter()
            .any(|rule| matches!(rule.target, SwitchingTarget::Named(_)))
        {
            return backends;
        }
        for (id, proxy) in (0..).map(ProxyId).zip(&plan.proxies) {
            if proxy.role.is_backend() {
                let found = (id, proxy.mode);
                let name = proxy.name.as_bytes().into();
                backends.by_name.entry(name).or_insert(found);
                backends.by_id.entry(proxy.numeric_id).or_insert(found);
            }
        }
        backends
    }

    /// The backend that a name means to a frontend of that mode; `#` and a number mean the one of that
    /// `id`.
    pub fn find(&self, name: &[u8], mode: Mode) -> Option<ProxyId> {
        let found = match name.strip_prefix(b"#") {
            // Whatever follows the digits.
            Some(id) => self.by_id.get(&u32::try_from(leading_integer(id)).ok()?),
            None => self.by_name.get(name),
        };
        // Whoever passes bytes on may have them read as HTTP, not the other way around.
        let fits = |other: Mode| other == mode || (mode == Mode::Tcp && other == Mode::Http);
        found
            .filter(|(_, other)| fits(*other))
            .map(|(backend, _)| *backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let mut backends = Backends::default();
        for (n, (name, mode)) in [("web", Mode::Http), ("db", Mode::Tcp)].iter().enumerate() {
            let found = (ProxyId(n as u32), *mode);
            backends.by_name.insert(name.as_bytes().into(), found);
            backends.by_id.insert(n as u32 + 10, found);
        }
        for (name, mode, expected) in [
            ("web", Mode::Http, Some(0)),
            ("web", Mode::Tcp, Some(0)),
            ("db", Mode::Tcp, Some(1)),
            ("db", Mode::Http, None),
            ("WEB", Mode::Http, None),
            ("", Mode::Http, None),
            ("#10", Mode::Http, Some(0)),
            ("#10x", Mode::Http, Some(0)),
            ("#9", Mode::Http, None),
            ("#-1", Mode::Http, None),
            ("#", Mode::Http, None),
        ] {
            let found = backends.find(name.as_bytes(), mode);
            assert_eq!(found, expected.map(ProxyId), "{name}");
        }
    }
}
