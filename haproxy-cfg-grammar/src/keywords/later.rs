//! Keywords of later versions that hapax does not read: they are refused by name and version, and
//! with the way to say it that hapax has, where there is one.
//!
//! Versions are those of the releases that the tables were checked against: a keyword of 1.6 is
//! listed with 1.8.

use crate::Version;
use crate::keyword::LaterKeyword;

mod actions;
mod arguments;
mod bind;
mod converters;
mod fetches;
mod global;
mod proxy;
mod server;

/// Keywords of `global`.
pub const GLOBAL: &[LaterKeyword] = global::GLOBAL;
/// Keywords of proxy sections.
pub const PROXY: &[LaterKeyword] = proxy::PROXY;
/// Options of `bind`.
pub const BIND_OPTIONS: &[LaterKeyword] = bind::BIND_OPTIONS;
/// Options of `server` and `default-server`.
pub const SERVER_OPTIONS: &[LaterKeyword] = server::SERVER_OPTIONS;
/// Actions of rules, as `http-request set-header`.
pub const ACTIONS: &[LaterKeyword] = actions::ACTIONS;
/// Arguments of keywords that 1.4 has, as `balance random`, and predefined ACLs.
pub const ARGUMENTS: &[LaterKeyword] = arguments::ARGUMENTS;
/// Sample fetches and ACL criteria.
pub const FETCHES: &[LaterKeyword] = fetches::FETCHES;
/// Converters of samples.
pub const CONVERTERS: &[LaterKeyword] = converters::CONVERTERS;

/// Every table with its title, for the list of keywords.
pub const TABLES: &[(&str, &[LaterKeyword])] = &[
    ("Global keywords", GLOBAL),
    ("Proxy keywords", PROXY),
    ("Options of bind", BIND_OPTIONS),
    ("Options of server", SERVER_OPTIONS),
    ("Actions of rules", ACTIONS),
    ("Arguments and predefined ACLs", ARGUMENTS),
    ("Sample fetches and ACL criteria", FETCHES),
    ("Converters of later versions", CONVERTERS),
];

/// The row of that name; the tables are sorted.
pub fn find(table: &'static [LaterKeyword], name: &str) -> Option<&'static LaterKeyword> {
    table
        .binary_search_by(|row| row.name.cmp(name))
        .ok()
        .and_then(|n| table.get(n))
}

/// What is said about a word that the keyword does not take: that it came later, when it did.
pub(crate) fn argument(
    arguments: &crate::arguments::Arguments<'_>,
    keyword: &str,
    word: &crate::Word,
    expected: &str,
) -> crate::Diagnostic {
    let name = word.shown();
    let bare = name.split('(').next().unwrap_or(&name);
    match find(ARGUMENTS, &format!("{keyword} {bare}")) {
        Some(row) => row.refusal(word.span, ""),
        None => arguments.bad(word, expected),
    }
}

const fn row(
    name: &'static str,
    since: Version,
    until: Option<Version>,
    instead: Option<&'static str>,
) -> LaterKeyword {
    LaterKeyword {
        name,
        since,
        until,
        instead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted() {
        for (title, table) in TABLES {
            assert!(table.windows(2).all(|w| w[0].name < w[1].name), "{title}");
        }
    }
}
