//! Names of backends into indexes.

use std::collections::HashMap;

use haproxy_cfg_grammar::{Code, Diagnostic, Word};

use super::draft::{Drafts, switching_rule};
use crate::plan::{Mode, ProxyId};

/// Links `default_backend` and `use_backend`.
pub(super) fn link(drafts: &mut Drafts<'_>) {
    let mut backends: HashMap<String, ProxyId> = HashMap::new();
    for (index, draft) in drafts.proxies.iter().enumerate() {
        if draft.proxy.role.is_backend() {
            let id = ProxyId(u32::try_from(index).unwrap_or(u32::MAX));
            backends.entry(draft.proxy.name.clone()).or_insert(id);
        }
    }
    let modes: Vec<Mode> = drafts.proxies.iter().map(|d| d.proxy.mode).collect();
    let mut diagnostics = Vec::new();
    for draft in &mut drafts.proxies {
        if !draft.proxy.role.is_frontend() || draft.broken {
            continue;
        }
        let frontend = draft.proxy.name.clone();
        let mode = draft.proxy.mode;
        let mut find = |name: &Word, keyword: &str| -> Option<ProxyId> {
            let text = name.shown();
            let Some(id) = backends.get(&text).copied() else {
                let diagnostic = Diagnostic::whole(
                    Code::UnknownBackend,
                    Some(name.span),
                    format!("'{keyword}' of '{frontend}' names no backend: '{text}'"),
                );
                let names = backends.keys().map(String::as_str);
                let near = haproxy_cfg_grammar::keyword::nearest(&text, names);
                diagnostics.push(match near {
                    Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
                    None => diagnostic.help(format!("add a section 'backend {text}'")),
                });
                return None;
            };
            let target = modes.get(id.0 as usize).copied().unwrap_or(mode);
            if target != mode && !(target == Mode::Http && mode == Mode::Tcp) {
                diagnostics.push(Diagnostic::whole(
                    Code::ModeMismatch,
                    Some(name.span),
                    format!("'{frontend}' and its backend '{text}' do not have the same mode"),
                ));
            }
            Some(id)
        };
        if let Some(name) = draft.default_backend.take() {
            draft.proxy.default_backend = find(&name, "default_backend");
        }
        for (name, condition) in std::mem::take(&mut draft.switching) {
            if let Some(id) = find(&name, "use_backend") {
                draft.proxy.switching.push(switching_rule(id, condition));
            }
        }
    }
    drafts.diagnostics.extend(diagnostics);
}
