//! What commands about lists of patterns have in common, whether the lists are those of ACLs or maps.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Context};
use crate::engine::live::{Entry, list_keys};
use crate::engine::patterns::{PatternChange, Refusal, Which, change, entries};
use crate::pattern_list::{self, Kind, List, Use, entry};
use crate::plan::{AccessLevel, MapOutput, MapValue, MatchMethod, Plan};
use crate::sample::Value;

/// What is said about a name that no ACL's list has.
pub(super) const UNKNOWN_ACL: &str = "Unknown ACL identifier. Please use #<id> or <file>.";
/// What is said about a name that no map has.
pub(super) const UNKNOWN_MAP: &str = "Unknown map identifier. Please use #<id> or <file>.";

fn unknown(kind: Kind) -> Answer {
    Answer::line(match kind {
        Kind::Acl => UNKNOWN_ACL,
        Kind::Map => UNKNOWN_MAP,
    })
}

/// Which of the lists is meant: `#` and its number, or the name of the file.
fn find(all: &[List<'_>], name: &str) -> Option<usize> {
    match name.strip_prefix('#') {
        // Nothing is 0.
        Some("") => all.iter().position(|list| list.number == Some(0)),
        // As it is shown: they have none.
        Some("-1") => all.iter().position(|list| list.number.is_none()),
        Some(number) => {
            let number = number.parse::<u32>().ok()?;
            all.iter().position(|list| list.number == Some(number))
        }
        None => all
            .iter()
            .position(|list| list.file().as_deref() == Some(name)),
    }
}

/// In HAProxy it is where the entry lies in memory.
fn shown_number(entry: &Entry) -> u64 {
    0x5500_0000_0000 + entry.id * 0x60
}

/// Which entries a word means: all with that key, or one, by the number that it is shown with.
pub(super) fn which(word: &str) -> Which<'_> {
    let shown = word.strip_prefix("#0x");
    let Some(address) = shown.and_then(|digits| u64::from_str_radix(digits, 16).ok()) else {
        return Which::Key(word.as_bytes());
    };
    let offset = address.checked_sub(0x5500_0000_0000);
    let offset = offset.filter(|offset| offset.is_multiple_of(0x60));
    Which::Number(offset.map_or(u64::MAX, |offset| offset / 0x60))
}

/// The entries of a list.
pub(super) fn show(context: &Context<'_>, name: &str, kind: Kind) -> Answer {
    let plan = &context.generation.plan;
    let all = pattern_list::of(plan);
    let Some(at) = find(&all, name).filter(|at| kind.has(&all[*at])) else {
        return unknown(kind);
    };
    let mut text = String::new();
    for entry in entries(context.shared, plan, &all, at) {
        // Writing to a String cannot fail.
        let _ = write!(text, "0x{:012x} {}", shown_number(&entry), entry.key);
        if let Some(value) = &entry.value {
            let _ = write!(text, " {value}");
        }
        text.push('\n');
    }
    Answer::Text(text)
}

/// What a command that changes lists needs of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// What such a list is taken for; `None` takes any.
    pub(super) kind: Option<Kind>,
    /// What is said when there is none.
    pub(super) unknown: &'static str,
}

/// Changes a list.
pub(super) fn alter(
    context: &Context<'_>,
    name: &str,
    what: PatternChange<'_>,
    wanted: Wanted,
) -> Answer {
    // In HAProxy, who may look may also change.
    if context.dialect() == Dialect::Hapax && context.level < AccessLevel::Admin {
        return Answer::line("Permission denied");
    }
    let plan: &Plan = &context.generation.plan;
    let all = pattern_list::of(plan);
    let found = find(&all, name).filter(|at| wanted.kind.is_none_or(|kind| kind.has(&all[*at])));
    let Some((at, key)) =
        found.and_then(|at| Some((at, list_keys(plan, &all).into_iter().nth(at)?)))
    else {
        return Answer::line(wanted.unknown);
    };
    if matches!(what, PatternChange::Add { value: None, .. }) && all[at].is_map() {
        return Answer::line(
            "This ACL is shared with a map containing samples. \
             You must use the command 'add map' to add values.",
        );
    }
    match (change(context.shared, &key, what), what) {
        (Ok(()), _) => Answer::done(),
        (Err(Refusal::NoSuchPattern), PatternChange::Set(Which::Key(_), _)) => {
            Answer::line("entry not found.")
        }
        (Err(Refusal::NoSuchPattern), PatternChange::Set(Which::Number(_), _)) => {
            Answer::line("key or pattern not found.")
        }
        (Err(Refusal::NoSuchPattern), _) => Answer::line("Key not found."),
        // 1.8 changes nothing and does not say so.
        (Err(Refusal::Bad(_)), PatternChange::Set(..)) if context.dialect() == Dialect::V1_8 => {
            Answer::done()
        }
        (Err(Refusal::Bad(why)), _) => Answer::line(why),
    }
}

/// What those who are compared with a list find in it for a value.
pub(super) fn get(context: &Context<'_>, name: &str, value: &[u8], kind: Kind) -> Answer {
    let plan: &Plan = &context.generation.plan;
    let all = pattern_list::of(plan);
    let Some(at) = find(&all, name) else {
        return unknown(kind);
    };
    let entries = entries(context.shared, plan, &all, at);
    let mut seen = HashSet::new();
    let mut text = String::new();
    for used in &all[at].uses {
        // A list is compiled once for each way of comparing.
        let way = way(used, context.dialect());
        let case = if used.ignore_case() {
            "insensitive"
        } else {
            "sensitive"
        };
        // HAProxy keeps all that walk over texts in one.
        let walks = matches!(way, "sub" | "end" | "dir" | "dom");
        let class = if walks && context.dialect() != Dialect::Hapax {
            "walk"
        } else {
            way
        };
        if !seen.insert((class, case, used.output())) {
            continue;
        }
        let (found, pattern) = match kind {
            Kind::Acl => ("match", "pattern"),
            Kind::Map => ("found", "key"),
        };
        let _ = write!(text, "type={way}, case={case}, {found}=");
        match fitting(used, &entries, value) {
            Fitting::None => text.push_str("no"),
            Fitting::Unnamed => {
                let _ = write!(text, "yes, idx=tree, {pattern}=unknown");
            }
            Fitting::Entry(entry) => {
                let index = match used.matching() {
                    MatchMethod::Address if !breadth(&entry.key).in_tree => "list",
                    _ if is_tree(used) => "tree",
                    _ => "list",
                };
                let _ = write!(text, "yes, idx={index}, {pattern}=\"{}\"", entry.key);
                if kind == Kind::Map {
                    stands_for(used.output(), entry, &mut text);
                }
            }
        }
        text.push('\n');
    }
    Answer::Text(text)
}

/// What an entry stands for, to one who looks there.
fn stands_for(output: Option<MapOutput>, entry: &Entry, text: &mut String) {
    let value = entry.value.as_deref().unwrap_or_default();
    let Some(read) = output.and_then(|output| output.read(value)) else {
        text.push_str(", value=none");
        return;
    };
    let kind = match read {
        MapValue::Text(_) => "str",
        MapValue::Integer(_) => "sint",
        MapValue::Address(address) if address.is_ipv4() => "ipv4",
        MapValue::Address(_) => "ipv6",
    };
    let value = String::from_utf8_lossy(value);
    let _ = write!(text, ", value=\"{value}\", type=\"{kind}\"");
}

enum Fitting<'e> {
    None,
    /// No pattern is needed.
    Unnamed,
    Entry(&'e Entry),
}

/// Which entry a value fits: the longest in a tree, otherwise the first.
fn fitting<'e>(used: &Use<'_>, entries: &'e [Entry], value: &[u8]) -> Fitting<'e> {
    let whole = || std::str::from_utf8(value).ok()?.parse::<i64>().ok();
    let value = match used.matching() {
        MatchMethod::Bool => {
            return match whole() {
                None | Some(0) => Fitting::None,
                Some(_) => Fitting::Unnamed,
            };
        }
        // HAProxy says no whatever the value is.
        MatchMethod::Found | MatchMethod::Group => return Fitting::None,
        MatchMethod::Integer | MatchMethod::Version => match whole() {
            Some(number) => Value::Integer(number),
            None => return Fitting::None,
        },
        _ => Value::Text(value),
    };
    let mut fits = entries.iter().filter(|entry| {
        let planned = usize::try_from(entry.id)
            .ok()
            .and_then(|at| used.pattern(at));
        let read = planned.cloned().or_else(|| used.read(&entry.key).ok());
        let set = read.and_then(|p| entry::compile(used.matching(), used.folds(), &p).ok());
        set.is_some_and(|set| set.matches(value))
    });
    let best = match used.matching() {
        MatchMethod::Address => longest(fits, |entry| breadth(&entry.key)),
        _ if is_tree(used) => longest(fits, |entry| entry.key.len()),
        _ => fits.next(),
    };
    best.map_or(Fitting::None, Fitting::Entry)
}

/// The first of those that have the most of something.
fn longest<'e, L: Ord>(
    entries: impl Iterator<Item = &'e Entry>,
    length: impl Fn(&Entry) -> L,
) -> Option<&'e Entry> {
    entries.reduce(|best, other| {
        if length(other) > length(best) {
            other
        } else {
            best
        }
    })
}

/// Which of several networks counts: the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Breadth {
    /// Its mask has no holes.
    in_tree: bool,
    v4: bool,
    bits: u32,
}

fn breadth(network: &[u8]) -> Breadth {
    let v4 = !network.contains(&b':');
    let text = String::from_utf8_lossy(network);
    let mask = text.split_once('/').map(|(_, mask)| mask);
    let all = if v4 { 32 } else { 128 };
    let (in_tree, bits) = match mask.map(|mask| (mask.parse::<u32>(), mask.parse::<Ipv4Addr>())) {
        Some((_, Ok(mask))) => {
            let mask = u32::from(mask);
            (mask.leading_ones() == mask.count_ones(), mask.count_ones())
        }
        Some((Ok(bits), _)) => (true, bits),
        _ => (true, all),
    };
    Breadth { in_tree, v4, bits }
}

fn is_tree(used: &Use<'_>) -> bool {
    match used.matching() {
        MatchMethod::Exact | MatchMethod::Prefix => !used.ignore_case() && !used.is_of_method(),
        MatchMethod::Address => true,
        _ => false,
    }
}

/// The name of a way of comparing.
fn way(used: &Use<'_>, dialect: Dialect) -> &'static str {
    match used.matching() {
        // 1.8 does not know the name of its own.
        MatchMethod::Exact if used.is_of_method() => match dialect {
            Dialect::Hapax => "meth",
            _ => "unknown(0x55d000000000)",
        },
        MatchMethod::Bool => "bool",
        MatchMethod::Found => "found",
        MatchMethod::Integer | MatchMethod::Version => "int",
        MatchMethod::Length => "len",
        MatchMethod::Exact => "str",
        MatchMethod::Binary => "bin",
        MatchMethod::Prefix => "beg",
        MatchMethod::Suffix => "end",
        MatchMethod::Substring => "sub",
        MatchMethod::Directory => "dir",
        MatchMethod::Domain => "dom",
        MatchMethod::Regex if used.output() == Some(MapOutput::Replacement) => "regm",
        MatchMethod::Regex => "reg",
        MatchMethod::Address => "ip",
        MatchMethod::Group => "auth",
    }
}
