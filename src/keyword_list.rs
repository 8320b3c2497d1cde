//! `hapax keywords` and `docs/keywords.md`: every keyword, since when, where, and what hapax does
//! with it. Everything here is read from the grammar's tables.

use std::fmt::Write as _;

use haproxy_cfg_grammar::keyword::{Keyword, LaterKeyword, Status};
use haproxy_cfg_grammar::keywords::{FAMILIES, bind, later, server};
use haproxy_cfg_grammar::value::converter::CONVERTERS;
use haproxy_cfg_grammar::value::criterion::{self, PREDEFINED};
use haproxy_cfg_grammar::{Version, version};
use serde::Serialize;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What the manual describes together.
    pub family: &'static str,
    /// The keyword.
    pub name: &'static str,
    /// The first version that has it, among those that the tables were checked against.
    pub since: String,
    /// The first version that no longer has it.
    pub until: Option<String>,
    /// Where it may be written; empty for words within a line.
    pub sections: String,
    /// The shape of its arguments.
    pub arguments: &'static str,
    /// What hapax does with it.
    pub status: Status,
    /// What to write instead.
    pub instead: Option<&'static str>,
}

/// Every keyword.
pub fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = FAMILIES
        .iter()
        .flat_map(|(family, table)| table.iter().map(|k| of_keyword(family, k)))
        .collect();
    let word = |family, name, arguments, status, since: Version| Entry {
        family,
        name,
        since: since.to_string(),
        until: None,
        sections: String::new(),
        arguments,
        status,
        instead: None,
    };
    let settings = [
        ("Options of bind", bind::OPTIONS, version::V1_4),
        ("Options of bind", bind::OPTIONS_SINCE_1_5, version::V1_5),
        ("Options of server", server::OPTIONS, version::V1_4),
        (
            "Options of server",
            server::OPTIONS_SINCE_1_5,
            version::V1_5,
        ),
    ];
    for (family, table, since) in settings {
        entries.extend(
            table
                .iter()
                .map(|s| word(family, s.name, s.arguments, s.status, since)),
        );
    }
    entries.extend(criterion::all().map(|c| word("ACL criteria", c.name, "", c.status, c.since)));
    entries.extend(PREDEFINED.iter().map(|(name, of, _)| {
        let of = of.split('(').next().unwrap_or(of);
        let status = criterion::find(of).map_or(Status::Accepted, |c| c.status);
        word("Predefined ACLs", name, "", status, version::V1_4)
    }));
    entries.extend(
        CONVERTERS
            .iter()
            .map(|c| word("Converters", c.name, c.arguments, c.status, c.since)),
    );
    for (title, table) in later::TABLES {
        entries.extend(table.iter().map(|k| of_later(title, k)));
    }
    entries
}

fn of_keyword(family: &'static str, keyword: &Keyword) -> Entry {
    let sections = match keyword.sections_since_1_5 {
        Some(more) => format!("{} (1.4: {})", more, keyword.sections),
        None => keyword.sections.to_string(),
    };
    Entry {
        family,
        name: keyword.name,
        since: keyword.since.to_string(),
        until: keyword.until.map(|v| v.to_string()),
        sections,
        arguments: keyword.arguments,
        status: keyword.status,
        instead: keyword.instead,
    }
}

fn of_later(family: &'static str, keyword: &LaterKeyword) -> Entry {
    Entry {
        family,
        name: keyword.name,
        since: keyword.since.to_string(),
        until: keyword.until.map(|v| v.to_string()),
        sections: String::new(),
        arguments: "",
        status: Status::Refused,
        instead: keyword.instead,
    }
}

/// The name of a status, as the command line has it.
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Works => "works",
        Status::Accepted => "accepted",
        Status::Refused => "refused",
    }
}

/// The entries of a status; `none` names the keywords of 1.4 that hapax does not know, of which
/// there are none as long as the tables are complete.
pub fn with_status(status: Option<&str>) -> Vec<Entry> {
    let mut entries = entries();
    match status {
        None => {}
        Some("none") => entries.retain(|e| e.status == Status::Refused && e.since == "1.4"),
        Some(name) => entries.retain(|e| status_name(e.status) == name),
    }
    entries
}

/// As columns.
pub fn text(entries: &[Entry]) -> String {
    let mut out = String::new();
    let mut family = "";
    for entry in entries {
        if entry.family != family {
            family = entry.family;
            let _ = writeln!(out, "\n{family}");
        }
        let _ = write!(
            out,
            "  {:<32} {:<9} since {}",
            entry.name,
            status_name(entry.status),
            entry.since
        );
        if let Some(until) = &entry.until {
            let _ = write!(out, " until {until}");
        }
        if !entry.sections.is_empty() {
            let _ = write!(out, "  in {}", entry.sections);
        }
        if let Some(instead) = entry.instead {
            let _ = write!(out, "  instead: {instead}");
        }
        out.push('\n');
    }
    let count = |status| entries.iter().filter(|e| e.status == status).count();
    let _ = writeln!(
        out,
        "\n{} work, {} are accepted with a warning, {} are refused",
        count(Status::Works),
        count(Status::Accepted),
        count(Status::Refused)
    );
    out
}

/// The page of the documentation.
pub fn markdown() -> String {
    let entries = entries();
    let mut out = String::from(
        "# Keywords\n\n\
         Generated by `hapax keywords --format markdown`; a test compares it with the tables.\n\n\
         `works`: does what HAProxy's manual says. `accepted`: understood and checked, without \
         effect yet; `hapax check` and the start say so. `refused`: a later HAProxy has it, hapax \
         does not. Versions are those that the tables were checked against: 1.4, 1.5, 1.8, 2.6, \
         3.4; a keyword of 1.6 is listed with 1.8.\n",
    );
    let mut family = "";
    for entry in &entries {
        if entry.family != family {
            family = entry.family;
            let _ = writeln!(
                out,
                "\n## {family}\n\n| keyword | arguments | sections | since | status |\n|---|---|---|---|---|"
            );
        }
        let mut status = status_name(entry.status).to_owned();
        if let Some(instead) = entry.instead {
            let _ = write!(status, "; instead: `{}`", cell(instead));
        }
        let until = entry
            .until
            .as_ref()
            .map(|v| format!(", until {v}"))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {}{until} | {status} |",
            cell(entry.name),
            cell(entry.arguments),
            cell(&entry.sections),
            entry.since
        );
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// As JSON.
pub fn json(entries: &[Entry]) -> String {
    serde_json::to_string_pretty(entries).unwrap_or_default()
}
