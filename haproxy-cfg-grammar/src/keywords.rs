//! The tables of keywords, one family per file, and looking them up.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, LaterKeyword, Prefix, nearest};
use crate::section::Sections;
use crate::{Dialect, SectionKind, Word};

pub mod acl;
pub mod balance;
pub mod bind;
pub mod capture;
pub mod check;
pub mod errors;
pub mod global;
pub mod header_edit;
pub mod header_rules;
pub mod http_request;
pub mod later;
pub mod limits;
pub mod log;
pub mod mode;
pub mod monitor;
pub mod option;
pub mod persistence;
pub mod process;
pub mod redirect;
pub mod server;
pub mod socket_file;
pub mod source;
pub mod stats;
pub mod stick;
pub mod switching;
pub mod tcp_request;
pub mod timeout;
pub mod tracking;
pub mod userlist;

/// Every family, in the order of the documentation.
pub const FAMILIES: &[(&str, &[Keyword])] = &[
    ("Process", global::GLOBAL),
    ("Mode and state", mode::MODE),
    ("Listening", bind::BIND),
    ("Timeouts", timeout::TIMEOUT),
    ("Limits", limits::LIMITS),
    ("Options", option::FLAGS),
    ("Options with arguments", option::WITH_ARGUMENTS),
    ("Logging", log::LOG),
    ("Error pages", errors::ERRORS),
    ("Monitoring", monitor::MONITOR),
    ("ACLs", acl::ACL),
    ("Choosing a backend", switching::SWITCHING),
    ("Balancing", balance::BALANCE),
    ("Servers", server::SERVER),
    ("Source address", source::SOURCE),
    ("Persistence", persistence::PERSISTENCE),
    ("Stick tables", stick::STICK),
    ("Health checks", check::CHECK),
    ("TCP inspection", tcp_request::TCP_REQUEST),
    ("Tracking", tracking::TRACKING),
    ("HTTP access", http_request::HTTP_REQUEST),
    ("Redirection", redirect::REDIRECT),
    ("Header rules", header_rules::HEADER_RULES),
    ("Header edits", header_edit::HEADER_EDITS),
    ("Captures", capture::CAPTURE),
    ("Statistics page", stats::STATS),
    ("Processes", process::PROCESS),
    ("User lists", userlist::USERLIST),
];

/// What looking a line up gives.
#[derive(Clone, Copy, Debug)]
pub enum Lookup {
    /// A keyword of a table.
    Known(&'static Keyword),
    /// A keyword that only a later version has.
    Later(&'static LaterKeyword),
    /// Nothing.
    Unknown,
}

type Index = HashMap<&'static str, Vec<&'static Keyword>>;
type LaterIndex = HashMap<&'static str, Vec<&'static LaterKeyword>>;

struct Tables {
    global: Index,
    proxy: Index,
    userlist: Index,
    later_global: LaterIndex,
    later_proxy: LaterIndex,
}

/// The tables by the first word, the longest names first.
static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let index = |of: &dyn Fn(&Keyword) -> bool| {
        let mut index = Index::new();
        for keyword in all().filter(|k| of(k)) {
            index
                .entry(first_word(keyword.name))
                .or_default()
                .push(keyword);
        }
        for list in index.values_mut() {
            list.sort_by_key(|k| std::cmp::Reverse(k.word_count()));
        }
        index
    };
    let later = |table: &'static [LaterKeyword]| {
        let mut index = LaterIndex::new();
        for keyword in table {
            index
                .entry(first_word(keyword.name))
                .or_default()
                .push(keyword);
        }
        for list in index.values_mut() {
            list.sort_by_key(|k| std::cmp::Reverse(k.name.split(' ').count()));
        }
        index
    };
    Tables {
        global: index(&|k| k.sections.contains(SectionKind::Global)),
        proxy: index(&Keyword::is_for_proxies),
        userlist: index(&|k| k.sections.contains(SectionKind::Userlist)),
        later_global: later(later::GLOBAL),
        later_proxy: later(later::PROXY),
    }
});

/// Every keyword of every family.
pub fn all() -> impl Iterator<Item = &'static Keyword> {
    FAMILIES.iter().flat_map(|(_, table)| table.iter())
}

fn first_word(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

/// Whether words begin with a keyword. Where the name of that has `()`, the word may have an argument
/// in parentheses.
fn matches(name: &str, words: &[Word]) -> bool {
    let mut count = 0;
    for (n, part) in name.split(' ').enumerate() {
        let is_part = |word: &Word| match part.strip_suffix("()") {
            Some(part) => {
                let rest = word.bytes.strip_prefix(part.as_bytes());
                rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'(')))
            }
            None => word.is(part),
        };
        if !words.get(n).is_some_and(is_part) {
            return false;
        }
        count += 1;
    }
    count > 0
}

/// Looks up the keyword that words begin with, in a kind of section.
pub fn find(words: &[Word], section: SectionKind) -> Lookup {
    let Some(first) = words.first() else {
        return Lookup::Unknown;
    };
    let (known, later) = match section {
        SectionKind::Global => (&TABLES.global, Some(&TABLES.later_global)),
        SectionKind::Userlist => (&TABLES.userlist, None),
        _ => (&TABLES.proxy, Some(&TABLES.later_proxy)),
    };
    let best = known
        .get(first.text())
        .and_then(|list| list.iter().find(|k| matches(k.name, words)));
    let later = later
        .and_then(|index| index.get(first.text()))
        .and_then(|list| list.iter().find(|k| matches(k.name, words)));
    match (best, later) {
        (Some(keyword), Some(later)) if later.name.len() > keyword.name.len() => {
            Lookup::Later(later)
        }
        (Some(keyword), _) => Lookup::Known(keyword),
        (None, Some(later)) => Lookup::Later(later),
        (None, None) => Lookup::Unknown,
    }
}

/// The names that can be written in a section.
fn names(section: SectionKind) -> impl Iterator<Item = &'static str> {
    let here: Sections = section.bit();
    all()
        .filter(move |k| k.sections.contains(section) && !here.is_empty())
        .map(|k| k.name)
}

/// The mistake of a keyword that no HAProxy has in this section.
pub fn unknown(
    words: &[Word],
    section: SectionKind,
    prefix: Prefix,
    dialect: Dialect,
) -> Diagnostic {
    let first = &words[0];
    let shown = first.shown();
    let family: Vec<&str> = names(section)
        .filter(|n| {
            n.strip_prefix(&*shown)
                .is_some_and(|rest| rest.starts_with(' '))
        })
        .collect();
    if !family.is_empty() && prefix == Prefix::None {
        let list: Vec<&str> = family
            .iter()
            .filter_map(|n| n.get(shown.len() + 1..))
            .collect();
        let Some(second) = words.get(1) else {
            return Diagnostic::new(
                Code::MissingArgument,
                first.span,
                format!("'{shown}' needs another word"),
            )
            .help(format!("one of: {}", list.join(", ")));
        };
        let diagnostic = Diagnostic::new(
            Code::UnknownKeyword,
            second.span,
            format!("there is no '{shown} {}' in any HAProxy", second.shown()),
        );
        return match nearest(&second.shown(), list.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean '{shown} {near}'?")),
            None if list.len() < 12 => diagnostic.help(format!("one of: {}", list.join(", "))),
            None => diagnostic,
        };
    }
    let diagnostic = Diagnostic::new(
        Code::UnknownKeyword,
        first.span,
        format!("unknown keyword '{shown}' in '{section}' section"),
    );
    let two_words = words
        .get(1)
        .map(|second| format!("{shown} {}", second.shown()));
    let near = two_words
        .as_deref()
        .and_then(|two| nearest(two, names(section)))
        .or_else(|| nearest(&shown, names(section).map(first_word)));
    if let Some(near) = near {
        return diagnostic.help(format!("did you mean '{near}'?"));
    }
    let elsewhere = all().find(|k| k.exists_in(dialect) && matches(k.name, words));
    match elsewhere {
        Some(keyword) => diagnostic.help(format!(
            "'{}' belongs into: {}",
            keyword.name, keyword.sections
        )),
        None => diagnostic,
    }
}
