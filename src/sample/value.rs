//! One value that a fetch has found.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A value, borrowed from where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A truth.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// An address.
    Address(Ipv4Addr),
    /// An IPv6 address that is no IPv4 address in disguise.
    AddressV6(Ipv6Addr),
    /// Bytes.
    Text(&'a [u8]),
}

impl Value<'_> {
    /// The number that the value means; a text counts with the digits that it begins with.
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Bool(value) => Some(i64::from(value)),
            Self::Integer(value) => Some(value),
            Self::Address(address) => Some(i64::from(u32::from(address))),
            Self::Text(text) => Some(leading_integer(text)),
            Self::AddressV6(_) => None,
        }
    }

    /// The address that the value means.
    pub fn address(self) -> Option<Ipv4Addr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Text(text) => address_of(text),
            Self::Bool(_) | Self::Integer(_) | Self::AddressV6(_) => None,
        }
    }

    /// The IPv6 address that the value means.
    pub fn address_v6(self) -> Option<Ipv6Addr> {
        match self {
            Self::AddressV6(address) => Some(address),
            Self::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            Self::Address(_) | Self::Bool(_) | Self::Integer(_) => None,
        }
    }

    /// Appends the value as text.
    pub fn write_to(self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(value) => out.push(b'0' + u8::from(value)),
            Self::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Address(address) => out.extend_from_slice(address.to_string().as_bytes()),
            Self::AddressV6(address) => out.extend_from_slice(address.to_string().as_bytes()),
            Self::Text(text) => out.extend_from_slice(text),
        }
    }
}

/// Hands on the value as text.
pub fn with_text<R>(value: Value<'_>, make: impl FnOnce(&[u8]) -> R) -> R {
    if let Value::Text(text) = value {
        return make(text);
    }
    let mut text = Vec::new();
    value.write_to(&mut text);
    make(&text)
}

/// Hands on the value as bytes: numbers have eight, the highest first.
pub fn with_bytes<R>(value: Value<'_>, make: impl FnOnce(&[u8]) -> R) -> R {
    match value {
        Value::Bool(value) => make(&i64::from(value).to_be_bytes()),
        Value::Integer(value) => make(&value.to_be_bytes()),
        Value::Address(address) => make(&address.octets()),
        Value::AddressV6(address) => make(&address.octets()),
        Value::Text(text) => make(text),
    }
}

/// The digits that a text begins with, after an optional minus sign; 0 when there are none.
pub fn leading_integer(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i64, |number, byte| {
            let digit = i64::from(byte - b'0');
            let number = number.saturating_mul(10);
            if negative {
                number.saturating_sub(digit)
            } else {
                number.saturating_add(digit)
            }
        })
}

/// A number as header values are read: 32 bits that wrap, up to the first byte above `9`. Bytes
/// below `0` count as negative digits, so that `5.5` is 485. HAProxy has read them so since 1.3.
pub fn header_integer(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut value = 0i32;
    for byte in digits {
        if *byte > b'9' {
            break;
        }
        let digit = i32::from(*byte) - i32::from(b'0');
        value = value.wrapping_mul(10);
        value = if negative {
            value.wrapping_sub(digit)
        } else {
            value.wrapping_add(digit)
        };
    }
    i64::from(value)
}

/// The dotted address that a text begins with, whatever follows it: `10.0.0.1:80` has one.
pub fn leading_address(text: &[u8]) -> Option<Ipv4Addr> {
    let end = text
        .iter()
        .position(|b| !(b.is_ascii_digit() || *b == b'.'))
        .unwrap_or(text.len());
    address_of(&text[..end])
}

/// What converters that want an address make of a value: a text counts with the one that it begins
/// with, a number is one.
pub fn as_address(value: Value<'_>) -> Option<Value<'_>> {
    match value {
        Value::Text(text) => match leading_address(text) {
            Some(address) => Some(Value::Address(address)),
            None => value.address_v6().map(Value::AddressV6),
        },
        Value::Integer(number) => Some(Value::Address((number as u32).into())),
        Value::Address(_) | Value::AddressV6(_) => Some(value),
        Value::Bool(_) => None,
    }
}

/// An address as 1.4 reads keys of tables: up to four numbers that wrap at 256, those that are
/// missing 0, whatever follows; 0.0.0.0 is none.
pub fn dotted_prefix(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                octets[at] = octets[at].wrapping_mul(10).wrapping_add(byte - b'0');
            }
            b'.' if at < 3 => at += 1,
            _ => break,
        }
    }
    (octets != [0; 4]).then(|| octets.into())
}

/// An address as `usesrc hdr_ip(...)` and `show table` read it, generously: up to four numbers whatever
/// follows, those that are missing 0, of each the last three digits, carried over when above 255.
pub fn loose_address(text: &[u8]) -> Ipv4Addr {
    let end = text
        .iter()
        .position(|b| !(b.is_ascii_digit() || *b == b'.'))
        .unwrap_or(text.len());
    let parts = text[..end].split(|b| *b == b'.');
    let sum = parts.zip([24, 16, 8, 0]).fold(0u32, |sum, (part, shift)| {
        let digits = part.iter().map(|b| u32::from(b - b'0'));
        let number = digits.fold(0, |number, digit| (number * 10 + digit) % 1000);
        sum.wrapping_add(number << shift)
    });
    sum.into()
}

/// A dotted address, all of the text.
pub fn address_of(text: &[u8]) -> Option<Ipv4Addr> {
    let mut parts = text.split(|b| *b == b'.');
    let mut octets = [0u8; 4];
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 3 {
            return None;
        }
        let mut value = 0u16;
        for digit in part {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u16::from(digit - b'0');
        }
        *octet = u8::try_from(value).ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("12", 12),
            ("-3x", -3),
            ("", 0),
            ("x", 0),
            ("+7", 7),
            ("99999999999999999999", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(leading_integer(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn addresses_of_1_4_tables() {
        for (text, expected) in [
            ("10.0.0.1", Some([10, 0, 0, 1])),
            ("10.5", Some([10, 5, 0, 0])),
            ("1.2.3.4.5", Some([1, 2, 3, 4])),
            ("300.1.1.1", Some([44, 1, 1, 1])),
            ("10.0.0.1:80", Some([10, 0, 0, 1])),
            ("ten", None),
            ("", None),
        ] {
            let expected = expected.map(Ipv4Addr::from);
            assert_eq!(dotted_prefix(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn addresses_for_usesrc() {
        for (text, expected) in [
            ("127.0.0.5", [127, 0, 0, 5]),
            ("127.0.0.5:80", [127, 0, 0, 5]),
            ("127.33", [127, 33, 0, 0]),
            ("127..5.6", [127, 0, 5, 6]),
            ("127.0.0.5.6", [127, 0, 0, 5]),
            ("127.0.0.300", [127, 0, 1, 44]),
            ("127.0.0.1234", [127, 0, 0, 234]),
            ("383.0.0.5", [127, 0, 0, 5]),
            ("127.x.0.5", [127, 0, 0, 0]),
            ("ten", [0, 0, 0, 0]),
            ("", [0, 0, 0, 0]),
        ] {
            let expected = Ipv4Addr::from(expected);
            assert_eq!(loose_address(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("10.0.0.1", Some(Ipv4Addr::new(10, 0, 0, 1))),
            ("10.0.0.1 ", None),
            ("10.0.0", None),
            ("10.0.0.256", None),
            ("1.2.3.4.5", None),
            ("01.2.3.4", Some(Ipv4Addr::new(1, 2, 3, 4))),
        ] {
            assert_eq!(address_of(text.as_bytes()), expected, "{text}");
        }
    }
}
