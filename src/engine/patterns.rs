//! Lists of patterns, changed while they are in use: those of ACLs, and maps.
//!
//! What was changed is kept by list (see [`super::live::ListKey`]); the generation in service compiles
//! it anew for every ACL and map that is compared with the list, and puts it in place of what was
//! there. No request waits for that.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::generation::Generation;
use super::live::{Changed, Entry, ListKey, list_keys};
use super::worker::Shared;
use crate::pattern_list::{self, List, Use, User, entry};
use crate::plan::{Acl, ByteString, MapEntry, MapId, MapOutput, MapValue, Pattern, Plan, ProxyId};

/// What is to happen to a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PatternChange<'a> {
    /// Another entry.
    Add {
        /// The pattern, or the key.
        key: &'a [u8],
        /// What the key stands for.
        value: Option<&'a [u8]>,
    },
    /// These entries stand for something else.
    Set(Which<'a>, &'a [u8]),
    /// These entries go.
    Remove(Which<'a>),
    /// All entries go.
    Clear,
}

/// Which entries of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// All with that key.
    Key(&'a [u8]),
    /// The one of that number.
    Number(u64),
}

impl Which<'_> {
    fn is(self, entry: &Entry) -> bool {
        match self {
            Self::Key(key) => entry.key.as_bytes() == key,
            Self::Number(number) => entry.id == number,
        }
    }
}

/// Why a list was not changed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such entry in it.
    NoSuchPattern,
    /// Something is wrong with the pattern, or with what it is to stand for.
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

/// Changes a list in the generation in service.
pub(crate) fn change(
    shared: &Shared,
    key: &ListKey,
    what: PatternChange<'_>,
) -> Result<(), Refusal> {
    let mut changes = shared.registry.patterns.lock();
    // While the lock is held, no other generation gets into service.
    let generation = shared.current.load_full();
    let all = pattern_list::of(&generation.plan);
    let keys = list_keys(&generation.plan, &all);
    let Some(list) = keys.iter().position(|k| k == key).and_then(|n| all.get(n)) else {
        return Err(Refusal::NoSuchPattern);
    };
    if let PatternChange::Add { key: text, value } = what {
        let read = list
            .uses
            .iter()
            .map(|used| Compared::new(used, text, value));
        let read: Vec<Compared> = read.collect::<Result<_, _>>().map_err(Refusal::Bad)?;
        let now = changes
            .entry(key.clone())
            .or_insert_with(|| Changed::of(list));
        now.entries.push(Entry {
            id: now.next,
            key: text.into(),
            value: value.map(ByteString::from),
        });
        now.next += 1;
        let mut done = HashSet::new();
        for (used, entry) in list.uses.iter().zip(read) {
            if done.insert(compiled(used)) {
                generation.add_entry(used, entry, &changes, &all);
            }
        }
        return Ok(());
    }
    if let PatternChange::Set(_, value) = what {
        for output in list.uses.iter().filter_map(Use::output) {
            read_value(output, value).map_err(Refusal::Bad)?;
        }
    }
    let known = changes.remove(key);
    let was_changed = known.is_some();
    let mut now = known.unwrap_or_else(|| Changed::of(list));
    let before = now.entries.len();
    let mut done = false;
    match what {
        PatternChange::Set(which, value) => {
            for entry in now.entries.iter_mut().filter(|entry| which.is(entry)) {
                entry.value = Some(value.into());
                done = true;
            }
        }
        PatternChange::Remove(which) => now.entries.retain(|entry| !which.is(entry)),
        PatternChange::Clear | PatternChange::Add { .. } => now.entries.clear(),
    }
    done |= now.entries.len() != before;
    if was_changed || done {
        changes.insert(key.clone(), now);
    }
    if !done {
        return match what {
            PatternChange::Clear => Ok(()),
            _ => Err(Refusal::NoSuchPattern),
        };
    }
    let changed: HashSet<CompiledId> = list.uses.iter().map(compiled).collect();
    generation.put_entries(&changes, &all, &changed);
    Ok(())
}

/// What is compiled of lists: an ACL of a proxy, or a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CompiledId {
    Acl(ProxyId, usize),
    Map(MapId),
}

fn compiled(used: &Use<'_>) -> CompiledId {
    match used.user {
        User::Acl { proxy, id, .. } => CompiledId::Acl(proxy, id.0 as usize),
        User::Map { id, .. } => CompiledId::Map(id),
    }
}

/// An entry as one of those reads it who are compared with the list.
struct Compared {
    key: Pattern,
    /// `None` for ACLs, which do not look at it.
    value: Option<MapValue>,
}

impl Compared {
    fn new(used: &Use<'_>, key: &[u8], value: Option<&[u8]>) -> Result<Self, String> {
        let value = used
            .output()
            .map(|output| read_value(output, value.unwrap_or_default()));
        Ok(Self {
            value: value.transpose()?,
            key: used.read(key)?,
        })
    }
}

fn read_value(output: MapOutput, text: &[u8]) -> Result<MapValue, String> {
    output.read(text).ok_or_else(|| entry::unreadable(text))
}

impl Generation {
    /// Takes over what was changed under the generation before, as far as it is about the lists of
    /// this plan. What is not is forgotten.
    pub(crate) fn adopt_patterns(&self, changes: &mut Changes) {
        if changes.is_empty() {
            return;
        }
        let all = pattern_list::of(&self.plan);
        let keys: HashMap<ListKey, usize> =
            list_keys(&self.plan, &all).into_iter().zip(0..).collect();
        changes.retain(|key, changed| keys.get(key).is_some_and(|at| changed.is_of(&all[*at])));
        let mut affected = HashSet::new();
        for at in changes.keys().filter_map(|key| keys.get(key)) {
            affected.extend(all[*at].uses.iter().map(compiled));
        }
        self.put_entries(changes, &all, &affected);
    }

    /// One entry more for an ACL or a map.
    fn add_entry(&self, used: &Use<'_>, entry: Compared, changes: &Changes, all: &[List<'_>]) {
        let added = match used.user {
            User::Acl {
                proxy,
                id,
                acl,
                file,
            } => {
                let id = id.0 as usize;
                self.unsettle(proxy, &[id]);
                let exact = file.is_some_and(|file| file.exact_case);
                self.handles(proxy).acls.add(id, acl, &entry.key, exact)
            }
            User::Map { id, .. } => match (self.maps.get(id), entry.value) {
                (Some(map), Some(value)) => map.add(MapEntry {
                    key: entry.key,
                    value,
                }),
                _ => Ok(true),
            },
        };
        if !matches!(added, Ok(true)) {
            self.put_entries(changes, all, &HashSet::from([compiled(used)]));
        }
    }

    /// Compiles some ACLs and maps with what their lists hold now.
    fn put_entries(&self, changes: &Changes, all: &[List<'_>], which: &HashSet<CompiledId>) {
        let keys = list_keys(&self.plan, all);
        let mut acls: BTreeMap<(ProxyId, usize), Acl> = BTreeMap::new();
        let mut maps: BTreeMap<MapId, Vec<MapEntry>> = BTreeMap::new();
        for (list, key) in all.iter().zip(&keys) {
            let mut entries = None;
            for used in list
                .uses
                .iter()
                .filter(|used| which.contains(&compiled(used)))
            {
                let entries = entries.get_or_insert_with(|| match changes.get(key) {
                    Some(changed) => changed.entries.clone(),
                    None => Changed::of(list).entries,
                });
                let read = entries.iter().filter_map(|entry| read(used, entry));
                match used.user {
                    User::Acl {
                        proxy,
                        id,
                        acl,
                        file,
                    } => {
                        let acl = acls.entry((proxy, id.0 as usize)).or_insert_with(|| Acl {
                            patterns: Vec::new(),
                            exact_case: Vec::new(),
                            ..acl.clone()
                        });
                        let patterns = read.map(|entry| entry.key);
                        if file.is_some_and(|file| file.exact_case) {
                            acl.exact_case.extend(patterns);
                        } else {
                            acl.patterns.extend(patterns);
                        }
                    }
                    User::Map { id, .. } => {
                        maps.entry(id).or_insert_with(|| {
                            let entry = |entry: Compared| {
                                Some(MapEntry {
                                    key: entry.key,
                                    value: entry.value?,
                                })
                            };
                            read.filter_map(entry).collect()
                        });
                    }
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
        for (id, entries) in &maps {
            let replaced = self.maps.get(*id).map(|map| map.replace(entries));
            if let Some(Err(error)) = replaced {
                tracing::error!(%error, "keys were added that do not fit");
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

/// An entry as an ACL or a map reads it. What it cannot read that has come to use the list later is
/// nothing to it.
fn read(used: &Use<'_>, entry: &Entry) -> Option<Compared> {
    let planned = usize::try_from(entry.id)
        .ok()
        .and_then(|at| used.pattern(at));
    let value = used
        .output()
        .map(|output| output.read(entry.value.as_deref().unwrap_or_default()));
    Some(Compared {
        key: match planned {
            Some(pattern) => pattern.clone(),
            None => used.read(&entry.key).ok()?,
        },
        value: match value {
            Some(value) => Some(value?),
            None => None,
        },
    })
}
