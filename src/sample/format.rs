//! Format strings, evaluated.

use super::converter::convert;
use super::{Facts, fetch};
use crate::plan::{FormatPart, FormatString};

/// Appends a format string with the values of the moment. A sample that has several values gives
/// the last one, as since 1.5; one that has none gives nothing.
pub fn write(format: &FormatString, facts: &Facts<'_>, out: &mut Vec<u8>) {
    for part in &format.parts {
        match part {
            FormatPart::Literal(text) => out.extend_from_slice(text),
            FormatPart::Sample(sample) => {
                let start = out.len();
                fetch(&sample.fetch, facts, &mut |value| {
                    out.truncate(start);
                    convert(&sample.converters, value, facts, &mut |value| {
                        value.write_to(out);
                        false
                    })
                });
                escape(out, start);
            }
        }
    }
}

/// Writes control characters as `%` and two digits: what a client has put into a value ends no line.
fn escape(out: &mut Vec<u8>, start: usize) {
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if !out[start..].iter().any(control) {
        return;
    }
    for byte in out.split_off(start) {
        if control(&byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_do_not_come_out() {
        let mut out = b"a\r".to_vec();
        out.extend_from_slice(b"x\r\nY: 1\t\0\x7f\xe9");
        super::escape(&mut out, 2);
        assert_eq!(out, b"a\rx%0D%0AY: 1\t%00%7F\xe9");
    }
}
