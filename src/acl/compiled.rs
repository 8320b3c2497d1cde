//! One ACL, compiled, and its patterns, which an administrator may change while it is in use.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::{PatternSet, Verdict};
use crate::plan::{Acl, Converter, Fetch, MatchMethod, Pattern, UserlistId};
use crate::regular_expression::BadRegex;
use crate::sample::converter::convert;
use crate::sample::{Certainty, Facts, Value, fetch, http};

/// How many patterns an ACL gets one by one before all are compiled together: each of them costs
/// a look at the recent ones, and those that are compiled may be a hundred thousand.
const RECENT: usize = 256;

#[derive(Debug)]
pub(super) struct Compiled {
    fetch: Fetch,
    converters: Vec<Converter>,
    sets: Arc<Sets>,
    /// What stands in for `sets` once the patterns were changed. Requests look at it without a lock.
    changed: OnceLock<ArcSwap<Layers>>,
}

/// Patterns, compiled.
#[derive(Debug)]
struct Sets {
    patterns: PatternSet,
    exact_case: Option<PatternSet>,
    /// For `http_auth_group`: the names of the groups.
    groups: Vec<String>,
}

/// Patterns that were compiled together, and those that came after.
#[derive(Debug)]
struct Layers {
    base: Arc<Sets>,
    recent: Option<Sets>,
    patterns: Vec<Pattern>,
    exact_case: Vec<Pattern>,
}

impl Sets {
    fn new(acl: &Acl) -> Result<Self, BadRegex> {
        Self::of(acl, &acl.patterns, &acl.exact_case)
    }

    fn of(acl: &Acl, patterns: &[Pattern], exact_case: &[Pattern]) -> Result<Self, BadRegex> {
        let groups = if acl.matching == MatchMethod::Group {
            let texts = patterns.iter().filter_map(|pattern| match pattern {
                Pattern::Text(text) => Some(text.to_string()),
                _ => None,
            });
            texts.collect()
        } else {
            Vec::new()
        };
        let ignore_case = acl.ignore_case && !acl.minds_case();
        Ok(Self {
            patterns: PatternSet::compile(acl.matching, ignore_case, patterns)?,
            exact_case: (!exact_case.is_empty())
                .then(|| PatternSet::compile(acl.matching, false, exact_case))
                .transpose()?,
            groups,
        })
    }

    fn matches(&self, value: Value<'_>) -> bool {
        self.patterns.matches(value)
            || self
                .exact_case
                .as_ref()
                .is_some_and(|set| set.matches(value))
    }
}

impl Compiled {
    pub(super) fn new(acl: &Acl) -> Result<Self, BadRegex> {
        Ok(Self {
            fetch: acl.sample.fetch.clone(),
            converters: acl.sample.converters.clone(),
            sets: Arc::new(Sets::new(acl)?),
            changed: OnceLock::new(),
        })
    }

    pub(super) fn replace(&self, acl: &Acl) -> Result<(), BadRegex> {
        self.put(Layers {
            base: Arc::new(Sets::new(acl)?),
            recent: None,
            patterns: Vec::new(),
            exact_case: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn add(&self, acl: &Acl, pattern: &Pattern, exact: bool) -> Result<bool, BadRegex> {
        let (base, mut patterns, mut exact_case) = match self.changed.get() {
            Some(changed) => {
                let now = changed.load();
                (
                    Arc::clone(&now.base),
                    now.patterns.clone(),
                    now.exact_case.clone(),
                )
            }
            None => (Arc::clone(&self.sets), Vec::new(), Vec::new()),
        };
        if patterns.len() + exact_case.len() >= RECENT {
            return Ok(false);
        }
        if exact {
            exact_case.push(pattern.clone());
        } else {
            patterns.push(pattern.clone());
        }
        let recent = Sets::of(acl, &patterns, &exact_case)?;
        self.put(Layers {
            base,
            recent: Some(recent),
            patterns,
            exact_case,
        });
        Ok(true)
    }

    fn put(&self, layers: Layers) {
        let layers = Arc::new(layers);
        self.changed
            .get_or_init(|| ArcSwap::new(Arc::clone(&layers)))
            .store(layers);
    }

    pub(super) fn is_changed(&self) -> bool {
        self.changed.get().is_some()
    }

    pub(super) fn matches(&self, facts: &Facts<'_>) -> Verdict {
        match self.changed.get() {
            None => self.compare(facts, &[&*self.sets]),
            Some(changed) => {
                let layers = changed.load();
                match &layers.recent {
                    Some(recent) => self.compare(facts, &[&*layers.base, recent]),
                    None => self.compare(facts, &[&*layers.base]),
                }
            }
        }
    }

    fn compare(&self, facts: &Facts<'_>, sets: &[&Sets]) -> Verdict {
        if let Fetch::HttpAuthGroup { userlist } = &self.fetch {
            return group(*userlist, facts, sets);
        }
        let mut found = false;
        let mut visit = |value: Value<'_>| {
            found |= sets.iter().any(|set| set.matches(value));
            found
        };
        let certainty = if self.converters.is_empty() {
            fetch(&self.fetch, facts, &mut visit)
        } else {
            fetch(&self.fetch, facts, &mut |value| {
                convert(&self.converters, value, facts, &mut visit)
            })
        };
        match (found, certainty) {
            (true, _) => Verdict::Holds,
            (false, Certainty::MayChange) => Verdict::Unknown,
            (false, Certainty::Final) => Verdict::Fails,
        }
    }
}

fn group(list: UserlistId, facts: &Facts<'_>, sets: &[&Sets]) -> Verdict {
    let Some(request) = facts.request else {
        return Verdict::Fails;
    };
    let mut scratch = Vec::new();
    let Some((name, password)) = http::credentials(request, facts.as_proxy, &mut scratch) else {
        return Verdict::Fails;
    };
    let wanted = |group: &str| sets.iter().any(|set| set.groups.iter().any(|g| g == group));
    if facts.world.admits(list, name, password, Some(&wanted)) {
        Verdict::Holds
    } else {
        Verdict::Fails
    }
}
