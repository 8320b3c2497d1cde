//! Whole numbers as C reads them.

/// The number at the start of a word as `atol` gives it, and whether the word is nothing but that
/// number.
pub fn atol(bytes: &[u8]) -> (i64, bool) {
    let (sign, digits) = match bytes.first() {
        Some(b'-') => (-1, &bytes[1..]),
        Some(b'+') => (1, &bytes[1..]),
        _ => (1, bytes),
    };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let value = digits[..length].iter().fold(0_i64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    (sign * value, length > 0 && length == digits.len())
}

/// A word that is a whole number in C's notation: decimal, `0x` hexadecimal or `0` octal, with a
/// sign or without. Too large ones become the largest.
pub fn strtol(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if text.len() > 1 && text.starts_with('0') => (8, &text[1..]),
        None => (10, text),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).unwrap_or(i64::MAX);
    Some(if negative { -value } else { value })
}

/// A word that is nothing but digits, no more than fit.
pub fn digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// What C's conversion of a 64-bit number to `int` gives.
pub fn to_int(value: i64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the wrap is what C does")]
    let value = value as i32;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_c() {
        for (text, value, clean) in [
            ("12", 12, true),
            ("-3", -3, true),
            ("+3", 3, true),
            ("12abc", 12, false),
            ("abc", 0, false),
            ("", 0, false),
            ("99999999999999999999", i64::MAX, true),
        ] {
            assert_eq!(atol(text.as_bytes()), (value, clean), "{text}");
        }
        assert_eq!(to_int(4_294_967_297), 1);
    }
}
