//! What a value goes through between a fetch and its use.

use std::net::Ipv4Addr;

use super::{Facts, Value, stored};
use crate::plan::Converter;

/// Applies converters, then hands the value on. Values of a type that a converter does not take
/// end there.
pub fn convert(
    converters: &[Converter],
    value: Value<'_>,
    facts: &Facts<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> bool {
    let Some((first, rest)) = converters.split_first() else {
        return visit(value);
    };
    match first {
        Converter::IpMask(mask) => address(value).is_some_and(|address| {
            let masked = Ipv4Addr::from(u32::from(address) & u32::from(*mask));
            convert(rest, Value::Address(masked), facts, visit)
        }),
        Converter::Entry { table, fact, .. } => stored::looked_up(value, table, *fact, facts)
            .is_some_and(|found| convert(rest, found, facts, visit)),
        Converter::Lower | Converter::Upper => {
            let mut text = Vec::new();
            value.write_to(&mut text);
            if *first == Converter::Lower {
                text.make_ascii_lowercase();
            } else {
                text.make_ascii_uppercase();
            }
            convert(rest, Value::Text(&text), facts, visit)
        }
    }
}

/// The address of a value; a text counts with the one that it begins with, a number is one.
fn address(value: Value<'_>) -> Option<Ipv4Addr> {
    match value {
        Value::Text(text) => super::value::leading_address(text),
        Value::Integer(number) => Some((number as u32).into()),
        other => other.address(),
    }
}
