//! One ACL, compiled, and its patterns, which an administrator may change while it is in use.

use super::{PatternSet, Verdict};
use crate::pattern_list::layers::Layered;
use crate::plan::{Acl, Converter, Fetch, MatchMethod, Pattern, UserlistId};
use crate::regular_expression::BadRegex;
use crate::sample::converter::converted;
use crate::sample::{Certainty, Facts, Value, fetch, http};

#[derive(Debug)]
pub(super) struct Compiled {
    fetch: Fetch,
    converters: Vec<Converter>,
    sets: Layered<Sets, Added>,
}

/// A pattern that was added.
#[derive(Clone, Debug)]
struct Added {
    pattern: Pattern,
    /// The case of letters counts, whatever the ACL says.
    exact: bool,
}

/// Patterns, compiled.
#[derive(Debug)]
struct Sets {
    patterns: PatternSet,
    exact_case: Option<PatternSet>,
    /// For `http_auth_group`: the names of the groups.
    groups: Vec<String>,
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
            sets: Layered::new(Sets::new(acl)?),
        })
    }

    pub(super) fn replace(&self, acl: &Acl) -> Result<(), BadRegex> {
        self.sets.replace(Sets::new(acl)?);
        Ok(())
    }

    pub(super) fn add(&self, acl: &Acl, pattern: &Pattern, exact: bool) -> Result<bool, BadRegex> {
        let added = Added {
            pattern: pattern.clone(),
            exact,
        };
        self.sets.add(added, |all| {
            let of = |exact| {
                let those = all.iter().filter(move |added| added.exact == exact);
                those.map(|added| added.pattern.clone()).collect::<Vec<_>>()
            };
            Sets::of(acl, &of(false), &of(true))
        })
    }

    pub(super) fn is_changed(&self) -> bool {
        self.sets.is_changed()
    }

    pub(super) fn matches(&self, facts: &Facts<'_>) -> Verdict {
        self.sets.look(|base, recent| match recent {
            Some(recent) => self.compare(facts, &[base, recent]),
            None => self.compare(facts, &[base]),
        })
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
                converted(&self.converters, value, facts, &mut visit)
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
