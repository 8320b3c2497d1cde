//! An index that is built again when patterns change under it.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use super::RuleIndex;
use crate::acl::AclSet;
use crate::plan::{Acl, Condition};
use crate::sample::Facts;

/// The index of a family of rules, if it has one.
#[derive(Debug, Default)]
pub struct LiveIndex {
    built: Option<RuleIndex>,
    /// What stands in for it once an ACL has got other patterns.
    later: OnceLock<ArcSwapOption<RuleIndex>>,
}

impl LiveIndex {
    /// Builds the index of rules under these conditions.
    pub fn new<'c>(
        conditions: impl Iterator<Item = Option<&'c Condition>>,
        acls: &'c [Acl],
    ) -> Self {
        Self {
            built: RuleIndex::new(conditions, acls),
            later: OnceLock::new(),
        }
    }

    /// Builds it again, now that these ACLs have patterns that the plan does not know.
    pub fn rebuild<'c>(
        &self,
        conditions: impl Iterator<Item = Option<&'c Condition>>,
        acls: &'c [Acl],
        changed: &'c dyn Fn(usize) -> bool,
    ) {
        if self.built.is_none() {
            return;
        }
        let index = RuleIndex::without(conditions, acls, changed).map(Arc::new);
        self.later
            .get_or_init(|| ArcSwapOption::new(index.clone()))
            .store(index);
    }

    /// The first of the rules that applies.
    pub fn find<'r, R>(
        &self,
        rules: &'r [R],
        condition: impl Fn(&'r R) -> Option<&'r Condition>,
        acls: &AclSet,
        facts: &Facts<'_>,
    ) -> Option<&'r R> {
        match self.later.get() {
            None => RuleIndex::find(self.built.as_ref(), rules, condition, acls, facts),
            Some(later) => {
                let index = later.load();
                RuleIndex::find(index.as_deref(), rules, condition, acls, facts)
            }
        }
    }
}
