//! Conditions: which ACLs are looked at, what they find, and what comes of it.

use super::{AclStep, Walk};
use crate::acl::AclSet;
use crate::plan::{Condition, Fetch, Mode, Polarity, ProxyId};
use crate::rule::with_request;
use crate::sample::converter::convert;
use crate::sample::{Content, Facts, Value, fetch};

impl Walk<'_> {
    /// The ACLs of a condition that are looked at, and whether it holds.
    pub(super) fn evaluate(
        &mut self,
        id: ProxyId,
        condition: Option<&Condition>,
    ) -> (Vec<AclStep>, bool) {
        let Some(condition) = condition else {
            return (Vec::new(), true);
        };
        let slot = id.0 as usize;
        let proxy = self.plan.proxy(id);
        if self.acls[slot].is_none() {
            self.acls[slot] = AclSet::compile(&proxy.acls).ok();
        }
        let Some(set) = &self.acls[slot] else {
            return (Vec::new(), false);
        };
        let facts = self.facts(id);
        let mut seen = Vec::new();
        let any = condition.any.iter().any(|all| {
            all.all.iter().all(|term| {
                let holds = term.acls.iter().any(|acl| {
                    let index = acl.0 as usize;
                    let holds = set.acl(index, &facts) == crate::acl::Verdict::Holds;
                    if let Some(acl) = proxy.acls.get(index) {
                        let asks = crate::explain::condition::acl_text(acl);
                        seen.push(AclStep {
                            name: if acl.name.is_empty() {
                                format!("{{ {asks} }}")
                            } else {
                                acl.name.clone()
                            },
                            asks,
                            values: values(&acl.sample.fetch, &acl.sample.converters, &facts),
                            holds,
                            negated: term.negated,
                        });
                    }
                    holds
                });
                holds != term.negated
            })
        });
        (seen, any == (condition.polarity == Polarity::If))
    }

    pub(super) fn facts(&self, proxy: ProxyId) -> Facts<'_> {
        let base = Facts {
            proxy,
            dialect: self.plan.dialect,
            request: None,
            sent: None,
            response: None,
            content: Content {
                bytes: &self.bytes,
                may_grow: false,
            },
            source: Some(self.source),
            as_proxy: self.as_proxy,
            first_request: true,
            world: &self.world,
        };
        if self.plan.proxy(self.frontend).mode == Mode::Http {
            with_request(base, &self.head, &self.bytes)
        } else {
            base
        }
    }
}

/// The values that a fetch finds; passwords are not shown.
fn values(of: &Fetch, converters: &[crate::plan::Converter], facts: &Facts<'_>) -> Vec<String> {
    if matches!(of, Fetch::HttpAuth { .. } | Fetch::HttpAuthGroup { .. }) {
        return Vec::new();
    }
    let mut found = Vec::new();
    fetch(of, facts, &mut |value| {
        convert(converters, value, facts, &mut |value| {
            found.push(shown(value));
            false
        })
    });
    found
}

fn shown(value: Value<'_>) -> String {
    let mut text = Vec::new();
    value.write_to(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    match value {
        Value::Text(_) => format!("\"{}\"", text.escape_debug()),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        _ => text,
    }
}
