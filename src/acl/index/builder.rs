//! Which rules can be found by a pattern, and by which one.
//!
//! Every alternative of a condition needs one term that must hold and that compares texts; of
//! several such terms the one whose patterns the fewest rules share is taken. Where many rules share
//! one all the same, they are told apart by another of their terms, in an index within the index. A
//! rule with an alternative that has no such term is looked at always.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{NESTED, Patterns, RuleIndex, Subject};
use crate::acl::text_map::TextMap;
use crate::plan::{Acl, Condition, Conjunction, Fetch, Pattern, Polarity, Term};

/// From how many rules on an index is worth its memory.
const WORTHWHILE: usize = 4;
/// From how many rules on a class is cheaper to look up than its rules to walk.
const WORTH_A_LOOK: usize = 2;
/// How many rules may share a pattern before they are told apart by another one.
const CROWDED: usize = 8;

/// A pattern, folded, and the class that it belongs to.
type Keys = Vec<(usize, Box<[u8]>)>;

/// The classes of one level. Those of the levels around it tell nothing any more.
struct Classes<'a> {
    around: &'a BTreeSet<String>,
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    acls: Vec<&'a Acl>,
    /// ACLs that may be compared with other patterns than those of the plan.
    unsettled: &'a dyn Fn(usize) -> bool,
}

impl<'a> Classes<'a> {
    fn new(around: &'a BTreeSet<String>, unsettled: &'a dyn Fn(usize) -> bool) -> Self {
        Self {
            around,
            unsettled,
            names: Vec::new(),
            numbers: HashMap::new(),
            acls: Vec::new(),
        }
    }

    fn number(&mut self, acl: &'a Acl) -> Option<usize> {
        let name = format!("{:?} {:?} {}", acl.sample, acl.matching, acl.ignore_case);
        if self.around.contains(&name) {
            return None;
        }
        let next = self.acls.len();
        let number = *self.numbers.entry(name.clone()).or_insert(next);
        if number == next {
            self.acls.push(acl);
            self.names.push(name);
        }
        Some(number)
    }

    /// The patterns of a term, when one of them must fit for the term to hold.
    fn keys(&mut self, term: &Term, acls: &'a [Acl]) -> Option<Keys> {
        if term.negated {
            return None;
        }
        let mut keys = Keys::new();
        for id in &term.acls {
            let acl = acls.get(id.0 as usize)?;
            if (self.unsettled)(id.0 as usize) {
                return None;
            }
            // Methods are told apart by case whatever the flags, some patterns of files too.
            let by_case = acl.sample.fetch == Fetch::Method || !acl.exact_case.is_empty();
            if acl.patterns.is_empty() || (by_case && acl.ignore_case) {
                return None;
            }
            let class = self.number(acl)?;
            for pattern in &acl.patterns {
                let Pattern::Text(text) = pattern else {
                    return None;
                };
                let mut key = TextMap::key(acl.matching, text)?;
                if acl.ignore_case {
                    key.make_ascii_lowercase();
                }
                keys.push((class, key));
            }
        }
        Some(keys)
    }
}

impl RuleIndex {
    /// Builds the index of rules under these conditions; `None` when walking them is as good.
    pub fn new<'c>(
        conditions: impl Iterator<Item = Option<&'c Condition>>,
        acls: &'c [Acl],
    ) -> Option<Self> {
        Self::without(conditions, acls, &|_| false)
    }

    /// The same when some ACLs have other patterns than the plan says: rules are not found by those.
    pub fn without<'c>(
        conditions: impl Iterator<Item = Option<&'c Condition>>,
        acls: &'c [Acl],
        unsettled: &'c dyn Fn(usize) -> bool,
    ) -> Option<Self> {
        let builder = Builder {
            conditions: conditions.collect(),
            acls,
            unsettled,
        };
        let count = u32::try_from(builder.conditions.len()).ok()?;
        let rules: Vec<u32> = (0..count.min(NESTED)).collect();
        let mut index = builder.level(&rules, &BTreeSet::new())?;
        index.decided = builder
            .conditions
            .iter()
            .map(|condition| condition.is_some_and(|c| c.any.iter().all(is_single)))
            .collect();
        for rule in &index.always {
            index.decided[*rule as usize] = false;
        }
        Some(index)
    }
}

struct Builder<'c> {
    conditions: Vec<Option<&'c Condition>>,
    acls: &'c [Acl],
    unsettled: &'c dyn Fn(usize) -> bool,
}

impl Builder<'_> {
    /// The index of some of the rules, by classes that are not among those around it.
    fn level(&self, rules: &[u32], around: &BTreeSet<String>) -> Option<RuleIndex> {
        if rules.len() < WORTHWHILE {
            return None;
        }
        let mut classes = Classes::new(around, self.unsettled);
        let mut shared: HashMap<(usize, Box<[u8]>), u32> = HashMap::new();
        for condition in rules.iter().filter_map(|rule| self.condition(*rule)) {
            for term in condition.any.iter().flat_map(|all| &all.all) {
                for key in classes.keys(term, self.acls).into_iter().flatten() {
                    *shared.entry(key).or_default() += 1;
                }
            }
        }
        // First as if every class were worth it, then without those that are not.
        let mut worth = vec![true; classes.acls.len()];
        let mut chosen = self.choose(rules, &mut classes, &shared, &worth);
        let mut users = vec![0usize; classes.acls.len()];
        for (class, _) in chosen.iter().flatten().flatten() {
            users[*class] += 1;
        }
        for (class, users) in users.iter().enumerate() {
            worth[class] = *users >= WORTH_A_LOOK;
        }
        if worth.contains(&false) {
            chosen = self.choose(rules, &mut classes, &shared, &worth);
        }
        if chosen.iter().flatten().count() < WORTHWHILE {
            return None;
        }
        self.of(rules, &classes, chosen)
    }

    fn of(
        &self,
        rules: &[u32],
        classes: &Classes<'_>,
        chosen: Vec<Option<Keys>>,
    ) -> Option<RuleIndex> {
        let mut always = Vec::new();
        let mut maps: Vec<BTreeMap<Box<[u8]>, Vec<u32>>> =
            vec![BTreeMap::new(); classes.acls.len()];
        for (rule, keys) in rules.iter().zip(chosen) {
            let Some(keys) = keys else {
                always.push(*rule);
                continue;
            };
            for (class, key) in keys {
                maps[class].entry(key).or_default().push(*rule);
            }
        }
        let mut built: Vec<Subject> = Vec::new();
        let mut nested = Vec::new();
        for ((acl, name), mut keys) in classes.acls.iter().zip(&classes.names).zip(maps) {
            if keys.is_empty() {
                continue;
            }
            for rules in keys.values_mut().filter(|rules| rules.len() > CROWDED) {
                let mut inner = classes.around.clone();
                inner.insert(name.clone());
                if let Some(index) = self.level(rules, &inner) {
                    *rules = vec![NESTED | u32::try_from(nested.len()).ok()?];
                    nested.push(index);
                }
            }
            let patterns = Patterns {
                // The automaton folds by itself what the others are asked in small letters.
                ignore_case: acl.ignore_case,
                map: TextMap::new(acl.matching, keys)?,
            };
            match built.iter_mut().find(|one| one.sample == acl.sample) {
                Some(subject) => subject.patterns.push(patterns),
                None => built.push(Subject {
                    sample: acl.sample.clone(),
                    patterns: vec![patterns],
                }),
            }
        }
        Some(RuleIndex {
            subjects: built,
            nested,
            always,
            decided: Vec::new(),
        })
    }

    fn condition(&self, rule: u32) -> Option<&Condition> {
        *self.conditions.get(rule as usize)?
    }

    /// The keys of each rule: one of them must fit for the rule to apply.
    fn choose<'a>(
        &'a self,
        rules: &[u32],
        classes: &mut Classes<'a>,
        shared: &HashMap<(usize, Box<[u8]>), u32>,
        worth: &[bool],
    ) -> Vec<Option<Keys>> {
        let outermost = classes.around.is_empty();
        let mut best = |all: &Conjunction| {
            let terms = all.all.iter().filter_map(|term| {
                let keys = classes.keys(term, self.acls)?;
                keys.iter().all(|(class, _)| worth[*class]).then(|| {
                    let uses = keys.iter().filter_map(|key| shared.get(key));
                    (uses.map(|n| u64::from(*n)).sum::<u64>(), keys)
                })
            });
            terms.min_by_key(|(uses, _)| *uses).map(|(_, keys)| keys)
        };
        let of_rule = |rule: &u32| {
            let condition = self.condition(*rule)?;
            // Which of several alternatives has led to an inner level is not known there.
            if condition.polarity != Polarity::If || (!outermost && condition.any.len() != 1) {
                return None;
            }
            let mut keys = Keys::new();
            for all in &condition.any {
                keys.extend(best(all)?);
            }
            Some(keys)
        };
        rules.iter().map(of_rule).collect()
    }
}

/// Whether the term that was chosen is all that the alternative asks for.
fn is_single(all: &Conjunction) -> bool {
    all.all.len() == 1
}
