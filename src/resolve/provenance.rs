//! Where the values of a plan came from.

use std::sync::Arc;

use haproxy_cfg_grammar::Span;

/// Where a setting was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The line.
    pub span: Span,
    /// It stands in a `defaults` section.
    pub inherited: bool,
}

/// The lines that decided the settings of one proxy.
#[derive(Clone, Debug, Default)]
pub struct ProxyProvenance {
    /// The section line.
    pub section: Span,
    /// Its own settings by name (`timeout client`, `option httpclose`), the last one last.
    pub own: Vec<(&'static str, Span)>,
    /// Those of the `defaults` sections before it.
    pub inherited: Arc<Vec<(&'static str, Span)>>,
    /// The lines of its servers.
    pub servers: Vec<Span>,
    /// The places of its listeners.
    pub listeners: Vec<Span>,
    /// The lines of its switching rules.
    pub switching: Vec<Span>,
    /// The places of its ACLs.
    pub acls: Vec<Span>,
}

impl ProxyProvenance {
    /// Where a setting was written last, unless it is built in.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        let last = |list: &[(&'static str, Span)]| {
            list.iter().rev().find(|(n, _)| *n == name).map(|(_, s)| *s)
        };
        last(&self.own)
            .map(|span| Origin {
                span,
                inherited: false,
            })
            .or_else(|| {
                last(&self.inherited).map(|span| Origin {
                    span,
                    inherited: true,
                })
            })
    }
}

/// Where everything came from.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// Settings of the global section.
    pub global: Vec<(&'static str, Span)>,
    /// One entry for each proxy of the plan, in its order.
    pub proxies: Vec<ProxyProvenance>,
    /// The places of those who are compared with lists of patterns, in the order of the plan.
    pub pattern_users: Vec<Span>,
}
