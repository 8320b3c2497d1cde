//! Conditions, ready to be evaluated. Manual 1.4, section 7.
//!
//! A plan holds ACLs as values; here they are compiled once for a generation, into a form that
//! suits how many patterns they have, and evaluated against [`Facts`].

pub mod index;
pub mod patterns;
mod prefixes;
pub mod text;
mod words;

use crate::plan::{Acl, Condition, Converter, Fetch, MatchMethod, Pattern, Polarity};
use crate::regular_expression::BadRegex;
use crate::sample::converter::convert;
use crate::sample::{Certainty, Facts, Value, fetch, http};

pub use index::RuleIndex;
pub use patterns::PatternSet;

/// What an evaluation has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not hold.
    Fails,
    /// It does not hold yet; more bytes may change that.
    Unknown,
    /// It holds.
    Holds,
}

impl Verdict {
    fn negated(self) -> Self {
        match self {
            Self::Fails => Self::Holds,
            Self::Unknown => Self::Unknown,
            Self::Holds => Self::Fails,
        }
    }

    fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Holds => Self::Holds,
            Self::Fails => other(),
            Self::Unknown => match other() {
                Self::Holds => Self::Holds,
                _ => Self::Unknown,
            },
        }
    }

    fn and(self, other: impl FnOnce() -> Self) -> Self {
        self.negated().or(|| other().negated()).negated()
    }
}

/// The ACLs of one proxy, compiled; indexed like those of the plan.
#[derive(Debug, Default)]
pub struct AclSet {
    acls: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    fetch: Fetch,
    converters: Vec<Converter>,
    patterns: PatternSet,
    exact_case: Option<PatternSet>,
    /// For `http_auth_group`: the names of the groups.
    groups: Vec<String>,
}

impl AclSet {
    /// Compiles the ACLs of a proxy.
    ///
    /// # Errors
    /// A regular expression that cannot be compiled.
    pub fn compile(acls: &[Acl]) -> Result<Self, BadRegex> {
        let acls = acls.iter().map(Compiled::new).collect::<Result<_, _>>()?;
        Ok(Self { acls })
    }

    /// Whether the rule that a condition guards applies.
    pub fn applies(&self, condition: Option<&Condition>, facts: &Facts<'_>) -> bool {
        self.verdict(condition, facts) == Verdict::Holds
    }

    /// The same while bytes may still come. A rule under no condition always applies.
    pub fn verdict(&self, condition: Option<&Condition>, facts: &Facts<'_>) -> Verdict {
        let Some(condition) = condition else {
            return Verdict::Holds;
        };
        let mut verdict = Verdict::Fails;
        for conjunction in &condition.any {
            let mut all = Verdict::Holds;
            for term in &conjunction.all {
                all = all.and(|| {
                    let mut any = Verdict::Fails;
                    for id in &term.acls {
                        any = any.or(|| {
                            self.acls
                                .get(id.0 as usize)
                                .map_or(Verdict::Fails, |acl| acl.matches(facts))
                        });
                        if any == Verdict::Holds {
                            break;
                        }
                    }
                    if term.negated { any.negated() } else { any }
                });
                if all == Verdict::Fails {
                    break;
                }
            }
            verdict = verdict.or(|| all);
            if verdict == Verdict::Holds {
                break;
            }
        }
        match condition.polarity {
            Polarity::If => verdict,
            Polarity::Unless => verdict.negated(),
        }
    }

    /// What one ACL says of the facts.
    pub fn acl(&self, index: usize, facts: &Facts<'_>) -> Verdict {
        self.acls
            .get(index)
            .map_or(Verdict::Fails, |acl| acl.matches(facts))
    }
}

impl Compiled {
    fn new(acl: &Acl) -> Result<Self, BadRegex> {
        let groups = if acl.matching == MatchMethod::Group {
            let texts = acl.patterns.iter().filter_map(|pattern| match pattern {
                Pattern::Text(text) => Some(text.to_string()),
                _ => None,
            });
            texts.collect()
        } else {
            Vec::new()
        };
        // Methods and bytes are told apart by case, whatever the flags.
        let ignore_case = acl.ignore_case
            && acl.sample.fetch != Fetch::Method
            && acl.matching != MatchMethod::Binary;
        Ok(Self {
            fetch: acl.sample.fetch.clone(),
            converters: acl.sample.converters.clone(),
            patterns: PatternSet::compile(acl.matching, ignore_case, &acl.patterns)?,
            exact_case: (!acl.exact_case.is_empty())
                .then(|| PatternSet::compile(acl.matching, false, &acl.exact_case))
                .transpose()?,
            groups,
        })
    }

    fn matches(&self, facts: &Facts<'_>) -> Verdict {
        if let Fetch::HttpAuthGroup { userlist } = &self.fetch {
            return self.group(*userlist, facts);
        }
        let mut found = false;
        let mut visit = |value: Value<'_>| {
            found |= self.patterns.matches(value)
                || self
                    .exact_case
                    .as_ref()
                    .is_some_and(|set| set.matches(value));
            found
        };
        let certainty = if self.converters.is_empty() {
            fetch(&self.fetch, facts, &mut visit)
        } else {
            fetch(&self.fetch, facts, &mut |value| {
                convert(&self.converters, value, &mut visit)
            })
        };
        match (found, certainty) {
            (true, _) => Verdict::Holds,
            (false, Certainty::MayChange) => Verdict::Unknown,
            (false, Certainty::Final) => Verdict::Fails,
        }
    }

    fn group(&self, list: crate::plan::UserlistId, facts: &Facts<'_>) -> Verdict {
        let Some(request) = facts.request else {
            return Verdict::Fails;
        };
        let mut scratch = Vec::new();
        let Some((name, password)) = http::credentials(request, facts.as_proxy, &mut scratch)
        else {
            return Verdict::Fails;
        };
        let wanted = |group: &str| self.groups.iter().any(|g| g == group);
        if facts.world.admits(list, name, password, Some(&wanted)) {
            Verdict::Holds
        } else {
            Verdict::Fails
        }
    }
}

#[cfg(test)]
mod tests;
