//! One pattern, read by itself: a key of a map, or what an administrator adds to a list.

use haproxy_cfg_grammar::Dialect;
use haproxy_cfg_grammar::value::pattern::{self, Operator, PatternSyntax};

use crate::acl::PatternSet;
use crate::plan::{MatchMethod, Pattern};
use crate::sample::value::address_of;

/// Reads a pattern to be compared that way. Names of hosts are none: whoever adds a pattern does not
/// wait for a name server.
///
/// # Errors
/// What is wrong with it, in the words of 1.8, which scripts know.
pub fn read(method: MatchMethod, ignore_case: bool, text: &[u8]) -> Result<Pattern, String> {
    let shown = String::from_utf8_lossy(text);
    let refusal = || match method {
        MatchMethod::Address => format!("'{shown}' is not a valid IPv4 or IPv6 address."),
        _ if text.contains(&b':') => format!("'{shown}' is not a valid number range."),
        _ => format!("'{shown}' is not a number."),
    };
    let syntax = pattern::parse(method, Operator::Equal, text, Dialect::V1_8);
    let read = match syntax.ok_or_else(refusal)? {
        PatternSyntax::Text(text) => Pattern::Text((&*text).into()),
        PatternSyntax::Regex(text) => Pattern::Regex((&*text).into()),
        PatternSyntax::Range {
            min: None,
            max: None,
        } => return Err(refusal()),
        PatternSyntax::Range {
            min: Some(min),
            max: Some(max),
        } if min > max => return Err(refusal()),
        PatternSyntax::Range { min, max } => Pattern::Range { min, max },
        PatternSyntax::Network(network) => Pattern::Network {
            // Four numbers, where a configuration may leave some out.
            address: address_of(text.split(|b| *b == b'/').next().unwrap_or_default())
                .ok_or_else(refusal)?,
            mask: network.mask,
        },
        PatternSyntax::NetworkV6(network) => Pattern::NetworkV6 {
            address: network.address,
            bits: network.bits,
        },
    };
    compile(method, ignore_case, &read).map_err(|why| {
        let why = why.replacen(" at byte ", ", erroffset=", 1);
        format!("regex '{shown}' is invalid (error={why}).")
    })?;
    Ok(read)
}

/// A set of one pattern.
///
/// # Errors
/// What is wrong with a regular expression.
pub fn compile(
    method: MatchMethod,
    ignore_case: bool,
    pattern: &Pattern,
) -> Result<PatternSet, String> {
    PatternSet::compile(method, ignore_case, std::slice::from_ref(pattern))
        .map_err(|why| why.to_string())
}

/// What is said about the value of a map that is not what the map gives.
pub fn unreadable(value: &[u8]) -> String {
    format!("unable to parse '{}'.", String::from_utf8_lossy(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused() {
        use MatchMethod::*;
        for (matching, text, expected) in [
            (Integer, "abc", "'abc' is not a number."),
            (Integer, "lt", "'lt' is not a number."),
            (Integer, "1:2:3", "'1:2:3' is not a valid number range."),
            (Integer, "5:1", "'5:1' is not a valid number range."),
            (Integer, ":", "':' is not a valid number range."),
            (
                Address,
                "10.5",
                "'10.5' is not a valid IPv4 or IPv6 address.",
            ),
            (
                Address,
                "some.name",
                "'some.name' is not a valid IPv4 or IPv6 address.",
            ),
            (
                Regex,
                "[",
                "regex '[' is invalid (error=missing terminating ] for character class, erroffset=1).",
            ),
        ] {
            let refused = read(matching, false, text.as_bytes()).unwrap_err();
            assert_eq!(refused, expected);
        }
        for (matching, text) in [
            (Integer, "-3"),
            (Length, ":6"),
            (Address, "1.2.3.4/255.0.255.0"),
            (Address, "fe80::/10"),
            (Exact, "gt"),
            (Regex, "^/a.c$"),
        ] {
            read(matching, false, text.as_bytes()).unwrap();
        }
    }
}
