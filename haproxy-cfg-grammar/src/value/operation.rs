//! Converters that need nothing but the value and their arguments: arithmetic, logic, encodings, parts of
//! texts, checksums. Manual 1.8, section 7.3.1.

use serde::{Serialize, Serializer};

use super::converter::integer;

/// One of them, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The sum.
    Add(i64),
    /// The difference.
    Sub(i64),
    /// The product.
    Mul(i64),
    /// The quotient, cut towards 0.
    Div(i64),
    /// What is left of a division.
    Mod(i64),
    /// Bits that both have.
    And(i64),
    /// Bits that one of both has.
    Or(i64),
    /// Bits that one of both has, and the other not.
    Xor(i64),
    /// The same number below 0.
    Neg,
    /// All bits the other way around.
    Cpl,
    /// Whether it is 0.
    Not,
    /// Whether it is not 0.
    Bool,
    /// Whether it is even.
    Even,
    /// Whether it is odd.
    Odd,
    /// Bytes as pairs of hexadecimal digits.
    Hex,
    /// The number that hexadecimal digits mean.
    Hex2i,
    /// Bytes in Base 64.
    Base64,
    /// Without the escapes of URLs.
    UrlDec,
    /// A part between separators, the first being 1; parts may be empty.
    Field(Part),
    /// A part between runs of separators, the first being 1.
    Word(Part),
    /// A checksum; `true` with its bits spread.
    Crc32(bool),
    /// The same.
    Djb2(bool),
    /// The same.
    Sdbm(bool),
    /// The same.
    Wt6(bool),
}

/// Which part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number. HAProxy 1.8 finds nothing at negative ones.
    pub index: i64,
    /// What parts the text.
    pub separators: Box<[u8]>,
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let separators = String::from_utf8_lossy(&self.separators);
        serializer.collect_str(&format_args!("{},{separators}", self.index))
    }
}

/// The number in the parentheses; nothing is 0.
pub(super) fn number(arguments: &[&[u8]]) -> Result<i64, String> {
    let read = match arguments {
        [] => Some(0),
        [text] => integer(text),
        _ => return Err("it takes one number".to_owned()),
    };
    read.ok_or_else(|| "it takes an integer; variables are not known to hapax".to_owned())
}

/// The arguments of `field` and `word`.
pub(super) fn part(arguments: &[&[u8]]) -> Result<Part, String> {
    let [index, separators] = arguments else {
        return Err("it takes a number and the characters that part the text".to_owned());
    };
    if separators.is_empty() {
        return Err("characters that part the text are missing".to_owned());
    }
    match integer(index) {
        Some(index) if index != 0 => Ok(Part {
            index,
            separators: (*separators).into(),
        }),
        _ => Err("parts are counted from 1 on".to_owned()),
    }
}
