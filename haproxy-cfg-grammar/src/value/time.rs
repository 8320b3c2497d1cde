//! Times: a number and a unit. Manual 1.4, section 2.2.

use std::fmt;

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while};
use nom::combinator::{rest, value};

/// A time in milliseconds; 32 bits, as HAProxy keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milliseconds(pub u32);

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `us`
    Microsecond,
    /// `ms`
    Millisecond,
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
}

/// A time as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// What HAProxy makes of it.
    pub value: Milliseconds,
    /// It was more than 32 bits and lost the upper ones.
    pub wrapped: bool,
    /// Something follows the unit; HAProxy does not look at it.
    pub junk: bool,
}

/// Why a word is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// A character that belongs to no unit.
    Unexpected(char),
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(c) => write!(f, "'{}' does not belong there", c.escape_default()),
        }
    }
}

impl Unit {
    /// How many microseconds it has.
    fn microseconds(self) -> u64 {
        match self {
            Self::Microsecond => 1,
            Self::Millisecond => 1000,
            Self::Second => 1_000_000,
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        }
    }
}

/// Reads a time; `default` is the unit of a bare number. The result is rounded up to whole units
/// of a millisecond.
pub fn parse(bytes: &[u8], default: Unit) -> Result<Time, TimeError> {
    let (total, junk) = parse_in(bytes, default, Unit::Millisecond)?;
    Ok(Time {
        junk,
        value: Milliseconds(wrap(total)),
        // The sign bit counts: a timer of more than 31 bits lies in the past for HAProxy.
        wrapped: total > u64::from(u32::MAX),
    })
}

/// Reads a time in seconds, as cookie lifetimes and `stats refresh` are; bare numbers are seconds.
pub fn parse_seconds(bytes: &[u8]) -> Result<u32, TimeError> {
    parse_in(bytes, Unit::Second, Unit::Second).map(|(value, _)| wrap(value))
}

fn parse_in(bytes: &[u8], default: Unit, result: Unit) -> Result<(u64, bool), TimeError> {
    let (digits, unit) = split(bytes);
    let value = digits.iter().fold(0_u64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    let (unit, junk) = if unit.is_empty() {
        (default, false)
    } else {
        unit_of(unit).ok_or_else(|| {
            TimeError::Unexpected(char::from(unit.first().copied().unwrap_or(b'?')))
        })?
    };
    let micros = value.saturating_mul(unit.microseconds());
    Ok((micros.div_ceil(result.microseconds()), junk))
}

fn wrap(value: u64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the wrap is what HAProxy does"
    )]
    let value = value as u32;
    value
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let parsed: nom::IResult<&[u8], (&[u8], &[u8])> =
        (take_while(|b: u8| b.is_ascii_digit()), rest).parse(bytes);
    parsed.map_or((&[], bytes), |(_, pair)| pair)
}

/// The unit, and whether something follows it. Only its first letters count.
fn unit_of(bytes: &[u8]) -> Option<(Unit, bool)> {
    let parsed: nom::IResult<&[u8], Unit> = alt((
        value(Unit::Microsecond, tag(&b"us"[..])),
        value(Unit::Microsecond, tag(&b"u"[..])),
        value(Unit::Millisecond, tag(&b"ms"[..])),
        value(Unit::Second, tag(&b"s"[..])),
        value(Unit::Minute, tag(&b"m"[..])),
        value(Unit::Hour, tag(&b"h"[..])),
        value(Unit::Day, tag(&b"d"[..])),
    ))
    .parse(bytes);
    parsed.ok().map(|(left, unit)| (unit, !left.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let ms = |t: &str| parse(t.as_bytes(), Unit::Millisecond).map(|t| t.value.0);
        assert_eq!(ms("5000"), Ok(5000));
        assert_eq!(ms("50s"), Ok(50_000));
        assert_eq!(ms("1m"), Ok(60_000));
        assert_eq!(ms("2h"), Ok(7_200_000));
        assert_eq!(ms("1d"), Ok(86_400_000));
        assert_eq!(ms("1500us"), Ok(2));
        assert_eq!(ms(""), Ok(0));
        assert_eq!(ms("5x"), Err(TimeError::Unexpected('x')));
        assert_eq!(ms("-1s"), Err(TimeError::Unexpected('-')));
        assert_eq!(ms("1s5"), Ok(1000), "what follows the unit does not count");
    }
}
