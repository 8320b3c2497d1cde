//! Base 64 as HTTP authentication uses it. RFC 4648, section 4.

/// Appends what a text stands for. `None` when it is not Base 64, padding included.
pub fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    if padding > 2 {
        return None;
    }
    let digits = &text[..text.len() - padding];
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            bits = bits << 6 | u32::from(value(*digit)?);
        }
        bits <<= 6 * (4 - group.len());
        let bytes = bits.to_be_bytes();
        out.extend_from_slice(&bytes[1..group.len()]);
    }
    Some(())
}

/// Appends bytes in Base 64, with padding.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let byte = |n: usize| u32::from(group.get(n).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            out.push(if n <= group.len() {
                DIGITS[(bits >> (18 - 6 * n) & 63) as usize]
            } else {
                b'='
            });
        }
    }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn decodes() {
        for (text, expected) in [
            ("", Some("")),
            ("dTpw", Some("u:p")),
            ("dTpwcA==", Some("u:pp")),
            ("dTpwcHA=", Some("u:ppp")),
            ("dTpwc", None),
            ("dT*w", None),
            ("====", None),
        ] {
            let mut out = Vec::new();
            let found = super::decode(text.as_bytes(), &mut out)
                .map(|()| String::from_utf8_lossy(&out).into_owned());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            let (mut text, mut out) = (Vec::new(), Vec::new());
            super::encode(&bytes, &mut text);
            proptest::prop_assert!(super::decode(&text, &mut out).is_some());
            proptest::prop_assert_eq!(out, bytes);
        }
    }
}
