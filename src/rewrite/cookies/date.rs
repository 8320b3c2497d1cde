//! Dates in persistence cookies, for `maxidle` and `maxlife`.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A date: five digits of base 64, in units of four seconds.
pub(super) fn encode(quarter: i64, out: &mut Vec<u8>) {
    for shift in [24, 18, 12, 6, 0] {
        out.push(DIGITS[(quarter >> shift & 63) as usize]);
    }
}

/// Seconds since 1970 of the date that a text begins with.
pub(super) fn decode(text: &[u8]) -> Option<i64> {
    let mut value = 0i64;
    for digit in text.get(..5)? {
        let digit = DIGITS.iter().position(|d| d == digit)?;
        value = value << 6 | digit as i64;
    }
    (value > 0).then_some(value << 2)
}
