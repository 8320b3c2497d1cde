//! Lists of patterns, numbered as the statistics socket names them, and who is compared with them.
//!
//! Every ACL has a list of its own, with what stands on its line. A file is one list, whatever the
//! number of ACLs and maps that name it. Numbers are given in the order of the configuration; `-u`
//! takes one out of turn.

pub mod entry;
pub mod file;
pub(crate) mod layers;

use std::collections::{HashMap, HashSet};

use haproxy_cfg_grammar::value::criterion;
use serde::{Deserialize, Serialize};

use crate::plan::{
    Acl, AclId, Fetch, Map, MapId, MapOutput, MatchMethod, Pattern, PatternFile, PatternUser, Plan,
    ProxyId,
};

/// One list.
#[derive(Clone, Debug)]
pub struct List<'p> {
    /// Its number; files that HAProxy reads when all numbers are given have none.
    pub number: Option<u32>,
    /// Who is compared with it, at least one.
    pub uses: Vec<Use<'p>>,
}

/// What a list is taken for. A file may be both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// What ACLs are compared with.
    Acl,
    /// Keys with values.
    Map,
}

impl Kind {
    /// Whether a list is one.
    pub fn has(self, list: &List<'_>) -> bool {
        match self {
            Self::Acl => list.is_acl(),
            Self::Map => list.is_map(),
        }
    }
}

/// Who is compared with a list.
#[derive(Clone, Copy, Debug)]
pub struct Use<'p> {
    /// An ACL or a map.
    pub user: User<'p>,
    /// Its place among [`Plan::pattern_users`].
    pub place: usize,
}

/// An ACL or a map that is compared with a list.
#[derive(Clone, Copy, Debug)]
pub enum User<'p> {
    /// An ACL.
    Acl {
        /// The proxy that it belongs to.
        proxy: ProxyId,
        /// Which of its ACLs.
        id: AclId,
        /// The same.
        acl: &'p Acl,
        /// Which of the files of the ACL; `None` is what stands on its line.
        file: Option<&'p PatternFile>,
    },
    /// A map.
    Map {
        /// Which one.
        id: MapId,
        /// The same.
        map: &'p Map,
    },
}

/// An entry as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'p> {
    /// The pattern, or the key.
    pub key: &'p [u8],
    /// What stands behind the key; `None` when the list has patterns alone.
    pub value: Option<&'p [u8]>,
}

impl<'p> Use<'p> {
    /// How values are compared.
    pub fn matching(&self) -> MatchMethod {
        match self.user {
            User::Acl { acl, .. } => acl.matching,
            User::Map { map, .. } => map.matching,
        }
    }

    /// What the second column is read as; `None` for who does not look there.
    pub fn output(&self) -> Option<MapOutput> {
        match self.user {
            User::Acl { .. } => None,
            User::Map { map, .. } => Some(map.output),
        }
    }

    /// Whether it says that it does not mind the case of letters.
    pub fn ignore_case(&self) -> bool {
        match self.user {
            User::Acl { acl, file, .. } => file.map_or(acl.ignore_case, |file| file.ignore_case),
            User::Map { .. } => false,
        }
    }

    /// Whether it looks at the name of a method.
    pub fn is_of_method(&self) -> bool {
        matches!(self.user, User::Acl { acl, .. } if acl.sample.fetch == Fetch::Method)
    }

    /// Reads a pattern as it is compared here.
    ///
    /// # Errors
    /// What is wrong with it, in the words of 1.8, which scripts know.
    pub fn read(&self, text: &[u8]) -> Result<Pattern, String> {
        entry::read(self.matching(), self.folds(), text)
    }

    /// Whether the case of letters is of no matter.
    pub fn folds(&self) -> bool {
        let minds = matches!(self.user, User::Acl { acl, .. } if acl.minds_case());
        self.ignore_case() && !minds
    }

    /// The pattern of that place in the list, as the plan has it.
    pub fn pattern(&self, at: usize) -> Option<&'p Pattern> {
        match self.user {
            User::Map { map, .. } => map.entries.get(at).map(|entry| &entry.key),
            User::Acl { acl, file, .. } => {
                let (all, from, count) = match file {
                    None => (&acl.patterns, 0, acl.written.patterns.len()),
                    Some(file) if file.exact_case => (&acl.exact_case, file.from, file.count),
                    Some(file) => (&acl.patterns, file.from, file.count),
                };
                all.get(from..from + count)?.get(at)
            }
        }
    }
}

impl<'p> List<'p> {
    /// The name of the file.
    pub fn file(&self) -> Option<String> {
        match self.uses.first()?.user {
            User::Acl { file, .. } => Some(file?.name.to_string()),
            User::Map { map, .. } => Some(map.file.to_string()),
        }
    }

    /// The criterion of the ACL that the list belongs to, without its arguments.
    pub fn criterion(&self) -> &'p str {
        let Some(User::Acl { acl, .. }) = self.uses.first().map(|used| used.user) else {
            return "";
        };
        let end = |c| matches!(c, '(' | ',');
        let mut parts = acl.written.criterion.split(end);
        let name = parts.next().unwrap_or_default();
        match criterion::find(name) {
            // With converters behind it, it is the fetch that counts.
            Some(found) if !acl.sample.converters.is_empty() => found.fetch,
            _ => name,
        }
    }

    /// Whether it has keys with values: `show map` has it, and `del map`.
    pub fn is_map(&self) -> bool {
        self.uses.iter().any(|used| match used.user {
            User::Acl { file, .. } => file.is_some_and(|file| file.is_map),
            User::Map { .. } => true,
        })
    }

    /// Whether an ACL is compared with it: `show acl` has it, and `del acl`.
    pub fn is_acl(&self) -> bool {
        let mut uses = self.uses.iter();
        uses.any(|used| matches!(used.user, User::Acl { .. }))
    }

    /// What the configuration says, as written, in its order.
    pub fn written(&self) -> Vec<Written<'p>> {
        let alone = |key| Written { key, value: None };
        let of_file = |content: &'p [u8], is_map| -> Vec<Written<'p>> {
            file::lines(content, is_map)
                .map(|line| Written {
                    key: line.key,
                    value: line.value,
                })
                .collect()
        };
        match self.uses.first().map(|used| used.user) {
            None => Vec::new(),
            Some(User::Map { map, .. }) => of_file(&map.content, true),
            Some(User::Acl {
                file: Some(file), ..
            }) => of_file(&file.content, file.is_map),
            Some(User::Acl { acl, .. }) => {
                let patterns = acl.written.patterns.iter();
                patterns.map(|text| alone(text.as_bytes())).collect()
            }
        }
    }
}

/// The lists of a plan, by number.
pub fn of(plan: &Plan) -> Vec<List<'_>> {
    let mut lists = Collector::default();
    for (place, user) in plan.pattern_users.iter().enumerate() {
        match *user {
            PatternUser::Map { map: id, late } => {
                let Some(map) = plan.maps.get(id.0 as usize) else {
                    continue;
                };
                let user = User::Map { id, map };
                lists.file(map.file.as_bytes(), Use { user, place }, late);
            }
            PatternUser::Acl(proxy, id) => {
                let Some(acl) = plan.proxy(proxy).acls.get(id.0 as usize) else {
                    continue;
                };
                let used = |file| Use {
                    user: User::Acl {
                        proxy,
                        id,
                        acl,
                        file,
                    },
                    place,
                };
                for file in &acl.written.files {
                    lists.file(file.name.as_bytes(), used(Some(file)), false);
                }
                lists.line(used(None), acl.written.number);
            }
        }
    }
    lists.numbered()
}

#[derive(Default)]
struct Collector<'p> {
    lists: Vec<List<'p>>,
    files: HashMap<&'p [u8], usize>,
    numbering: Vec<Numbering>,
}

/// Where the number of a list comes from.
#[derive(Clone, Copy)]
enum Numbering {
    InTurn,
    Given(u32),
    None,
}

impl<'p> Collector<'p> {
    fn push(&mut self, used: Use<'p>, numbering: Numbering) {
        self.numbering.push(numbering);
        self.lists.push(List {
            number: None,
            uses: vec![used],
        });
    }

    fn line(&mut self, used: Use<'p>, given: Option<u32>) {
        self.push(used, given.map_or(Numbering::InTurn, Numbering::Given));
    }

    fn file(&mut self, name: &'p [u8], used: Use<'p>, late: bool) {
        if let Some(at) = self.files.get(name) {
            self.lists[*at].uses.push(used);
            // Read early for someone else, it has its number from there.
            if !late && matches!(self.numbering[*at], Numbering::None) {
                self.numbering[*at] = Numbering::InTurn;
            }
            return;
        }
        self.files.insert(name, self.lists.len());
        let numbering = if late {
            Numbering::None
        } else {
            Numbering::InTurn
        };
        self.push(used, numbering);
    }

    fn numbered(mut self) -> Vec<List<'p>> {
        let given = self
            .numbering
            .iter()
            .filter_map(|numbering| match numbering {
                Numbering::Given(number) => Some(*number),
                _ => None,
            });
        let taken: HashSet<u32> = given.collect();
        let mut free = (0..).filter(|number| !taken.contains(number));
        for (list, numbering) in self.lists.iter_mut().zip(&self.numbering) {
            list.number = match numbering {
                Numbering::InTurn => free.next(),
                Numbering::Given(number) => Some(*number),
                Numbering::None => None,
            };
        }
        // Those without a number come last.
        self.lists
            .sort_by_key(|list| (list.number.is_none(), list.number));
        self.lists
    }
}
