//! Lists of patterns, maps among them, that an administrator has changed.
//!
//! What was changed outlives a reload: the change belongs to the file, as long as that has the same
//! content, or to the ACL, as long as its line says the same.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::pattern_list::{List, User};
use crate::plan::{ByteString, Plan};

/// Which list it is, whatever its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListKey {
    /// That of a file.
    File(ByteString),
    /// That of the line of an ACL.
    Line {
        /// The proxy, which may share its name with one of the other side.
        proxy: String,
        /// Whether it has a frontend side.
        frontend: bool,
        /// The name of the ACL; empty for an anonymous one.
        acl: String,
        /// What it looks at.
        criterion: String,
        /// The patterns as written.
        patterns: Vec<ByteString>,
        /// Which of the lines that say the same.
        nth: u32,
    },
}

/// A list that was changed.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    /// For a file: what stood in it when it was changed.
    content: Option<Arc<[u8]>>,
    /// What it holds now.
    pub(crate) entries: Vec<Entry>,
    /// The number of the next entry.
    pub(crate) next: u64,
}

/// One pattern of a list that was changed.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place among those that the configuration gives, or a number after those.
    pub(crate) id: u64,
    /// The pattern, or the key, as written.
    pub(crate) key: ByteString,
    /// What the key stands for; `None` when the list has patterns alone.
    pub(crate) value: Option<ByteString>,
}

/// The lists that were changed, by what they are.
#[derive(Debug, Default)]
pub(crate) struct PatternLists {
    changed: Mutex<HashMap<ListKey, Changed>>,
}

impl PatternLists {
    /// For a look or a change. Requests never ask here.
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<ListKey, Changed>> {
        self.changed.lock()
    }
}

impl Changed {
    /// What the configuration says, to begin with.
    pub(crate) fn of(list: &List<'_>) -> Self {
        let entries: Vec<Entry> = (0..)
            .zip(list.written())
            .map(|(id, written)| Entry {
                id,
                key: written.key.into(),
                value: written.value.map(ByteString::from),
            })
            .collect();
        Self {
            content: content(list).cloned(),
            next: entries.len() as u64,
            entries,
        }
    }

    /// Whether the change was one of what the configuration says now.
    pub(crate) fn is_of(&self, list: &List<'_>) -> bool {
        match (&self.content, content(list)) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now) || then == now,
            (None, None) => true,
            _ => false,
        }
    }
}

fn content<'p>(list: &List<'p>) -> Option<&'p Arc<[u8]>> {
    Some(match list.uses.first()?.user {
        User::Acl { file, .. } => &file?.content,
        User::Map { map, .. } => &map.content,
    })
}

/// What the lists of a plan are known by.
pub(crate) fn keys(plan: &Plan, lists: &[List<'_>]) -> Vec<ListKey> {
    let mut seen: HashMap<ListKey, u32> = HashMap::new();
    let key = |list: &List<'_>| {
        let Some(used) = list.uses.first() else {
            return ListKey::File(ByteString::default());
        };
        let (proxy, acl) = match used.user {
            User::Map { map, .. } => return ListKey::File(map.file.clone()),
            User::Acl {
                file: Some(file), ..
            } => return ListKey::File(file.name.clone()),
            User::Acl { proxy, acl, .. } => (plan.proxy(proxy), acl),
        };
        let mut key = ListKey::Line {
            proxy: proxy.name.clone(),
            frontend: proxy.role.is_frontend(),
            acl: acl.name.clone(),
            criterion: acl.written.criterion.clone(),
            patterns: acl.written.patterns.clone(),
            nth: 0,
        };
        let count = seen.entry(key.clone()).or_default();
        if let ListKey::Line { nth, .. } = &mut key {
            *nth = *count;
        }
        *count += 1;
        key
    };
    lists.iter().map(key).collect()
}
