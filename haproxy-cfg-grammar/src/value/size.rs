//! Sizes: a number with `k`, `m` or `g` (powers of 1024).

/// Reads a size; it must fit into 32 bits. 1.4 does not look at what follows the unit (`lax`).
pub fn parse(bytes: &[u8], lax: bool) -> Option<u32> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let value: u64 = std::str::from_utf8(bytes.get(..digits)?)
        .ok()?
        .parse()
        .ok()?;
    let unit = bytes.get(digits..)?;
    let unit = if lax {
        unit.get(..1).unwrap_or(unit)
    } else {
        unit
    };
    let factor: u64 = match unit {
        [] => 1,
        [b'k' | b'K'] => 1 << 10,
        [b'm' | b'M'] => 1 << 20,
        [b'g' | b'G'] => 1 << 30,
        _ => return None,
    };
    value.checked_mul(factor)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse(b"200k", false), Some(204_800));
        assert_eq!(parse(b"1g", false), Some(1 << 30));
        assert_eq!(parse(b"4g", false), None);
        assert_eq!(parse(b"x", false), None);
        assert_eq!(parse(b"1kb", false), None);
        assert_eq!(parse(b"1kb", true), Some(1024));
    }
}
