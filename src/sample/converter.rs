//! What a value goes through between a fetch and its use.

use std::net::Ipv4Addr;

use super::{Facts, Value, operation, stored, value};
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
        Converter::IpMask(mask) => match value::as_address(value) {
            Some(Value::Address(address)) => {
                let masked = Ipv4Addr::from(u32::from(address) & u32::from(*mask));
                convert(rest, Value::Address(masked), facts, visit)
            }
            _ => false,
        },
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
        Converter::Operation(what) => {
            operation::apply(what, value, &mut |found| convert(rest, found, facts, visit))
        }
        Converter::Map(lookup) => facts.world.map(lookup.map).is_some_and(|map| {
            map.look_up(value, lookup.default.as_ref(), &mut |found| {
                convert(rest, found, facts, visit)
            })
        }),
    }
}

/// The same for one of several values, as conditions look at them: the first of which nothing comes is
/// the last.
pub fn converted(
    converters: &[Converter],
    value: Value<'_>,
    facts: &Facts<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> bool {
    let mut any = false;
    let done = convert(converters, value, facts, &mut |value| {
        any = true;
        visit(value)
    });
    done || !any
}
