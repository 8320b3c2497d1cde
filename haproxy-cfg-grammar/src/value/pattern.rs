//! What ACLs compare with.

use serde::Serialize;

use crate::Dialect;
use crate::value::address::{self, Host, Network, NetworkV6};
use crate::value::number;
use crate::{Span, Word};

/// How a sample is compared with patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchMethod {
    /// The sample is true.
    Bool,
    /// There is a sample at all (`-m found`).
    Found,
    /// The integer lies in a range.
    Integer,
    /// The length lies in a range.
    Length,
    /// Equal strings.
    Exact,
    /// Equal bytes, written in hexadecimal digits (`-m bin`).
    Binary,
    /// The string begins so.
    Prefix,
    /// The string ends so.
    Suffix,
    /// The string contains it.
    Substring,
    /// One of the words between slashes.
    Directory,
    /// One of the words between dots.
    Domain,
    /// A regular expression.
    Regex,
    /// The address lies in a network.
    Address,
    /// A version `major.minor` lies in a range; both are 16 bits wide in the integer.
    Version,
    /// The user belongs to a group of the user list.
    Group,
}

/// One pattern as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternSyntax {
    /// A string.
    Text(Box<[u8]>),
    /// A regular expression.
    Regex(Box<[u8]>),
    /// Integers from `min` to `max`, both included; `None` is open.
    Range {
        /// The smallest.
        min: Option<i64>,
        /// The largest.
        max: Option<i64>,
    },
    /// A network; a host name is still to be looked up.
    Network(Network),
    /// An IPv6 network (since 1.5).
    NetworkV6(NetworkV6),
}

impl PatternSyntax {
    /// Whether it is a host name, which has to be looked up.
    pub fn is_name(&self) -> bool {
        matches!(self, Self::Network(network) if matches!(network.host, Host::Name(_)))
    }
}

/// How the integers that follow an operator are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operator {
    /// Equal, or in a range.
    #[default]
    Equal,
    /// Greater or equal.
    GreaterOrEqual,
    /// Greater.
    Greater,
    /// Less or equal.
    LessOrEqual,
    /// Less.
    Less,
    /// `ne`, which 1.5 to 1.8 read and then take for `eq`.
    NotEqual,
}

impl Operator {
    /// The operator of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Equal,
            "ge" => Self::GreaterOrEqual,
            "gt" => Self::Greater,
            "le" => Self::LessOrEqual,
            "lt" => Self::Less,
            "ne" => Self::NotEqual,
            _ => return None,
        })
    }

    fn range(self, value: i64) -> PatternSyntax {
        let (min, max) = match self {
            Self::Equal | Self::NotEqual => (Some(value), Some(value)),
            Self::GreaterOrEqual => (Some(value), None),
            Self::Greater => (Some(value.saturating_add(1)), None),
            Self::LessOrEqual => (None, Some(value)),
            Self::Less => (None, Some(value.saturating_sub(1))),
        };
        PatternSyntax::Range { min, max }
    }
}

/// Reads one pattern; `None` when it cannot be one. 1.5 to 1.8 want integers whole, and have IPv6
/// networks. By default what is not whole is read as 1.4 does.
pub fn parse(
    method: MatchMethod,
    operator: Operator,
    bytes: &[u8],
    dialect: Dialect,
) -> Option<PatternSyntax> {
    Some(match method {
        MatchMethod::Bool | MatchMethod::Found => PatternSyntax::Text(bytes.into()),
        MatchMethod::Integer | MatchMethod::Length => match dialect {
            Dialect::V1_4 => integer(operator, bytes)?,
            Dialect::V1_8 => whole_integer(operator, bytes)?,
            Dialect::Hapax => {
                whole_integer(operator, bytes).or_else(|| integer(operator, bytes))?
            }
        },
        MatchMethod::Version => match dialect {
            Dialect::V1_4 => version_of_1_4(operator, bytes)?,
            Dialect::V1_8 | Dialect::Hapax => version(operator, bytes)?,
        },
        MatchMethod::Binary => PatternSyntax::Text(hexadecimal(bytes)?),
        MatchMethod::Regex => PatternSyntax::Regex(bytes.into()),
        MatchMethod::Address if dialect != Dialect::V1_4 && bytes.contains(&b':') => {
            PatternSyntax::NetworkV6(address::network_v6(bytes)?)
        }
        MatchMethod::Address => PatternSyntax::Network(address::network_v4(bytes)?),
        MatchMethod::Exact
        | MatchMethod::Prefix
        | MatchMethod::Suffix
        | MatchMethod::Substring
        | MatchMethod::Directory
        | MatchMethod::Domain
        | MatchMethod::Group => PatternSyntax::Text(bytes.into()),
    })
}

/// A pattern among the words of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternWord {
    /// What it says.
    pub pattern: PatternSyntax,
    /// Where it stands.
    pub span: Span,
    /// As written; after an operator, the range that is meant, as in `6:` for `gt 5`.
    pub written: Box<[u8]>,
}

/// What an integer after an operator comes to, in the form of a range.
fn written(
    pattern: &PatternSyntax,
    operator: Operator,
    method: MatchMethod,
    word: &Word,
) -> Box<[u8]> {
    let (PatternSyntax::Range { min, max }, false) = (pattern, operator == Operator::Equal) else {
        return word.bytes.as_ref().into();
    };
    let side = |value: &Option<i64>| match (value, method) {
        (None, _) => String::new(),
        (Some(value), MatchMethod::Version) => format!("{}.{}", value >> 16, value & 0xffff),
        (Some(value), _) => value.to_string(),
    };
    let text = match (min, max) {
        (Some(low), Some(high)) if low == high => side(min),
        _ => format!("{}:{}", side(min), side(max)),
    };
    text.into_bytes().into()
}

/// Reads all words of a list, with operators among integers. The word that cannot be understood
/// is the error.
pub fn parse_all(
    method: MatchMethod,
    words: &[Word],
    dialect: Dialect,
) -> Result<Vec<PatternWord>, &Word> {
    let takes_operators = matches!(
        method,
        MatchMethod::Integer | MatchMethod::Length | MatchMethod::Version
    );
    let mut operator = Operator::default();
    let mut pending = None;
    let mut patterns = Vec::with_capacity(words.len());
    for word in words {
        let found = match Operator::from_name(word.text()) {
            Some(Operator::NotEqual) if dialect != Dialect::V1_8 => None,
            found => found,
        };
        if takes_operators && let Some(found) = found {
            operator = found;
            // 1.5 to 1.8 do not mind an operator that nothing follows.
            pending = Some(word).filter(|_| dialect != Dialect::V1_8);
            continue;
        }
        pending = None;
        let pattern = parse(method, operator, &word.bytes, dialect).ok_or(word)?;
        patterns.push(PatternWord {
            written: written(&pattern, operator, method, word),
            span: word.span,
            pattern,
        });
    }
    match pending {
        Some(word) => Err(word),
        None => Ok(patterns),
    }
}

/// `n`, `low:high`. 1.4 stops reading at the first character that is neither a
/// digit nor a colon; only a first character that is no digit makes it refuse the word.
fn integer(operator: Operator, bytes: &[u8]) -> Option<PatternSyntax> {
    if !bytes.first()?.is_ascii_digit() {
        return None;
    }
    let Some(at) = memchr::memchr(b':', bytes) else {
        return Some(operator.range(number::atol(bytes).0));
    };
    let min = number::atol(&bytes[..at]).0;
    // Nothing after the colon is 0, so that only `0:` has a number in it.
    let max = Some(number::atol(&bytes[at + 1..]).0);
    if operator != Operator::Equal {
        return None;
    }
    Some(PatternSyntax::Range {
        min: Some(min),
        max,
    })
}

/// The same since 1.5: nothing but digits, and `-` is as good as `:`, so that `-5` is everything up
/// to 5. An operator does not matter to a range.
fn whole_integer(operator: Operator, bytes: &[u8]) -> Option<PatternSyntax> {
    let one = |bytes: &[u8]| number::digits(bytes).and_then(|n| i64::try_from(n).ok());
    let Some(at) = bytes.iter().position(|b| matches!(b, b':' | b'-')) else {
        return Some(operator.range(one(bytes)?));
    };
    let (low, high) = (&bytes[..at], &bytes[at + 1..]);
    range_between(low, high, one)
}

/// A range with at least one end, and none that is the wrong way round.
fn range_between(
    low: &[u8],
    high: &[u8],
    one: impl Fn(&[u8]) -> Option<i64>,
) -> Option<PatternSyntax> {
    let side = |bytes: &[u8]| match bytes {
        [] => Some(None),
        bytes => one(bytes).map(Some),
    };
    let (min, max) = (side(low)?, side(high)?);
    match (min, max) {
        (None, None) => None,
        (Some(min), Some(max)) if min > max => None,
        _ => Some(PatternSyntax::Range { min, max }),
    }
}

/// `major[.minor]`, and ranges of them, where the operator does not matter.
fn version(operator: Operator, bytes: &[u8]) -> Option<PatternSyntax> {
    let one = |bytes: &[u8]| {
        let (major, minor) = match memchr::memchr(b'.', bytes) {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => (bytes, &b"0"[..]),
        };
        let number = |bytes: &[u8]| u16::try_from(number::digits(bytes)?).ok().map(i64::from);
        Some((number(major)? << 16) + number(minor)?)
    };
    match memchr::memchr(b':', bytes) {
        None => Some(operator.range(one(bytes)?)),
        Some(at) => range_between(&bytes[..at], &bytes[at + 1..], one),
    }
}

/// The same as 1.4 reads it: of each part the digits that it begins with.
fn version_of_1_4(operator: Operator, bytes: &[u8]) -> Option<PatternSyntax> {
    let one = |bytes: &[u8]| {
        let mut parts = bytes.splitn(3, |b| *b == b'.');
        let major = number::atol(parts.next().unwrap_or_default()).0;
        let minor = number::atol(parts.next().unwrap_or_default()).0;
        (major < 1 << 16 && parts.next().is_none()).then(|| (major << 16).saturating_add(minor))
    };
    if !bytes.first()?.is_ascii_digit() {
        return None;
    }
    let Some(at) = memchr::memchr(b':', bytes) else {
        return Some(operator.range(one(bytes)?));
    };
    (operator == Operator::Equal).then_some(PatternSyntax::Range {
        min: Some(one(&bytes[..at])?),
        max: Some(one(&bytes[at + 1..])?),
    })
}

/// Bytes from pairs of hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> Option<Box<[u8]>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|n| n as u8);
    bytes
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: Option<i64>, max: Option<i64>) -> Option<PatternSyntax> {
        Some(PatternSyntax::Range { min, max })
    }

    #[test]
    fn integers_by_version() {
        use Operator::{Equal, Greater, GreaterOrEqual};
        for (operator, text, of_1_4, of_1_8) in [
            (Equal, "5", range(Some(5), Some(5)), range(Some(5), Some(5))),
            (Equal, "5:", range(Some(5), Some(0)), range(Some(5), None)),
            (Equal, ":5", None, range(None, Some(5))),
            (Equal, "-5", None, range(None, Some(5))),
            (
                Equal,
                "5-6",
                range(Some(5), Some(5)),
                range(Some(5), Some(6)),
            ),
            (Equal, "6:5", range(Some(6), Some(5)), None),
            (Equal, "5a", range(Some(5), Some(5)), None),
            (Equal, "+5", None, None),
            (Equal, ":", None, None),
            (Greater, "5", range(Some(6), None), range(Some(6), None)),
            (GreaterOrEqual, "5:7", None, range(Some(5), Some(7))),
            (
                Equal,
                "9223372036854775808",
                range(Some(i64::MAX), Some(i64::MAX)),
                None,
            ),
        ] {
            let read = |dialect| parse(MatchMethod::Integer, operator, text.as_bytes(), dialect);
            assert_eq!(read(Dialect::V1_4), of_1_4, "1.4 {text}");
            assert_eq!(read(Dialect::V1_8), of_1_8, "1.8 {text}");
        }
    }

    #[test]
    fn versions_by_version() {
        let v = |major: i64, minor: i64| Some((major << 16) + minor);
        for (text, of_1_4, of_1_8) in [
            ("3.1", range(v(3, 1), v(3, 1)), range(v(3, 1), v(3, 1))),
            ("3", range(v(3, 0), v(3, 0)), range(v(3, 0), v(3, 0))),
            ("3.", range(v(3, 0), v(3, 0)), None),
            ("3.0:3.2", range(v(3, 0), v(3, 2)), range(v(3, 0), v(3, 2))),
            (":3", None, range(None, v(3, 0))),
            ("3.1:3.0", range(v(3, 1), v(3, 0)), None),
            ("65536.1", None, None),
            ("1.1.1", None, None),
            ("x", None, None),
        ] {
            let read = |dialect| {
                parse(
                    MatchMethod::Version,
                    Operator::Equal,
                    text.as_bytes(),
                    dialect,
                )
            };
            assert_eq!(read(Dialect::V1_4), of_1_4, "1.4 {text}");
            assert_eq!(read(Dialect::V1_8), of_1_8, "1.8 {text}");
        }
    }

    #[test]
    fn bytes_in_hexadecimal() {
        assert_eq!(hexadecimal(b"2d2D").as_deref(), Some(&b"--"[..]));
        assert_eq!(hexadecimal(b"2"), None);
        assert_eq!(hexadecimal(b"zz"), None);
    }
}
