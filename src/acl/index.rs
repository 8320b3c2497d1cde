//! Many rules under similar conditions: the first one that applies, without walking them all.
//!
//! A rule such as `use_backend shop if { hdr(host) shop.example.com }` can only apply when its
//! pattern fits. The patterns of all such rules are compiled into one map for each way of looking at
//! a request (what is fetched, how it is compared), which answers with the rules that are worth a
//! look. Those, and the rules that cannot be mapped, are then evaluated in their order, so that the
//! answer is the one that walking would give.

mod builder;
mod live;

use smallvec::SmallVec;

use super::AclSet;
use super::text::folded;
use super::text_map::TextMap;
use crate::plan::{Condition, Sample};
use crate::sample::converter::converted;
use crate::sample::{Facts, Value, fetch};

pub use live::LiveIndex;

/// The rules of one family, ready to be asked which of them applies first.
#[derive(Debug)]
pub struct RuleIndex {
    subjects: Vec<Subject>,
    /// Rules that share a pattern, by what else they ask: those on many paths of one host.
    nested: Vec<Self>,
    /// Rules that are looked at whatever the request is, in order.
    always: Vec<u32>,
    /// By rule: a pattern that fits is all that the condition asks for. Nested ones leave it to the
    /// outermost.
    decided: Vec<bool>,
}

/// What rules look at, which is fetched once, and the patterns that they compare it with.
#[derive(Debug)]
struct Subject {
    sample: Sample,
    /// One for each way of comparing.
    patterns: Vec<Patterns>,
}

#[derive(Debug)]
struct Patterns {
    ignore_case: bool,
    map: TextMap,
}

impl RuleIndex {
    /// The first rule that applies. `condition` gives the condition of each rule that the index was
    /// built from.
    pub fn first<'c>(
        &self,
        condition: impl Fn(usize) -> Option<&'c Condition>,
        acls: &AclSet,
        facts: &Facts<'_>,
    ) -> Option<usize> {
        let worth = self.worth(facts);
        let mut mapped = worth.iter().copied().peekable();
        let mut always = self.always.iter().copied().peekable();
        loop {
            let rule = match (mapped.peek(), always.peek()) {
                (Some(one), Some(other)) if one < other => mapped.next(),
                (Some(_), None) => mapped.next(),
                (_, Some(_)) => {
                    let rule = always.next()? as usize;
                    if acls.applies(condition(rule), facts) {
                        return Some(rule);
                    }
                    continue;
                }
                (None, None) => return None,
            }? as usize;
            if self.decided[rule] || acls.applies(condition(rule), facts) {
                return Some(rule);
            }
        }
    }

    /// The first of some rules that applies, by their index when they have one.
    pub fn find<'r, R>(
        index: Option<&Self>,
        rules: &'r [R],
        condition: impl Fn(&'r R) -> Option<&'r Condition>,
        acls: &AclSet,
        facts: &Facts<'_>,
    ) -> Option<&'r R> {
        let Some(index) = index else {
            let applies = |rule: &&'r R| acls.applies(condition(rule), facts);
            return rules.iter().find(applies);
        };
        let first = index.first(|n| condition(&rules[n]), acls, facts)?;
        rules.get(first)
    }

    /// The rules that a pattern speaks for, in order.
    fn worth(&self, facts: &Facts<'_>) -> Worth {
        let mut worth = Worth::new();
        self.collect(facts, &mut worth);
        worth.sort_unstable();
        worth.dedup();
        worth
    }

    /// Adds them.
    fn collect(&self, facts: &Facts<'_>, worth: &mut Worth) {
        let mut at = worth.len();
        for subject in &self.subjects {
            subject.collect(facts, worth);
        }
        while !self.nested.is_empty() && at < worth.len() {
            if worth[at] & NESTED == 0 {
                at += 1;
                continue;
            }
            let inner = worth.swap_remove(at) & !NESTED;
            if let Some(inner) = self.nested.get(inner as usize) {
                inner.collect(facts, worth);
                worth.extend_from_slice(&inner.always);
            }
        }
    }

    /// How many rules are found by a pattern.
    pub fn mapped(&self) -> usize {
        self.decided.len() - self.always.len()
    }
}

impl Subject {
    fn collect(&self, facts: &Facts<'_>, worth: &mut Worth) {
        let mut visit = |value: Value<'_>| {
            if let Value::Text(text) = value {
                self.look_up(text, worth);
            } else {
                let mut text = Vec::new();
                value.write_to(&mut text);
                self.look_up(&text, worth);
            }
            // Every value counts: another one may lead to an earlier rule.
            false
        };
        let Sample {
            fetch: wanted,
            converters,
        } = &self.sample;
        if converters.is_empty() {
            fetch(wanted, facts, &mut visit);
        } else {
            fetch(wanted, facts, &mut |value| {
                converted(converters, value, facts, &mut visit)
            });
        }
    }

    fn look_up(&self, text: &[u8], worth: &mut Worth) {
        for Patterns { ignore_case, map } in &self.patterns {
            folded(text, *ignore_case, |text| {
                map.visit(text, |rules| worth.extend_from_slice(rules));
            });
        }
    }
}

/// Rules that are worth a look: mostly few.
type Worth = SmallVec<[u32; 8]>;

/// Marks, among numbers of rules, that of a nested index.
const NESTED: u32 = 1 << 31;

#[cfg(test)]
mod tests;
