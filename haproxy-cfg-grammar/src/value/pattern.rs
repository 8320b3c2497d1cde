//! What ACLs compare with.

use serde::Serialize;

use crate::Dialect;
use crate::value::address::{self, Network, NetworkV6};
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
        MatchMethod::Version => version(operator, bytes)?,
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

/// The same without anything that is no digit; `:high` is allowed.
fn whole_integer(operator: Operator, bytes: &[u8]) -> Option<PatternSyntax> {
    let one = |bytes: &[u8]| match number::atol(bytes) {
        (value, true) => Some(value),
        (_, false) => None,
    };
    let Some(at) = memchr::memchr(b':', bytes) else {
        return Some(operator.range(one(bytes)?));
    };
    let side = |bytes: &[u8]| match bytes {
        [] => Some(None),
        bytes => one(bytes).map(Some),
    };
    Some(PatternSyntax::Range {
        min: side(&bytes[..at])?,
        max: side(&bytes[at + 1..])?,
    })
}

/// `major[.minor]`, and ranges of them.
fn version(operator: Operator, bytes: &[u8]) -> Option<PatternSyntax> {
    let one = |text: &str| -> Option<i64> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let number = |t: &str| -> Option<i64> { t.parse::<u16>().ok().map(i64::from) };
        Some((number(major)? << 16) + number(minor)?)
    };
    let text = std::str::from_utf8(bytes).ok()?;
    let Some((low, high)) = text.split_once(':') else {
        return Some(operator.range(one(text)?));
    };
    let max = if high.is_empty() {
        None
    } else {
        Some(one(high)?)
    };
    Some(PatternSyntax::Range {
        min: Some(one(low)?),
        max,
    })
}
