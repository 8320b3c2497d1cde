//! Bytes that would break a log line are written `#XX`. Manual 1.4, section 8.6.

/// Appends `text` with control characters, bytes above 126, `"`, and `#` escaped.
pub fn escape(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if (32..127).contains(&byte) && !matches!(byte, b'"' | b'#') {
            out.push(byte);
        } else {
            out.push(b'#');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// The same for a captured header, where braces and bars are marks of the line, too.
pub fn escape_header(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if matches!(byte, b'{' | b'|' | b'}') {
            out.push(b'#');
            out.extend_from_slice(format!("{byte:02X}").as_bytes());
        } else {
            escape(std::slice::from_ref(byte), out);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes() {
        let mut out = Vec::new();
        super::escape(b"GET /\"a#\x01 \xe9", &mut out);
        assert_eq!(out, b"GET /#22a#23#01 #E9");
    }
}
