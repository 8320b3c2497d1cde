//! Every keyword's own examples: what HAProxy accepts is accepted, what it refuses is refused.

use haproxy_cfg_grammar::keyword::Keyword;
use haproxy_cfg_grammar::keywords::{FAMILIES, Lookup, find};
use haproxy_cfg_grammar::{Dialect, SectionKind, Severity, SourceSet, parse};

/// The first section that the keyword may be written in.
fn section(keyword: &Keyword) -> Option<SectionKind> {
    [
        SectionKind::Global,
        SectionKind::Userlist,
        SectionKind::Listen,
        SectionKind::Backend,
        SectionKind::Frontend,
        SectionKind::Defaults,
    ]
    .into_iter()
    .find(|kind| keyword.sections.contains(*kind))
}

/// Whether parsing one line in its section gives an error. What only resolving can find (files,
/// names, regular expressions) is not seen here.
fn refused(keyword: &Keyword, line: &str) -> Option<bool> {
    let kind = section(keyword)?;
    let dialect = if keyword.exists_in(Dialect::V1_4) {
        Dialect::V1_4
    } else if keyword.exists_in(Dialect::V1_8) {
        Dialect::V1_8
    } else {
        Dialect::Hapax
    };
    let name = if kind == SectionKind::Global {
        ""
    } else {
        " x"
    };
    let text = format!("{kind}{name}\n    {line}\n");
    let parsed = parse(&SourceSet::from_text("x.cfg", text), dialect);
    let mut errors = parsed.diagnostics.iter();
    Some(errors.any(|d| d.severity == Severity::Error))
}

fn all() -> impl Iterator<Item = &'static Keyword> {
    FAMILIES.iter().flat_map(|(_, table)| table.iter())
}

#[test]
fn accepts() {
    for keyword in all() {
        for line in keyword.accepts {
            assert_ne!(refused(keyword, line), Some(true), "{line}");
        }
    }
}

#[test]
fn refuses() {
    for keyword in all() {
        for line in keyword.refuses {
            // Whether a file exists is not the grammar's business.
            if !line.contains("/nonexistent") {
                assert_ne!(refused(keyword, line), Some(false), "{line}");
            }
        }
    }
}

#[test]
fn every_name_is_found() {
    for keyword in all() {
        let Some(kind) = section(keyword) else {
            continue;
        };
        let text = format!("{kind} x\n    {}\n", keyword.name);
        let parsed = parse(&SourceSet::from_text("x.cfg", text), Dialect::Hapax);
        let line = parsed.document.lines.get(1).expect("two lines");
        let Lookup::Known(found) = find(&line.words, kind) else {
            panic!("{} is not found", keyword.name);
        };
        assert_eq!(found.name, keyword.name);
    }
}

/// A keyword that a later HAProxy has is refused by its name and version, never as unknown.
#[test]
fn keywords_of_later_versions_are_named() {
    use haproxy_cfg_grammar::Code;
    use haproxy_cfg_grammar::keywords::later;
    let line = |title: &str, name: &str| match title {
        "Global keywords" => format!("global\n    {name} 1\n"),
        "Options of bind" => format!("listen x\n    bind :80 {name} 1\n"),
        "Options of server" => format!("listen x\n    server s 10.0.0.1:80 {name} 1\n"),
        "Converters of later versions" => format!("listen x\n    acl a path,{name} 1\n"),
        "Sample fetches and ACL criteria" => format!("listen x\n    acl a {name} 1\n"),
        _ => format!("listen x\n    {} 1\n", name.replace("cookie ", "cookie c ")),
    };
    for (title, table) in later::TABLES {
        for row in *table {
            // These two need the whole configuration: names of ACLs, and converters in their place.
            if row.name.starts_with("HTTP_") || *title == "Converters of later versions" {
                continue;
            }
            let text = line(title, row.name);
            let parsed = parse(&SourceSet::from_text("x.cfg", text), Dialect::Hapax);
            let mut codes = parsed.diagnostics.iter().map(|d| d.code);
            assert!(codes.any(|code| code == Code::LaterKeyword), "{}", row.name);
        }
    }
}
