//! A plan in words: every effective value with the line that decided it, the order in which rules
//! run, and for every frontend and backend pair the connection mode, with the rule that won.
//!
//! [`Explanation`] is data, printed as text ([`text`]) or as JSON.

mod condition;
mod pair;
mod proxy;
pub mod request;
mod text;

use std::fmt::Write as _;

use haproxy_cfg_grammar::{Dialect, SourceSet, Span};
use serde::Serialize;

pub use condition::condition as print_condition;
pub use pair::{ModeExplanation, PairExplanation};
pub use proxy::{ProxyExplanation, RuleExplanation, ServerExplanation};

use crate::pattern_list::{self, Kind, Use};
use crate::plan::Plan;
use crate::resolve::Provenance;

/// Everything about a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The dialect that the configuration was read with.
    pub dialect: Dialect,
    /// The global section.
    pub global: Vec<Value>,
    /// Every proxy.
    pub proxies: Vec<ProxyExplanation>,
    /// Every frontend with every backend that it can choose.
    pub pairs: Vec<PairExplanation>,
}

/// One effective value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Value {
    /// What it is the value of, as written in the file.
    pub name: String,
    /// The value.
    pub value: String,
    /// Where it comes from.
    pub origin: Source,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A line of the section itself: `file:line`.
    Line(String),
    /// A line of a `defaults` section: `file:line`.
    Defaults(String),
    /// Another value takes its place.
    FallsBack(String),
    /// Nothing was said.
    BuiltIn,
}

/// Explains a plan. `only` names the proxies of interest; none means all.
pub fn explain(
    plan: &Plan,
    provenance: &Provenance,
    sources: &SourceSet,
    only: &[String],
) -> Explanation {
    let context = Context {
        plan,
        provenance,
        sources,
    };
    let wanted = |name: &String| only.is_empty() || only.contains(name);
    Explanation {
        dialect: plan.dialect,
        global: if only.is_empty() {
            proxy::global(&context)
        } else {
            Vec::new()
        },
        proxies: context
            .ids()
            .filter(|id| wanted(&plan.proxy(*id).name))
            .map(|id| proxy::explain(&context, id))
            .collect(),
        pairs: pair::pairs(plan)
            .into_iter()
            .filter(|(frontend, backend)| {
                // Two names mean one pair; one name means its pairs.
                let names = [&plan.proxy(*frontend).name, &plan.proxy(*backend).name];
                only.iter().all(|o| names.contains(&o))
            })
            .map(|(frontend, backend)| pair::explain(&context, frontend, backend))
            .collect(),
    }
}

/// As text.
pub fn text(plan: &Plan, provenance: &Provenance, sources: &SourceSet, only: &[String]) -> String {
    text::print(&explain(plan, provenance, sources, only))
}

/// As JSON.
pub fn json(plan: &Plan, provenance: &Provenance, sources: &SourceSet, only: &[String]) -> String {
    let explanation = explain(plan, provenance, sources, only);
    serde_json::to_string_pretty(&explanation).unwrap_or_default()
}

/// Lists of patterns with the lines that use them, as `show acl` and `show map` have them.
pub fn pattern_lists(
    plan: &Plan,
    provenance: &Provenance,
    sources: &SourceSet,
    kind: Kind,
) -> String {
    let mut text = "# id (file) description\n".to_owned();
    let lists = pattern_list::of(plan);
    for list in lists.iter().filter(|list| kind.has(list)) {
        let number = list.number.map_or(-1, i64::from);
        let place = |used: &Use<'_>| {
            let span = provenance.pattern_users.get(used.place)?;
            Some(format!(
                "file '{}' line {}",
                sources.name(span.file),
                span.line
            ))
        };
        let mut places = list.uses.iter().filter_map(place);
        // Writing to a String cannot fail.
        let _ = match list.file() {
            Some(file) => {
                let who = if list.is_map() { "map" } else { "acl" };
                let places: Vec<String> =
                    places.map(|place| format!("by {who} at {place}")).collect();
                writeln!(
                    text,
                    "{number} ({file}) pattern loaded from file '{file}' used {}",
                    places.join(", ")
                )
            }
            None => writeln!(
                text,
                "{number} () acl '{}' {}",
                list.criterion(),
                places.next().unwrap_or_default()
            ),
        };
    }
    text
}

/// What is explained, and where it came from.
struct Context<'a> {
    plan: &'a Plan,
    provenance: &'a Provenance,
    sources: &'a SourceSet,
}

impl Context<'_> {
    fn ids(&self) -> impl Iterator<Item = crate::plan::ProxyId> + use<> {
        let count = u32::try_from(self.plan.proxies.len()).unwrap_or(u32::MAX);
        (0..count).map(crate::plan::ProxyId)
    }

    fn place(&self, span: Span) -> String {
        format!("{}:{}", self.sources.name(span.file), span.line)
    }

    /// Where a setting of a proxy was written.
    fn origin(&self, id: crate::plan::ProxyId, name: &str) -> Source {
        let found = self
            .provenance
            .proxies
            .get(id.0 as usize)
            .and_then(|p| p.origin(name));
        match found {
            None => Source::BuiltIn,
            Some(origin) if origin.inherited => Source::Defaults(self.place(origin.span)),
            Some(origin) => Source::Line(self.place(origin.span)),
        }
    }
}

/// A time as one would write it.
fn time(value: Option<std::time::Duration>) -> String {
    let Some(value) = value else {
        return "for ever".to_owned();
    };
    let ms = value.as_millis();
    match ms {
        _ if ms != 0 && ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms != 0 && ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms != 0 && ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}
