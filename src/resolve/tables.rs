//! Stick tables by name: those that rules track in, and those that fetches and converters look into.

use std::collections::HashMap;

use haproxy_cfg_grammar::diagnostic::Place;
use haproxy_cfg_grammar::{Code, Diagnostic};

use super::draft::{Draft, TableUse};
use crate::plan::{Converter, Fetch, KeyType, MatchMethod, ProxyId, ProxyRef, Sample};

/// The tables of all proxies.
pub(super) struct Tables {
    by_name: HashMap<String, (ProxyId, KeyType)>,
}

impl Tables {
    pub(super) fn new(drafts: &[Draft]) -> Self {
        let mut by_name = HashMap::new();
        for (number, draft) in (0..).zip(drafts) {
            if let Some(table) = &draft.proxy.persistence.table {
                let known = by_name.entry(draft.proxy.name.clone());
                known.or_insert((ProxyId(number), table.key));
            }
        }
        Self { by_name }
    }

    /// Finds the tables that the rules of a proxy name.
    pub(super) fn link(&self, draft: &mut Draft, own: ProxyId, diagnostics: &mut Vec<Diagnostic>) {
        for pending in std::mem::take(&mut draft.pending_tables) {
            let own = pending.name.is_none();
            let name = pending.name.as_ref().unwrap_or(&draft.proxy.name);
            if self.by_name.contains_key(name) && !(own && draft.proxy.persistence.table.is_none())
            {
                continue;
            }
            let mut diagnostic = Diagnostic::whole(
                Code::UnknownTable,
                Some(pending.span),
                if own {
                    format!("'{name}' has no 'stick-table' line, and no other table is named")
                } else {
                    format!("no proxy '{name}' has a stick table")
                },
            )
            .help("add a line as 'stick-table type ip size 200k store http_req_cnt' to a proxy, and name that");
            if pending.used == TableUse::Sample {
                diagnostic.place = Place::Line;
            }
            diagnostics.push(diagnostic);
        }
        let find = |table: &mut ProxyRef| {
            table.id = match table.name.as_str() {
                "" => Some(own),
                name => self.by_name.get(name).map(|(id, _)| *id),
            };
        };
        let section = draft.provenance.section;
        draft
            .proxy
            .samples_mut(&mut |sample| sample.tables_mut().for_each(find));
        draft.proxy.tracks_mut(&mut |track| {
            find(&mut track.table);
            let of = self.by_name.values().find(|(id, _)| Some(*id) == track.table.id);
            if of.is_some_and(|(_, key)| !fits(&track.key, *key)) {
                diagnostics.push(
                    Diagnostic::whole(
                        Code::UnknownTable,
                        Some(section),
                        format!(
                            "the key of 'track-sc{}' is true or false, and the keys of that table are addresses or bytes",
                            track.counter
                        ),
                    )
                    .help("track something else, or give the table keys of the type 'integer' or 'string'"),
                );
            }
        });
    }
}

/// Whether values of a sample can be keys of that type: a truth is a number and a text, no more.
fn fits(sample: &Sample, key: KeyType) -> bool {
    let truth = match sample.converters.last() {
        Some(Converter::Entry { fact, .. }) => fact.is_none(),
        Some(_) => false,
        None => is_truth(&sample.fetch),
    };
    !truth || matches!(key, KeyType::Integer | KeyType::String(_))
}

fn is_truth(fetch: &Fetch) -> bool {
    match fetch {
        Fetch::AlwaysTrue
        | Fetch::AlwaysFalse
        | Fetch::HttpAuth { .. }
        | Fetch::FirstRequest
        | Fetch::ServerIsUp { .. }
        | Fetch::RequestIsHttp
        | Fetch::WaitEnd => true,
        Fetch::Entry { name, .. } => {
            let found = haproxy_cfg_grammar::value::criterion::find(name);
            found.is_some_and(|criterion| criterion.method == MatchMethod::Bool)
        }
        _ => false,
    }
}
