//! Conditions, ready to be evaluated. Manual 1.4, section 7.
//!
//! A plan holds ACLs as values; here they are compiled once for a generation, into a form that
//! suits how many patterns they have, and evaluated against [`Facts`].

mod compiled;
pub mod index;
pub mod patterns;
pub(crate) mod prefixes;
pub mod text;
pub(crate) mod text_map;
mod words;

use crate::plan::{Acl, Condition, Pattern, Polarity};
use crate::regular_expression::BadRegex;
use crate::sample::Facts;

use compiled::Compiled;
pub use index::{LiveIndex, RuleIndex};
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

    /// Gives an ACL other patterns, while it is in use: from now on it is compared with those.
    ///
    /// # Errors
    /// A regular expression that cannot be compiled; nothing changes then.
    pub fn replace(&self, index: usize, acl: &Acl) -> Result<(), BadRegex> {
        self.acls
            .get(index)
            .map_or(Ok(()), |compiled| compiled.replace(acl))
    }

    /// Gives an ACL one pattern more, while it is in use. `false` when it has got so many of late
    /// that they want to be compiled with the others: see [`Self::replace`].
    ///
    /// # Errors
    /// A regular expression that cannot be compiled; nothing changes then.
    pub fn add(
        &self,
        index: usize,
        acl: &Acl,
        pattern: &Pattern,
        exact: bool,
    ) -> Result<bool, BadRegex> {
        self.acls
            .get(index)
            .map_or(Ok(true), |compiled| compiled.add(acl, pattern, exact))
    }

    /// Whether an ACL has other patterns than those that it was compiled with.
    pub fn is_changed(&self, index: usize) -> bool {
        self.acls.get(index).is_some_and(Compiled::is_changed)
    }

    /// What one ACL says of the facts.
    pub fn acl(&self, index: usize, facts: &Facts<'_>) -> Verdict {
        self.acls
            .get(index)
            .map_or(Verdict::Fails, |acl| acl.matches(facts))
    }
}

#[cfg(test)]
mod tests;
