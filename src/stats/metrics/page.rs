//! The table of metrics in the documentation.

use std::fmt::Write as _;

use super::{FAMILIES, Scope};

/// The table, in Markdown.
pub fn page() -> String {
    let mut out = String::new();
    for scope in Scope::ALL {
        let _ = writeln!(
            out,
            "\n### scope={}\n\n| name | type | labels | meaning |\n|---|---|---|---|",
            scope.name()
        );
        for family in FAMILIES.iter().filter(|family| family.scope == scope) {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                family.name,
                family.kind.name(),
                family.labels().join(", "),
                family.help
            );
        }
    }
    out
}
