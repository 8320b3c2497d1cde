//! Which server a client has to return to, as far as that is known without a server.

use haproxy_cfg_grammar::Dialect;

use super::Walk;
use crate::plan::{Proxy, StickRule};
use crate::rewrite::cookies::{self, Lookup};
use crate::stick_table::Key;

impl Walk<'_> {
    /// Which server the client has to return to.
    pub(super) fn persistence(&mut self, backend: &Proxy, http: bool) -> Option<String> {
        let persistence = &backend.persistence;
        let mut state = cookies::State {
            first_wins: self.plan.dialect != Dialect::V1_4,
            ..cookies::State::default()
        };
        let mut forced = backend.options.persist;
        for rule in &persistence.overrides {
            let keyword = if rule.force {
                "force-persist"
            } else {
                "ignore-persist"
            };
            let words = crate::explain::condition::condition(&rule.condition, &backend.acls);
            if self.step(
                self.backend,
                format!("{keyword} {words}"),
                Some(&rule.condition),
            ) {
                forced |= rule.force;
                state.ignored = !rule.force;
                break;
            }
        }
        let mut chosen = None;
        if http && let Some(cookie) = &persistence.cookie {
            let mut lookup = |value: &[u8]| {
                let mut found = Lookup::Unknown;
                for server in &backend.servers {
                    if server.cookie.as_deref() == Some(value) {
                        if !server.disabled || forced {
                            chosen = Some(server.name.clone());
                            return Lookup::Usable(!server.disabled);
                        }
                        found = Lookup::Down;
                    }
                }
                found
            };
            let before = self.lines();
            cookies::request(
                &mut self.head,
                &self.bytes,
                Some(cookie),
                0,
                &mut state,
                &mut lookup,
                &mut |_, _| false,
            );
            let letter = char::from(state.request.letter());
            let mut effects = self.changes(&before);
            effects.push(match &chosen {
                Some(server) => format!("the client is on {server} ({letter})"),
                None => format!("it names no server that can be used ({letter})"),
            });
            self.note(self.backend, format!("cookie {}", cookie.name), effects);
        }
        for rule in &persistence.stick {
            if rule.of_response {
                continue;
            }
            let keyword = match (rule.looks_up, rule.stores) {
                (true, true) => "on",
                (true, false) => "match",
                _ => "store-request",
            };
            let table = &self.plan.proxy(rule.table).name;
            let key = crate::explain::condition::sample_text(&rule.key);
            let text = format!("stick {keyword} {key} table {table}");
            if self.step(self.backend, text, rule.condition.as_ref()) {
                let effect = self.key(rule);
                self.effect(effect);
            }
        }
        chosen
    }

    /// The key that a stick rule finds, in words.
    fn key(&mut self, rule: &StickRule) -> String {
        let table = self.plan.proxy(rule.table).persistence.table.as_ref();
        let found = table.and_then(|table| {
            let key = Key::sampled(&rule.key, table.key, &self.facts(self.backend)).0?;
            Some(Key::text(key.bytes(), table.key))
        });
        match found {
            Some(key) => format!("the key is {key}; a table that has just been made knows none"),
            None => "it finds no key".to_owned(),
        }
    }
}
