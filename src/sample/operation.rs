//! Converters that need nothing but the value.

use haproxy_cfg_grammar::value::operation::{Operation, Part};

use super::Value;
use super::value::{with_bytes, with_text};
use crate::balance::hash;
use crate::http1::base64;
use crate::plan::HashFunction;

/// Hands on what comes of a value; nothing when the value is of a kind, or has a form, that the operation
/// does not take.
pub(super) fn apply(
    operation: &Operation,
    value: Value<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> bool {
    match operation {
        Operation::Hex => with_bytes(value, |bytes| {
            let digits = bytes.iter().map(|byte| format!("{byte:02X}"));
            visit(Value::Text(digits.collect::<String>().as_bytes()))
        }),
        Operation::Base64 => with_bytes(value, |bytes| {
            let mut text = Vec::new();
            base64::encode(bytes, &mut text);
            visit(Value::Text(&text))
        }),
        Operation::Hex2i => with_text(value, |text| {
            hexadecimal(text).is_some_and(|number| visit(Value::Integer(number)))
        }),
        Operation::UrlDec => with_text(value, |text| {
            url_decoded(text).is_some_and(|text| visit(Value::Text(&text)))
        }),
        Operation::Field(part) => with_text(value, |text| visit(Value::Text(field(text, part)))),
        Operation::Word(part) => with_text(value, |text| visit(Value::Text(word(text, part)))),
        Operation::Crc32(spread) => checksum(HashFunction::Crc32, *spread, value, visit),
        Operation::Djb2(spread) => checksum(HashFunction::Djb2, *spread, value, visit),
        Operation::Sdbm(spread) => checksum(HashFunction::Sdbm, *spread, value, visit),
        Operation::Wt6(spread) => checksum(HashFunction::Wt6, *spread, value, visit),
        _ => match value {
            Value::Text(b"") => false,
            _ => value
                .integer()
                .is_some_and(|number| visit(of_number(operation, number))),
        },
    }
}

/// Numbers that are too large are the largest.
fn of_number(operation: &Operation, a: i64) -> Value<'static> {
    Value::Integer(match *operation {
        Operation::Add(b) => a.saturating_add(b),
        Operation::Sub(b) => a.saturating_sub(b),
        Operation::Mul(b) => a.saturating_mul(b),
        Operation::Div(0) => i64::MAX,
        Operation::Div(b) => a.saturating_div(b),
        Operation::Mod(0) => 0,
        Operation::Mod(b) => a.wrapping_rem(b),
        Operation::And(b) => a & b,
        Operation::Or(b) => a | b,
        Operation::Xor(b) => a ^ b,
        Operation::Neg => a.saturating_neg(),
        Operation::Cpl => !a,
        Operation::Not => return Value::Bool(a == 0),
        Operation::Even => return Value::Bool(a & 1 == 0),
        Operation::Odd => return Value::Bool(a & 1 == 1),
        _ => return Value::Bool(a != 0),
    })
}

fn checksum(
    function: HashFunction,
    spread: bool,
    value: Value<'_>,
    visit: &mut dyn FnMut(Value<'_>) -> bool,
) -> bool {
    with_bytes(value, |bytes| {
        let sum = hash::of(function, bytes);
        let sum = if spread { hash::mix(sum) } else { sum };
        visit(Value::Integer(sum.into()))
    })
}

/// Of more digits than 64 bits have room for, the last ones count.
fn hexadecimal(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0i64, |number, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(number.wrapping_shl(4) | i64::from(digit))
    })
}

fn url_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(rest.next())? << 4 | digit(rest.next())?).ok()?,
            other => *other,
        });
    }
    Some(decoded)
}

/// Empty when there are not so many.
fn field<'t>(text: &'t [u8], part: &Part) -> &'t [u8] {
    nth(
        text.split(|byte| part.separators.contains(byte)),
        part.index,
    )
}

fn word<'t>(text: &'t [u8], part: &Part) -> &'t [u8] {
    let words = text.split(|byte| part.separators.contains(byte));
    nth(words.filter(|word| !word.is_empty()), part.index)
}

fn nth<'t>(mut parts: impl Iterator<Item = &'t [u8]>, index: i64) -> &'t [u8] {
    let index = usize::try_from(index).ok().and_then(|n| n.checked_sub(1));
    index.and_then(|n| parts.nth(n)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(operation: &Operation, value: Value<'_>) -> Option<String> {
        let mut found = None;
        apply(operation, value, &mut |value| {
            let mut text = Vec::new();
            value.write_to(&mut text);
            found = Some(String::from_utf8_lossy(&text).into_owned());
            true
        });
        found
    }

    #[test]
    fn what_comes_of_texts() {
        let part = |index, separators: &str| Part {
            index,
            separators: separators.as_bytes().into(),
        };
        for (operation, text, expected) in [
            (Operation::Add(3), "12x", Some("15")),
            (Operation::Add(3), "", None),
            (Operation::Add(i64::MAX), "5", Some("9223372036854775807")),
            (Operation::Div(0), "5", Some("9223372036854775807")),
            (Operation::Div(-2), "-7", Some("3")),
            (Operation::Mod(0), "5", Some("0")),
            (Operation::Mod(-1), "-9223372036854775808", Some("0")),
            (
                Operation::Neg,
                "-9223372036854775808",
                Some("9223372036854775807"),
            ),
            (Operation::Not, "0", Some("1")),
            (Operation::Odd, "-7", Some("1")),
            (Operation::Hex, "a/", Some("612F")),
            (Operation::Hex2i, "1F", Some("31")),
            (Operation::Hex2i, "", Some("0")),
            (Operation::Hex2i, "1g", None),
            (Operation::Hex2i, "1ffffffffffffffff", Some("-1")),
            (Operation::Base64, "hello", Some("aGVsbG8=")),
            (Operation::UrlDec, "a%20b%2fc+d", Some("a b/c d")),
            (Operation::UrlDec, "%zz", None),
            (Operation::UrlDec, "%2", None),
            (Operation::Field(part(2, "/")), "/a//b", Some("a")),
            (Operation::Field(part(3, "/")), "/a//b", Some("")),
            (Operation::Field(part(9, "/")), "/a//b", Some("")),
            (Operation::Field(part(-1, "/")), "/a//b", Some("")),
            (Operation::Word(part(2, "/.")), "//a./b", Some("b")),
            (Operation::Crc32(false), "hello", Some("907060870")),
            (Operation::Crc32(true), "hello", Some("3902247103")),
        ] {
            let found = ask(&operation, Value::Text(text.as_bytes()));
            assert_eq!(found.as_deref(), expected, "{operation:?} {text}");
        }
    }

    #[test]
    fn what_comes_of_other_values() {
        let address = Value::Address([127, 0, 0, 1].into());
        for (operation, value, expected) in [
            (Operation::Hex, address, Some("7F000001")),
            (Operation::Hex, Value::Integer(1), Some("0000000000000001")),
            (Operation::Add(1), address, Some("2130706434")),
            (Operation::Neg, Value::Bool(true), Some("-1")),
            (
                Operation::Neg,
                Value::AddressV6(std::net::Ipv6Addr::LOCALHOST),
                None,
            ),
        ] {
            assert_eq!(ask(&operation, value).as_deref(), expected, "{value:?}");
        }
    }
}
