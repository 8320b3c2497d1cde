//! Conditions printed back, in words that could stand in a file.

use crate::plan::{
    Acl, Condition, Converter, EntryRef, Fetch, MatchMethod, Pattern, Polarity, Sample,
};

/// `if` or `unless` and the terms; anonymous ACLs in braces.
pub fn condition(condition: &Condition, acls: &[Acl]) -> String {
    let mut words = vec![match condition.polarity {
        Polarity::If => "if".to_owned(),
        Polarity::Unless => "unless".to_owned(),
    }];
    for (n, conjunction) in condition.any.iter().enumerate() {
        if n > 0 {
            words.push("or".to_owned());
        }
        for term in &conjunction.all {
            let first = term.acls.first().and_then(|id| acls.get(id.0 as usize));
            let name = match first {
                Some(acl) if acl.name.is_empty() => format!("{{ {} }}", acl_text(acl)),
                Some(acl) => acl.name.clone(),
                None => "?".to_owned(),
            };
            words.push(format!("{}{name}", if term.negated { "!" } else { "" }));
        }
    }
    words.join(" ")
}

/// What an ACL asks.
pub(super) fn acl_text(acl: &Acl) -> String {
    let mut words = vec![sample_text(&acl.sample)];
    if acl.ignore_case {
        words.push("-i".to_owned());
    }
    words.push(
        match acl.matching {
            MatchMethod::Bool => "",
            MatchMethod::Found => "is there",
            MatchMethod::Integer | MatchMethod::Version => "is",
            MatchMethod::Length => "has the length",
            MatchMethod::Exact => "is",
            MatchMethod::Binary => "is, in bytes,",
            MatchMethod::Prefix => "begins with",
            MatchMethod::Suffix => "ends with",
            MatchMethod::Substring => "contains",
            MatchMethod::Directory => "has the directory",
            MatchMethod::Domain => "has the domain",
            MatchMethod::Regex => "matches",
            MatchMethod::Address => "is in",
            MatchMethod::Group => "has the group",
        }
        .to_owned(),
    );
    if acl.matching != MatchMethod::Bool {
        words.extend(acl.patterns.iter().take(8).map(pattern));
        if acl.patterns.len() > 8 {
            words.push(format!("... ({} in all)", acl.patterns.len()));
        }
    }
    words.retain(|w| !w.is_empty());
    words.join(" ")
}

/// A fetch with its arguments, and its converters.
pub(super) fn sample_text(sample: &Sample) -> String {
    let call = |value: serde_json::Value| match &value {
        serde_json::Value::String(name) => name.clone(),
        serde_json::Value::Object(map) => match map.iter().next() {
            Some((name, argument)) => format!("{name}({})", argument_text(argument)),
            None => String::new(),
        },
        _ => String::new(),
    };
    let fetch = match &sample.fetch {
        Fetch::Entry { name, of, .. } => entry_text(name, of),
        Fetch::TableUsed(table) => format!("table_cnt({})", table.name),
        Fetch::TableFree(table) => format!("table_avl({})", table.name),
        other => call(serde_json::to_value(other).unwrap_or_default()),
    };
    let mut words = vec![fetch];
    for converter in &sample.converters {
        words.push(match converter {
            Converter::Entry { name, table, .. } => format!("{name}({})", table.name),
            other => call(serde_json::to_value(other).unwrap_or_default()),
        });
    }
    words.join(",")
}

/// A fetch about an entry of a stick table, as it is written.
fn entry_text(name: &str, of: &EntryRef) -> String {
    let arguments = match of {
        EntryRef::Source(table) => table.name.clone(),
        EntryRef::Tracked { counter, table } => {
            let number = name.starts_with("sc_").then(|| counter.to_string());
            let table = table.as_ref().map(|table| table.name.clone());
            let arguments: Vec<String> = number.into_iter().chain(table).collect();
            arguments.join(",")
        }
    };
    if arguments.is_empty() {
        name.to_owned()
    } else {
        format!("{name}({arguments})")
    }
}

fn argument_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(map) => {
            let parts: Vec<String> = map
                .iter()
                .filter(|(name, v)| *name != "id" && *v != &serde_json::json!(0))
                .map(|(_, v)| argument_text(v))
                .filter(|v| !v.is_empty())
                .collect();
            parts.join(",")
        }
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Text(text) | Pattern::Regex(text) => text.to_string(),
        Pattern::Range { min, max } => match (min, max) {
            (Some(min), Some(max)) if min == max => min.to_string(),
            (Some(min), Some(max)) => format!("{min}:{max}"),
            (Some(min), None) => format!("ge {min}"),
            (None, Some(max)) => format!("le {max}"),
            (None, None) => "anything".to_owned(),
        },
        Pattern::NetworkV6 { address, bits } => match bits {
            128 => address.to_string(),
            bits => format!("{address}/{bits}"),
        },
        Pattern::Network { address, mask } => {
            let bits = u32::from(*mask);
            match bits.leading_ones() {
                32 => address.to_string(),
                n if bits.count_ones() == n => format!("{address}/{n}"),
                _ => format!("{address}/{mask}"),
            }
        }
    }
}
