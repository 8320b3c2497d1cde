//! The lists of patterns that ACLs are compared with, numbered as the statistics socket names them.
//!
//! Every ACL has a list of its own, with what stands on its line. A file is one list, whatever the
//! number of ACLs that name it. Numbers are given in the order of the file; `-u` takes one out of
//! turn.

use std::collections::{HashMap, HashSet};

use crate::plan::{Acl, AclId, Pattern, PatternFile, Plan, ProxyId};

/// One list.
#[derive(Clone, Debug)]
pub struct List<'p> {
    /// Its number.
    pub number: u32,
    /// The ACLs that are compared with it, at least one.
    pub uses: Vec<Use<'p>>,
}

/// An ACL that is compared with a list.
#[derive(Clone, Copy, Debug)]
pub struct Use<'p> {
    /// The proxy that it belongs to.
    pub proxy: ProxyId,
    /// Which of its ACLs.
    pub acl: AclId,
    /// The same.
    pub what: &'p Acl,
    /// Which of the files of the ACL; `None` is what stands on its line.
    pub file: Option<&'p PatternFile>,
}

impl<'p> Use<'p> {
    /// Whether the case of letters is of no matter.
    pub fn ignore_case(&self) -> bool {
        self.file
            .map_or(self.what.ignore_case, |file| file.ignore_case)
    }

    /// Whether the patterns are among those that are compared by case whatever `-i` says.
    pub fn exact_case(&self) -> bool {
        self.file.is_some_and(|file| file.exact_case)
    }

    /// What the plan has of the list, in its order.
    pub fn patterns(&self) -> &'p [Pattern] {
        let acl = self.what;
        let (all, from, count) = match self.file {
            None => (&acl.patterns, 0, acl.written.patterns.len()),
            Some(file) if file.exact_case => (&acl.exact_case, file.from, file.count),
            Some(file) => (&acl.patterns, file.from, file.count),
        };
        all.get(from..from + count).unwrap_or_default()
    }
}

impl<'p> List<'p> {
    /// The name of the file.
    pub fn file(&self) -> Option<String> {
        Some(self.uses.first()?.file?.name.to_string())
    }

    /// The criterion of the ACL that the list belongs to, without its arguments.
    pub fn criterion(&self) -> &'p str {
        let written = self
            .uses
            .first()
            .map(|used| used.what.written.criterion.as_str());
        let end = |c| matches!(c, '(' | ',');
        written
            .unwrap_or_default()
            .split(end)
            .next()
            .unwrap_or_default()
    }

    /// What the configuration says: the patterns as written, in their order.
    pub fn written(&self) -> Vec<&'p [u8]> {
        match self.uses.first() {
            None => Vec::new(),
            Some(used) => match used.file {
                Some(file) => file.lines().collect(),
                None => used
                    .what
                    .written
                    .patterns
                    .iter()
                    .map(|t| t.as_bytes())
                    .collect(),
            },
        }
    }
}

/// The lists of a plan, by number.
pub fn of(plan: &Plan) -> Vec<List<'_>> {
    let mut lists: Vec<List<'_>> = Vec::new();
    let mut files: HashMap<&[u8], usize> = HashMap::new();
    let mut given = Vec::new();
    for (proxy, acls) in (0..).map(ProxyId).zip(plan.proxies.iter().map(|p| &p.acls)) {
        for (acl, what) in (0..).map(AclId).zip(acls) {
            let used = |file| Use {
                proxy,
                acl,
                what,
                file,
            };
            for file in &what.written.files {
                let at = *files.entry(file.name.as_bytes()).or_insert_with(|| {
                    lists.push(List {
                        number: 0,
                        uses: Vec::new(),
                    });
                    given.push(None);
                    lists.len() - 1
                });
                lists[at].uses.push(used(Some(file)));
            }
            lists.push(List {
                number: 0,
                uses: vec![used(None)],
            });
            given.push(what.written.number);
        }
    }
    let taken: HashSet<u32> = given.iter().copied().flatten().collect();
    let mut free = (0..).filter(|number| !taken.contains(number));
    for (list, given) in lists.iter_mut().zip(given) {
        list.number = given.or_else(|| free.next()).unwrap_or(u32::MAX);
    }
    lists.sort_by_key(|list| list.number);
    lists
}
