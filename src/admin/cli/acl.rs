//! `show acl`, `get acl`, `add acl`, `del acl`, `clear acl`: the lists of patterns behind ACLs.

use std::collections::HashSet;
use std::fmt::Write as _;

use haproxy_cfg_grammar::Dialect;

use super::reload::ask;
use crate::acl::entry;
use crate::acl::lists::{self, List, Use};
use crate::admin::command::{Answer, Command, Context};
use crate::engine::control::Question;
use crate::engine::live::Entry;
use crate::engine::patterns::{PatternChange, Refusal, change, entries};
use crate::plan::{AccessLevel, Fetch, MatchMethod, Plan};
use crate::sample::Value;

/// Adds a pattern to a list.
pub(crate) const ADD_ACL: Command = Command {
    words: "add acl",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "",
    help: "add a pattern to the list of an ACL",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("'add acl' expects two parameters: ACL identifier and pattern."),
        [list, pattern, ..] => {
            let what = PatternChange::Add(pattern.as_bytes());
            alter(context, list, what, UNKNOWN)
        }
    },
};

/// Takes all patterns off a list.
pub(crate) const CLEAR_ACL: Command = Command {
    words: "clear acl",
    arguments: "<id>",
    help: "take all patterns off the list of an ACL",
    run: |context, arguments| match arguments {
        [] => Answer::line("Missing ACL identifier."),
        [list, ..] => alter(context, list, PatternChange::Clear, UNKNOWN),
    },
    ..ADD_ACL
};

/// Takes a pattern off a list.
pub(crate) const DEL_ACL: Command = Command {
    words: "del acl",
    help: "take a pattern off the list of an ACL",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("This command expects two parameters: ACL identifier and key."),
        [list, pattern, ..] => {
            let what = match pattern.strip_prefix('#') {
                Some(shown) => entry_number(shown).map_or(
                    PatternChange::Remove(pattern.as_bytes()),
                    PatternChange::RemoveEntry,
                ),
                None => PatternChange::Remove(pattern.as_bytes()),
            };
            // HAProxy speaks of a map here.
            alter(context, list, what, UNKNOWN_MAP)
        }
    },
    ..ADD_ACL
};

/// Shows which patterns of a list fit.
pub(crate) const GET_ACL: Command = Command {
    words: "get acl",
    help: "the pattern in the list of an ACL that a value fits",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("Missing ACL identifier and/or key."),
        [list, value, ..] => get(context, list, value.as_bytes()),
    },
    ..ADD_ACL
};

/// Shows the lists, or the patterns of one.
pub(crate) const SHOW_ACL: Command = Command {
    words: "show acl",
    arguments: "[id]",
    help: "the lists of patterns of ACLs, or the patterns of one",
    run: |context, arguments| match arguments {
        [] => ask(context, Question::PatternLists),
        [list, ..] => show(context, list),
    },
    ..ADD_ACL
};

const UNKNOWN: &str = "Unknown ACL identifier. Please use #<id> or <file>.";
const UNKNOWN_MAP: &str = "Unknown map identifier. Please use #<id> or <file>.";

/// Which of the lists is meant: `#` and its number, or the name of the file.
fn find(all: &[List<'_>], name: &str) -> Option<usize> {
    match name.strip_prefix('#') {
        // Nothing is 0.
        Some("") => all.iter().position(|list| list.number == 0),
        Some(number) => {
            let number: u32 = number.parse().ok()?;
            all.iter().position(|list| list.number == number)
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

fn entry_number(shown: &str) -> Option<u64> {
    let address = u64::from_str_radix(shown.strip_prefix("0x")?, 16).ok()?;
    let offset = address.checked_sub(0x5500_0000_0000)?;
    offset.is_multiple_of(0x60).then_some(offset / 0x60)
}

fn show(context: &Context<'_>, name: &str) -> Answer {
    let plan = &context.generation.plan;
    let all = lists::of(plan);
    let Some(at) = find(&all, name) else {
        return Answer::line(UNKNOWN);
    };
    let mut text = String::new();
    for entry in entries(context.shared, plan, &all, at) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "0x{:012x} {}", shown_number(&entry), entry.text);
    }
    Answer::Text(text)
}

fn alter(context: &Context<'_>, name: &str, what: PatternChange<'_>, unknown: &str) -> Answer {
    // In HAProxy, who may look may also change.
    if context.dialect() == Dialect::Hapax && context.level < AccessLevel::Admin {
        return Answer::line("Permission denied");
    }
    let all = lists::of(&context.generation.plan);
    let Some(at) = find(&all, name) else {
        return Answer::line(unknown);
    };
    match change(context.shared, all[at].number, what) {
        Ok(()) => Answer::done(),
        Err(Refusal::NoSuchPattern) => Answer::line("Key not found."),
        Err(Refusal::Bad(why)) => Answer::line(why),
    }
}

fn get(context: &Context<'_>, name: &str, value: &[u8]) -> Answer {
    let plan: &Plan = &context.generation.plan;
    let all = lists::of(plan);
    let Some(at) = find(&all, name) else {
        return Answer::line(UNKNOWN);
    };
    let entries = entries(context.shared, plan, &all, at);
    let mut seen = HashSet::new();
    let mut text = String::new();
    for used in &all[at].uses {
        // A list is compiled once for each way of comparing.
        let kind = kind(used, context.dialect());
        let case = if used.ignore_case() {
            "insensitive"
        } else {
            "sensitive"
        };
        if !seen.insert((kind, case)) {
            continue;
        }
        let _ = write!(text, "type={kind}, case={case}, match=");
        text.push_str(&match fitting(used, &entries, value) {
            Fitting::None => "no\n".to_owned(),
            Fitting::Unnamed => "yes, idx=tree, pattern=unknown\n".to_owned(),
            Fitting::Entry(entry) => {
                let index = if is_tree(used) { "tree" } else { "list" };
                format!("yes, idx={index}, pattern=\"{}\"\n", entry.text)
            }
        });
    }
    Answer::Text(text)
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
    let value = match used.what.matching {
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
    let written = used.patterns();
    let fits = entries.iter().filter(|entry| {
        let own = usize::try_from(entry.id)
            .ok()
            .and_then(|at| written.get(at));
        let read = own
            .cloned()
            .or_else(|| entry::read(used.what, &entry.text, used.ignore_case()).ok());
        let set = read.and_then(|p| entry::compile(used.what, &p, used.ignore_case()).ok());
        set.is_some_and(|set| set.matches(value))
    });
    let mut fits = fits;
    let best = match (used.what.matching, is_tree(used)) {
        (MatchMethod::Address, _) => fits.max_by_key(|entry| narrowness(&entry.text)),
        (_, true) => fits.max_by_key(|entry| entry.text.len()),
        (_, false) => fits.next(),
    };
    best.map_or(Fitting::None, Fitting::Entry)
}

/// How many addresses a network leaves out, roughly: networks of version 4 come first.
fn narrowness(text: &[u8]) -> (bool, u32) {
    let v4 = !text.contains(&b':');
    let text = String::from_utf8_lossy(text);
    let bits = text.split_once('/').and_then(|(_, bits)| bits.parse().ok());
    (v4, bits.unwrap_or(if v4 { 32 } else { 128 }))
}

fn is_tree(used: &Use<'_>) -> bool {
    match used.what.matching {
        MatchMethod::Exact | MatchMethod::Prefix => {
            !used.ignore_case() && used.what.sample.fetch != Fetch::Method
        }
        MatchMethod::Address => true,
        _ => false,
    }
}

/// The name of a way of comparing.
fn kind(used: &Use<'_>, dialect: Dialect) -> &'static str {
    match used.what.matching {
        // 1.8 does not know the name of its own.
        MatchMethod::Exact if used.what.sample.fetch == Fetch::Method => match dialect {
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
        MatchMethod::Regex => "reg",
        MatchMethod::Address => "ip",
        MatchMethod::Group => "auth",
    }
}
