//! Keys: a sample as the bytes that a table of some type is asked with.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::plan::KeyType;
use crate::sample::Value;
use crate::sample::value::with_text;

/// The longest key that needs no allocation.
const SHORT: usize = 48;

/// A key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A short one.
    Short([u8; SHORT], u8),
    /// A longer one.
    Long(Box<[u8]>),
}

impl Key {
    /// The key that a sample means to a table; `None` when it means none.
    ///
    /// Strings are cut to the length of the table's keys, bytes are cut or filled up with zeros;
    /// as bytes, a number takes eight. A text counts as the number or address that it begins with;
    /// where it begins with none, the number is 0 and there is no address. An empty text is no
    /// number either.
    pub fn of(value: Value<'_>, key: KeyType) -> Option<Self> {
        match key {
            KeyType::Ip => {
                let address = match value {
                    Value::Integer(number) => Some((number as u32).into()),
                    Value::Text(text) => crate::sample::value::leading_address(text),
                    other => other.address(),
                };
                Some(Self::new(&address?.octets()))
            }
            KeyType::Ipv6 => {
                let address = match value {
                    Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok()?,
                    Value::AddressV6(address) => address,
                    Value::Integer(number) => Ipv4Addr::from(number as u32).to_ipv6_mapped(),
                    other => other.address()?.to_ipv6_mapped(),
                };
                Some(Self::new(&address.octets()))
            }
            KeyType::Integer if value == Value::Text(b"") => None,
            // 32 bits that wrap.
            KeyType::Integer => Some(Self::new(&(value.integer()? as u32).to_be_bytes())),
            KeyType::String(len) => Some(with_text(value, |text| {
                Self::new(&text[..text.len().min(len as usize)])
            })),
            KeyType::Binary(len) => {
                let len = len as usize;
                let fill = |bytes: &[u8]| {
                    let mut key = vec![0; len];
                    let n = bytes.len().min(len);
                    key[..n].copy_from_slice(&bytes[..n]);
                    Self::new(&key)
                };
                Some(match value {
                    Value::Address(address) => fill(&address.octets()),
                    Value::AddressV6(address) => fill(&address.octets()),
                    Value::Integer(number) => fill(&number.to_be_bytes()),
                    Value::Bool(value) => fill(&i64::from(value).to_be_bytes()),
                    Value::Text(text) => fill(text),
                })
            }
        }
    }

    /// The key as `show table` writes it.
    pub fn text(bytes: &[u8], of: KeyType) -> String {
        match of {
            KeyType::Ip => {
                let octets: [u8; 4] = bytes.try_into().unwrap_or_default();
                Ipv4Addr::from(octets).to_string()
            }
            KeyType::Ipv6 => {
                let octets: [u8; 16] = bytes.try_into().unwrap_or_default();
                Ipv6Addr::from(octets).to_string()
            }
            KeyType::Integer => {
                let bytes: [u8; 4] = bytes.try_into().unwrap_or_default();
                u32::from_be_bytes(bytes).to_string()
            }
            KeyType::String(_) => {
                let mut text = String::new();
                for &byte in bytes {
                    match byte {
                        b' ' | b'=' | b'\\' => text.extend(['\\', char::from(byte)]),
                        b'\t' => text.push_str("\\t"),
                        b'\n' => text.push_str("\\n"),
                        b'\r' => text.push_str("\\r"),
                        0x1b => text.push_str("\\e"),
                        _ if byte.is_ascii_graphic() => text.push(byte.into()),
                        _ => {
                            // Writing to a String cannot fail.
                            let _ = write!(text, "\\x{byte:02X}");
                        }
                    }
                }
                text
            }
            KeyType::Binary(_) => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
        }
    }

    /// A key of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut short = [0; SHORT];
        if let Some(place) = short.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            return Self::Short(short, bytes.len() as u8);
        }
        Self::Long(bytes.into())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes, len) => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_as_keys() {
        let ip = Value::Address([127, 0, 0, 1].into());
        let text = |t: &'static str| Value::Text(t.as_bytes());
        for (value, key, expected) in [
            (ip, KeyType::Ip, Some(&[127, 0, 0, 1][..])),
            (text("10.0.0.1:80"), KeyType::Ip, Some(&[10, 0, 0, 1])),
            (text("10.0.0"), KeyType::Ip, None),
            (ip, KeyType::Integer, Some(&[127, 0, 0, 1])),
            (text("12.5"), KeyType::Integer, Some(&[0, 0, 0, 12])),
            (text("x"), KeyType::Integer, Some(&[0, 0, 0, 0])),
            (text("4294967295"), KeyType::Integer, Some(&[255; 4])),
            (text("-1"), KeyType::Integer, Some(&[255; 4])),
            (ip, KeyType::String(20), Some(b"127.0.0.1")),
            (ip, KeyType::String(3), Some(b"127")),
            (text("abcdef"), KeyType::String(4), Some(b"abcd")),
            (text("abcdef"), KeyType::Binary(4), Some(b"abcd")),
            (text("abc"), KeyType::Binary(4), Some(b"abc\0")),
            (ip, KeyType::Binary(4), Some(&[127, 0, 0, 1])),
            (text(""), KeyType::Integer, None),
            (text(""), KeyType::Ip, None),
            (text(""), KeyType::String(4), Some(b"")),
            (text(""), KeyType::Binary(2), Some(b"\0\0")),
            (
                Value::Integer(443),
                KeyType::Binary(9),
                Some(&[0, 0, 0, 0, 0, 0, 1, 187, 0]),
            ),
            (
                Value::Integer(443),
                KeyType::Ipv6,
                Some(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 1, 187]),
            ),
            (
                text("::1"),
                KeyType::Ipv6,
                Some(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ),
            (text("one"), KeyType::Ipv6, None),
        ] {
            let found = Key::of(value, key);
            assert_eq!(
                found.as_ref().map(Key::bytes),
                expected,
                "{value:?} {key:?}"
            );
        }
        let long = [b'a'; 100];
        let key = Key::of(Value::Text(&long), KeyType::String(90)).unwrap();
        assert_eq!(key.bytes(), &long[..90]);
    }

    #[test]
    fn keys_as_text() {
        for (key, of, text) in [
            (&[10, 0, 0, 1][..], KeyType::Ip, "10.0.0.1"),
            (&[0, 0, 1, 0], KeyType::Integer, "256"),
            (b"a b=\\\n", KeyType::String(9), "a\\ b\\=\\\\\\n"),
            (
                b"\t\r\x1b\x7f\xab",
                KeyType::String(9),
                "\\t\\r\\e\\x7F\\xAB",
            ),
            (&[1, 0xab], KeyType::Binary(2), "01AB"),
        ] {
            assert_eq!(Key::text(key, of), text);
        }
    }
}
