//! Patterns of ACLs, changed while they are in use.
//!
//! What was changed is kept by list (see [`super::live::ListKey`]); the generation in service compiles
//! it anew for every ACL that is compared with the list, and puts it in place of what was there. No
//! request waits for that.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::generation::Generation;
use super::live::{Changed, Entry, ListKey, list_keys};
use super::worker::Shared;
use crate::acl::entry;
use crate::acl::lists::{self, List, Use};
use crate::plan::{Acl, Pattern, Plan, ProxyId};

/// What is to happen to a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PatternChange<'a> {
    /// Another pattern.
    Add(&'a [u8]),
    /// All of these patterns go.
    Remove(&'a [u8]),
    /// The entry of that number goes.
    RemoveEntry(u64),
    /// All patterns go.
    Clear,
}

/// Why a list was not changed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such pattern in it.
    NoSuchPattern,
    /// Something is wrong with the pattern.
    Bad(String),
}

/// The lists that were changed.
type Changes = HashMap<ListKey, Changed>;

/// What a list holds now.
pub(crate) fn entries(shared: &Shared, plan: &Plan, all: &[List<'_>], at: usize) -> Vec<Entry> {
    let changes = shared.registry.patterns.lock();
    if !changes.is_empty()
        && let Some(key) = list_keys(plan, all).get(at)
        && let Some(changed) = changes.get(key)
    {
        return changed.entries.clone();
    }
    all.get(at)
        .map_or_else(Vec::new, |list| Changed::of(list).entries)
}

/// Changes the list of that number in the generation in service.
pub(crate) fn change(shared: &Shared, number: u32, what: PatternChange<'_>) -> Result<(), Refusal> {
    let mut changes = shared.registry.patterns.lock();
    // While the lock is held, no other generation gets into service.
    let generation = shared.current.load_full();
    let all = lists::of(&generation.plan);
    let Some(at) = all.iter().position(|list| list.number == number) else {
        return Err(Refusal::NoSuchPattern);
    };
    let Some(key) = list_keys(&generation.plan, &all).into_iter().nth(at) else {
        return Err(Refusal::NoSuchPattern);
    };
    let list = &all[at];
    if let PatternChange::Add(text) = what {
        let read = list
            .uses
            .iter()
            .map(|used| entry::read(used.what, text, used.ignore_case()));
        let read: Vec<Pattern> = read.collect::<Result<_, _>>().map_err(Refusal::Bad)?;
        let now = changes.entry(key).or_insert_with(|| Changed::of(list));
        now.entries.push(Entry {
            id: now.next,
            text: text.into(),
        });
        now.next += 1;
        for (used, pattern) in list.uses.iter().zip(&read) {
            generation.add_pattern(used, pattern, &changes, &all);
        }
        return Ok(());
    }
    let known = changes.remove(&key);
    let was_changed = known.is_some();
    let mut now = known.unwrap_or_else(|| Changed::of(list));
    let before = now.entries.len();
    match what {
        PatternChange::Remove(text) => now.entries.retain(|entry| entry.text.as_bytes() != text),
        PatternChange::RemoveEntry(id) => now.entries.retain(|entry| entry.id != id),
        PatternChange::Clear | PatternChange::Add(_) => now.entries.clear(),
    }
    let nothing = now.entries.len() == before;
    if was_changed || !nothing {
        changes.insert(key, now);
    }
    if nothing {
        return match what {
            PatternChange::Clear => Ok(()),
            _ => Err(Refusal::NoSuchPattern),
        };
    }
    let used = |used: &Use<'_>| {
        list.uses
            .iter()
            .any(|u| (u.proxy, u.acl) == (used.proxy, used.acl))
    };
    generation.put_patterns(&changes, &all, used);
    Ok(())
}

impl Generation {
    /// Takes over what was changed under the generation before, as far as it is about the lists of
    /// this plan. What is not is forgotten.
    pub(crate) fn adopt_patterns(&self, changes: &mut Changes) {
        if changes.is_empty() {
            return;
        }
        let all = lists::of(&self.plan);
        let keys: HashMap<ListKey, usize> =
            list_keys(&self.plan, &all).into_iter().zip(0..).collect();
        changes.retain(|key, changed| keys.get(key).is_some_and(|at| changed.is_of(&all[*at])));
        let mut affected = HashSet::new();
        for at in changes.keys().filter_map(|key| keys.get(key)) {
            affected.extend(all[*at].uses.iter().map(|used| (used.proxy, used.acl)));
        }
        self.put_patterns(changes, &all, |used| {
            affected.contains(&(used.proxy, used.acl))
        });
    }

    /// One pattern more for an ACL.
    fn add_pattern(&self, used: &Use<'_>, pattern: &Pattern, changes: &Changes, all: &[List<'_>]) {
        self.unsettle(used.proxy, &[used.acl.0 as usize]);
        let acls = &self.handles(used.proxy).acls;
        let added = acls.add(used.acl.0 as usize, used.what, pattern, used.exact_case());
        if !matches!(added, Ok(true)) {
            self.put_patterns(changes, all, |u| (u.proxy, u.acl) == (used.proxy, used.acl));
        }
    }

    /// Compiles some ACLs with what their lists hold now.
    fn put_patterns(&self, changes: &Changes, all: &[List<'_>], which: impl Fn(&Use<'_>) -> bool) {
        let keys = list_keys(&self.plan, all);
        let mut acls: BTreeMap<(ProxyId, usize), Acl> = BTreeMap::new();
        for (list, key) in all.iter().zip(&keys) {
            for used in list.uses.iter().filter(|used| which(used)) {
                let at = (used.proxy, used.acl.0 as usize);
                let acl = acls.entry(at).or_insert_with(|| Acl {
                    patterns: Vec::new(),
                    exact_case: Vec::new(),
                    ..used.what.clone()
                });
                let patterns = match changes.get(key) {
                    Some(changed) => held(used, changed),
                    None => used.patterns().to_vec(),
                };
                if used.exact_case() {
                    acl.exact_case.extend(patterns);
                } else {
                    acl.patterns.extend(patterns);
                }
            }
        }
        let mut by_proxy: BTreeMap<ProxyId, Vec<usize>> = BTreeMap::new();
        for (proxy, acl) in acls.keys() {
            by_proxy.entry(*proxy).or_default().push(*acl);
        }
        for (proxy, changed) in by_proxy {
            self.unsettle(proxy, &changed);
        }
        for ((proxy, index), acl) in &acls {
            if let Err(error) = self.handles(*proxy).acls.replace(*index, acl) {
                tracing::error!(%error, acl = acl.name, "patterns were added that do not fit");
            }
        }
    }

    /// Rules are no longer found by the patterns that the plan has for these ACLs.
    fn unsettle(&self, id: ProxyId, which: &[usize]) {
        let (proxy, handles) = (self.proxy(id), self.handles(id));
        if which.iter().all(|acl| handles.acls.is_changed(*acl)) {
            return;
        }
        let changed = |acl: usize| which.contains(&acl) || handles.acls.is_changed(acl);
        let switching = proxy.switching.iter().map(|rule| rule.condition.as_ref());
        handles.switching.rebuild(switching, &proxy.acls, &changed);
        handles
            .rules
            .patterns_changed(&proxy.http_rules, &proxy.acls, &changed);
    }
}

/// The patterns of a list that was changed, for one of its ACLs. What an ACL cannot read that has
/// come to use the list later is nothing to it.
fn held(used: &Use<'_>, changed: &Changed) -> Vec<Pattern> {
    let written = used.patterns();
    let pattern = |entry: &Entry| {
        let own = usize::try_from(entry.id)
            .ok()
            .and_then(|at| written.get(at));
        own.cloned()
            .or_else(|| entry::read(used.what, &entry.text, used.ignore_case()).ok())
    };
    changed.entries.iter().filter_map(pattern).collect()
}
