//! The form of the keyword tables.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::Diagnostic;
use crate::section::{NOWHERE, Sections};
use crate::version::{self, Version};
use crate::{Dialect, Statement};

/// A word before the keyword.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Prefix {
    /// Nothing.
    #[default]
    None,
    /// `no`.
    No,
    /// `default`: forget what was inherited (1.4 only).
    Default,
}

/// What hapax does with a keyword. This is the one place that says so for each of them: the
/// generated list, `hapax keywords` and the start-up notices read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does what HAProxy's manual says.
    #[default]
    Works,
    /// It is understood and checked, and has no effect yet: a notice says so.
    Accepted,
    /// It is known and refused, with a message that says why.
    Refused,
}

/// What happens to a keyword in a section where it means nothing.
pub type Parser = fn(&mut Arguments<'_>) -> Result<Statement, Diagnostic>;

/// One keyword.
#[derive(Clone, Copy)]
pub struct Keyword {
    /// One, two or three words, as `timeout client`.
    pub name: &'static str,
    /// Where it may be written.
    pub sections: Sections,
    /// Where it may be written since 1.5, if that is more.
    pub sections_since_1_5: Option<Sections>,
    /// Where it is accepted, ignored, and warned about. Anywhere else it is refused.
    pub ignored_in: Sections,
    /// The version that brought it.
    pub since: Version,
    /// The version that took it away.
    pub until: Option<Version>,
    /// `no` may stand before it.
    pub no_prefix: bool,
    /// `default` may stand before it (1.4 only).
    pub default_prefix: bool,
    /// What to write instead, when it is an old spelling.
    pub instead: Option<&'static str>,
    /// The version that warns about the old spelling.
    pub warned_since: Version,
    /// HAProxy 1.4 reads no further in the file after a mistake in such a line.
    pub stops: bool,
    /// Where the keyword is ignored, 1.4 does not look at its arguments.
    pub unread_when_ignored: bool,
    /// Where it is ignored, that is what HAProxy says only: it acts all the same.
    pub acts_when_ignored: bool,
    /// The shape of its arguments, for the list of keywords.
    pub arguments: &'static str,
    /// What hapax does with it.
    pub status: Status,
    /// Reads the words after it.
    pub parse: Parser,
    /// Lines that HAProxy accepts, in the first of its sections.
    pub accepts: &'static [&'static str],
    /// Lines that it refuses there.
    pub refuses: &'static [&'static str],
}

impl Keyword {
    /// The base of a table row, to be completed with `..Keyword::new(...)`.
    pub const fn new(name: &'static str, sections: Sections, parse: Parser) -> Self {
        Self {
            name,
            sections,
            sections_since_1_5: None,
            ignored_in: NOWHERE,
            since: version::V1_4,
            until: None,
            no_prefix: false,
            default_prefix: false,
            instead: None,
            warned_since: version::V1_4,
            stops: false,
            unread_when_ignored: false,
            acts_when_ignored: false,
            arguments: "",
            status: Status::Works,
            parse,
            accepts: &[],
            refuses: &[],
        }
    }

    /// Where it may be written in a dialect.
    pub fn sections_in(&self, dialect: Dialect) -> Sections {
        match self.sections_since_1_5 {
            Some(sections) if dialect != Dialect::V1_4 => sections,
            _ => self.sections,
        }
    }

    /// How many words the name has.
    pub fn word_count(&self) -> usize {
        self.name.split(' ').count()
    }

    /// Whether it can be written in a proxy section at all.
    pub fn is_for_proxies(&self) -> bool {
        [
            crate::SectionKind::Defaults,
            crate::SectionKind::Frontend,
            crate::SectionKind::Listen,
            crate::SectionKind::Backend,
        ]
        .into_iter()
        .any(|kind| self.sections.contains(kind) || self.ignored_in.contains(kind))
    }

    /// Whether the dialect has it.
    pub fn exists_in(&self, dialect: Dialect) -> bool {
        dialect.knows(self.since, self.until)
    }
}

impl std::fmt::Debug for Keyword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyword({:?})", self.name)
    }
}

/// An option within a line, as `weight` of `server`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// The shape of its value.
    pub arguments: &'static str,
    /// What hapax does with it.
    pub status: Status,
}

impl Setting {
    /// A setting that works.
    pub(crate) const fn works(name: &'static str, arguments: &'static str) -> Self {
        Self {
            name,
            arguments,
            status: Status::Works,
        }
    }
}

/// A keyword of a later version that hapax does not read: it is refused by name.
#[derive(Clone, Copy, Debug)]
pub struct LaterKeyword {
    /// One to three words.
    pub name: &'static str,
    /// The first version known to have it.
    pub since: Version,
    /// The first version known not to have it any more.
    pub until: Option<Version>,
    /// How to say it in the dialects that hapax reads, if there is a way.
    pub instead: Option<&'static str>,
}

impl LaterKeyword {
    /// The mistake of using it; `otherwise` is said when there is no other way to write it.
    pub fn refusal(&self, span: crate::Span, otherwise: &str) -> Diagnostic {
        let diagnostic = Diagnostic::new(
            crate::Code::LaterKeyword,
            span,
            format!(
                "'{}' came with HAProxy {}; hapax does not have it",
                self.name, self.since
            ),
        );
        match self.instead {
            Some(instead) => diagnostic.help(format!("hapax has: {instead}")),
            None if otherwise.is_empty() => diagnostic,
            None => diagnostic.help(otherwise),
        }
    }
}

/// The known name nearest to a mistyped one, if one is near enough to be meant.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match typed.chars().count() {
        0..=2 => return None,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    names
        .map(|name| (distance(typed, name), name))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// Letters to insert, remove, replace or swap (with a neighbour) to get from one to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for (i, &ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &cb) in b.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(ca != cb))
                .min(rows[i][j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && ca == b[j - 1] && a[i - 1] == cb {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names() {
        let names = || ["timeout client", "balance", "retries", "redispatch"].into_iter();
        assert_eq!(nearest("balanec", names()), Some("balance"));
        assert_eq!(nearest("timeout cleint", names()), Some("timeout client"));
        assert_eq!(nearest("retry", names()), None);
        assert_eq!(nearest("x", names()), None);
    }
}
