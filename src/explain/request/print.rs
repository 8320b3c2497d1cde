//! An explanation of a request as text.

use std::fmt::Write as _;

use super::{AclStep, RequestExplanation};

/// As text.
pub fn text(explanation: &RequestExplanation) -> String {
    let mut out = String::new();
    let to = explanation.destination;
    let to = to.map_or_else(String::new, |address| format!(" to {address}"));
    let _ = writeln!(out, "from {}{to}", explanation.source);
    let mut proxy = "";
    for step in &explanation.steps {
        if step.proxy != proxy {
            proxy = &step.proxy;
            let _ = writeln!(out, "\n{proxy}");
        }
        let mark = if step.applies { "yes" } else { "no " };
        let _ = writeln!(out, "  {mark}  {}", step.rule);
        for acl in &step.acls {
            let _ = writeln!(out, "         {}", acl_line(acl));
        }
        for effect in &step.effects {
            let _ = writeln!(out, "         {effect}");
        }
    }
    let _ = writeln!(out, "\n{}", explanation.outcome);
    for line in &explanation.request {
        let _ = writeln!(out, "    {line}");
    }
    if let Some(connection) = &explanation.connection {
        let _ = writeln!(out, "then {connection}");
    }
    out
}

fn acl_line(acl: &AclStep) -> String {
    let asks = if acl.name.starts_with('{') {
        String::new()
    } else {
        format!(" ({})", acl.asks)
    };
    let values = match &acl.values[..] {
        [] => "no value".to_owned(),
        values => values.join(", "),
    };
    let verdict = match (acl.holds, acl.negated) {
        (true, false) => "holds",
        (false, false) => "does not hold",
        (true, true) => "holds, and must not",
        (false, true) => "does not hold, as it must not",
    };
    format!("{}{asks}: {values}: {verdict}", acl.name)
}
