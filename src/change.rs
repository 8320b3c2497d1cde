//! What a change of configuration means: `hapax diff`, `hapax reload --dry-run`. Pure.
//!
//! Two plans are compared, not two files: a comment, another order of sections, a value that is
//! written where it was inherited before change nothing. Sections, listeners and servers are known by
//! name and address, as in a reload.

mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::engine::ListenerKey;
use crate::pattern_list::file;
use crate::plan::{ByteString, Plan, Proxy, Role, Server, ServerPort};
use value::Value;

/// All differences between two plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What is there in the new plan only.
    pub added: Vec<String>,
    /// What is there in the old plan only.
    pub removed: Vec<String>,
    /// What is there in both and differs, and in what.
    pub changed: Vec<(String, Vec<String>)>,
    /// Settings that differ and that a reload does not change.
    pub needs_restart: Vec<&'static str>,
}

impl Change {
    /// Whether the plans mean the same.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing changes");
        }
        for text in &self.removed {
            writeln!(f, "- {text}")?;
        }
        for text in &self.added {
            writeln!(f, "+ {text}")?;
        }
        for (what, differences) in &self.changed {
            writeln!(f, "~ {what}")?;
            for difference in differences {
                writeln!(f, "      {difference}")?;
            }
        }
        for setting in &self.needs_restart {
            writeln!(f, "! '{setting}' takes effect at the next start only")?;
        }
        Ok(())
    }
}

/// Compares the running plan with the next.
pub fn between(old: &Plan, new: &Plan) -> Change {
    let mut change = Change {
        needs_restart: needs_restart(old, new),
        ..Change::default()
    };
    listeners(old, new, &mut change);
    proxies(old, new, &mut change);
    maps(old, new, &mut change);
    let (mut before, mut after) = (
        value::of(&old.global, old, None),
        value::of(&new.global, new, None),
    );
    without(&mut before, START_ONLY);
    without(&mut after, START_ONLY);
    change.note("global", differences(&before, &after));
    for list in &new.userlists {
        match old.userlists.iter().find(|l| l.name == list.name) {
            None => change.added.push(format!("userlist {}", list.name)),
            Some(before) if before != list => {
                let what = format!("userlist {}", list.name);
                // Passwords are not shown.
                change.note(&what, vec!["users or groups differ".to_owned()]);
            }
            Some(_) => {}
        }
    }
    for list in &old.userlists {
        if !new.userlists.iter().any(|l| l.name == list.name) {
            change.removed.push(format!("userlist {}", list.name));
        }
    }
    change
}

/// Fields of the global section that only a start looks at.
const START_ONLY: &[&str] = &[
    "workers", "daemon", "debug", "quiet", "pidfile", "chroot", "uid", "gid", "ulimit-n",
];

/// Settings that differ, and that a reload does not change.
pub fn needs_restart(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let (a, b) = (&old.global, &new.global);
    [
        ("nbproc", a.workers != b.workers),
        ("daemon", a.daemon != b.daemon),
        ("pidfile", a.pidfile != b.pidfile),
        ("chroot", a.chroot != b.chroot),
        ("user", a.uid != b.uid),
        ("group", a.gid != b.gid),
        ("ulimit-n", a.ulimit_n != b.ulimit_n),
        ("tune.bufsize", a.tune.bufsize != b.tune.bufsize),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

impl Change {
    fn note(&mut self, what: &str, differences: Vec<String>) {
        if !differences.is_empty() {
            self.changed.push((what.to_owned(), differences));
        }
    }
}

/// Maps by their files: which converters ask them is said where those stand.
fn maps(old: &Plan, new: &Plan, change: &mut Change) {
    let files = |plan: &Plan| -> BTreeMap<ByteString, Arc<[u8]>> {
        let maps = plan.maps.iter();
        maps.map(|map| (map.file.clone(), Arc::clone(&map.content)))
            .collect()
    };
    let (before, after) = (files(old), files(new));
    for (file, content) in &after {
        let Some(was) = before.get(file) else {
            change.added.push(format!("map {file}"));
            continue;
        };
        if was == content {
            continue;
        }
        let pairs = |content| -> BTreeMap<Vec<u8>, Vec<Option<&[u8]>>> {
            let mut pairs = BTreeMap::new();
            for line in file::lines(content, true) {
                let values: &mut Vec<_> = pairs.entry(line.key.to_vec()).or_default();
                values.push(line.value);
            }
            pairs
        };
        let (was, is) = (pairs(was), pairs(content));
        let count = |what: &str, n: usize| (n > 0).then(|| format!("{n} {what}"));
        let fresh = is.keys().filter(|key| !was.contains_key(*key)).count();
        let gone = was.keys().filter(|key| !is.contains_key(*key)).count();
        let other = is
            .iter()
            .filter(|(key, now)| was.get(*key).is_some_and(|before| before != *now))
            .count();
        let mut differences: Vec<String> = [
            count("keys are new", fresh),
            count("keys are gone", gone),
            count("keys stand for something else", other),
        ]
        .into_iter()
        .flatten()
        .collect();
        if differences.is_empty() {
            differences.push("in another order, or written otherwise".to_owned());
        }
        change.note(&format!("map {file}"), differences);
    }
    for file in before.keys().filter(|file| !after.contains_key(*file)) {
        change.removed.push(format!("map {file}"));
    }
}

fn kind(proxy: &Proxy) -> &'static str {
    match proxy.role {
        Role::Frontend => "frontend",
        Role::Backend => "backend",
        Role::Listen => "listen",
    }
}

fn listeners(old: &Plan, new: &Plan, change: &mut Change) {
    let keys = |plan: &Plan| -> BTreeMap<ListenerKey, String> {
        let active = plan.proxies.iter().filter(|proxy| !proxy.disabled);
        active
            .flat_map(|proxy| {
                let owner = format!("{} {}", kind(proxy), proxy.name);
                let keys = proxy.listeners.iter().map(ListenerKey::of);
                keys.map(move |key| (key, owner.clone()))
            })
            .collect()
    };
    let (before, after) = (keys(old), keys(new));
    for (key, owner) in &after {
        match before.get(key) {
            None => change.added.push(format!("listener {key} ({owner})")),
            Some(was) if was != owner => {
                let moved = format!("owner: {was} -> {owner}");
                change.note(&format!("listener {key}"), vec![moved]);
            }
            Some(_) => {}
        }
    }
    for (key, owner) in &before {
        if !after.contains_key(key) {
            change.removed.push(format!("listener {key} ({owner})"));
        }
    }
}

fn proxies(old: &Plan, new: &Plan, change: &mut Change) {
    let same = |a: &Proxy, b: &Proxy| a.name == b.name && a.role == b.role;
    for proxy in &new.proxies {
        let what = format!("{} {}", kind(proxy), proxy.name);
        let Some(before) = old.proxies.iter().find(|p| same(p, proxy)) else {
            change.added.push(what);
            for server in &proxy.servers {
                change.added.push(shown(proxy, server));
            }
            continue;
        };
        let tree = |proxy: &Proxy, plan: &Plan| {
            let mut tree = value::of(proxy, plan, Some(proxy));
            // These are compared by themselves.
            without(&mut tree, &["servers", "listeners"]);
            tree
        };
        change.note(&what, differences(&tree(before, old), &tree(proxy, new)));
        servers((old, before), (new, proxy), change);
        for listener in &proxy.listeners {
            let key = ListenerKey::of(listener);
            if let Some(was) = before.listeners.iter().find(|l| ListenerKey::of(l) == key) {
                let differences = differences(
                    &value::of(was, old, Some(before)),
                    &value::of(listener, new, Some(proxy)),
                );
                change.note(&format!("listener {key}"), differences);
            }
        }
    }
    for proxy in &old.proxies {
        if !new.proxies.iter().any(|p| same(p, proxy)) {
            change
                .removed
                .push(format!("{} {}", kind(proxy), proxy.name));
        }
    }
}

fn servers((old, before): (&Plan, &Proxy), (new, after): (&Plan, &Proxy), change: &mut Change) {
    for server in &after.servers {
        match before.servers.iter().find(|s| s.name == server.name) {
            None => change.added.push(shown(after, server)),
            Some(was) => {
                let what = format!("server {}/{}", after.name, server.name);
                let mut differences = differences(
                    &value::of(was, old, Some(before)),
                    &value::of(server, new, Some(after)),
                );
                if was.address != server.address {
                    differences.push("it is another server: its state begins anew".to_owned());
                }
                change.note(&what, differences);
            }
        }
    }
    for server in &before.servers {
        if !after.servers.iter().any(|s| s.name == server.name) {
            let text = shown(before, server);
            change
                .removed
                .push(format!("{text} (its sessions finish, its queue moves on)"));
        }
    }
}

fn shown(proxy: &Proxy, server: &Server) -> String {
    let ip = server
        .address
        .ip
        .map_or_else(|| "*".to_owned(), |ip| ip.to_string());
    let port = match server.address.port {
        ServerPort::Fixed(port) => port.to_string(),
        ServerPort::Mapped(offset) => format!("{offset:+}"),
    };
    format!("server {}/{} {ip}:{port}", proxy.name, server.name)
}

fn without(tree: &mut Value, names: &[&str]) {
    if let Value::Map(parts) = tree {
        parts.retain(|(name, _)| !names.contains(&name.as_str()));
    }
}

/// How two trees differ, one text for each difference.
fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Map(a), Value::Map(b)) if names(a) == names(b) => {
            for ((name, a), (_, b)) in a.iter().zip(b) {
                compare(&join(path, name), a, b, found);
            }
        }
        (Value::List(_) | Value::Nothing, Value::List(_) | Value::Nothing) => {
            let entries = |value: &Value| match value {
                Value::List(entries) => entries.clone(),
                _ => Vec::new(),
            };
            entries_differ(path, &entries(old), &entries(new), found);
        }
        _ => found.push(format!("{}: {old} -> {new}", keyword(path))),
    }
}

fn entries_differ(path: &str, old: &[Value], new: &[Value], found: &mut Vec<String>) {
    let before = found.len();
    let mut rest: Vec<&Value> = new.iter().collect();
    for entry in old {
        match rest.iter().position(|other| *other == entry) {
            Some(index) => drop(rest.remove(index)),
            None => found.push(format!("- {}: {entry}", keyword(path))),
        }
    }
    for entry in rest {
        found.push(format!("+ {}: {entry}", keyword(path)));
    }
    if found.len() == before {
        found.push(format!("{}: in another order", keyword(path)));
    }
}

fn names(parts: &[(String, Value)]) -> Vec<&str> {
    parts.iter().map(|(name, _)| name.as_str()).collect()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The words of the configuration for a place in the plan.
fn keyword(path: &str) -> String {
    for (place, word) in [
        ("timeouts.", "timeout "),
        ("options.", "option "),
        ("mode-options.", "option "),
        ("check.", "check "),
        ("log-targets", "log"),
        ("acls", "acl"),
        ("switching", "use_backend"),
        ("default-backend", "default_backend"),
    ] {
        if let Some(rest) = path.strip_prefix(place) {
            return format!("{word}{rest}");
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests;
