//! The text that takes the place of a line, with `\0` to `\9` for what was matched. Manual 1.4,
//! section 6.

use crate::regular_expression::Groups;

/// A compiled replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
}

impl Replacement {
    /// Compiles a text: `\` before a digit is what the group of that number has matched, `\x` and
    /// two hexadecimal digits are a byte, `\` before anything else is that character.
    pub fn new(text: &[u8]) -> Self {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.iter().copied();
        while let Some(byte) = rest.next() {
            if byte != b'\\' {
                literal.push(byte);
                continue;
            }
            match rest.next() {
                Some(digit @ b'0'..=b'9') => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Group(usize::from(digit - b'0')));
                }
                Some(b'x') => {
                    let mut ahead = rest.clone();
                    let digits = (ahead.next().and_then(hex), ahead.next().and_then(hex));
                    if let (Some(high), Some(low)) = digits {
                        literal.push(high << 4 | low);
                        rest = ahead;
                    } else {
                        literal.push(b'x');
                    }
                }
                Some(other) => literal.push(other),
                None => {}
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self(parts)
    }

    /// Appends the replacement for a match in `text`.
    pub fn write(&self, text: &[u8], groups: &Groups, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(literal) => out.extend_from_slice(literal),
                Part::Group(number) => {
                    if let Some(Some((start, end))) = groups.get(*number) {
                        out.extend_from_slice(&text[*start..*end]);
                    }
                }
            }
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regular_expression::Regex;

    #[test]
    fn replacements() {
        for (pattern, replacement, expected) in [
            (r"^([^ ]*) /a(.*)", r"\1 /b\2", "GET /b HTTP/1.1"),
            (r"^(GET)", r"\0\\\1", r"GET\GET"),
            (r"/(x)?a", r"<\1\9>", "<>"),
            (r"GET", r"\x41\xzz\q", "Axzzq"),
            (r"GET", r"end\", "end"),
        ] {
            let text = b"GET /a HTTP/1.1";
            let groups = Regex::new(pattern.as_bytes(), false)
                .unwrap()
                .captures(text)
                .unwrap();
            let mut out = Vec::new();
            Replacement::new(replacement.as_bytes()).write(text, &groups, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{replacement}");
        }
    }

    proptest::proptest! {
        /// Whatever is written, groups are slices of the text and nothing panics.
        #[test]
        fn any_text_is_a_replacement(text in "[\\\\x0-9a-f]{0,20}") {
            let line = b"one two";
            let groups = Regex::new(b"(one) (two)", false).unwrap().captures(line).unwrap();
            Replacement::new(text.as_bytes()).write(line, &groups, &mut Vec::new());
        }

        /// What is written is the literal text, with the groups in their places.
        #[test]
        fn replacements_are_what_they_say(
            parts in proptest::collection::vec((proptest::bool::ANY, 0u8..10, "[ -~]{0,4}"), 0..6),
        ) {
            let line = b"one two";
            let groups = Regex::new(b"(o)(n)e (two)", false).unwrap().captures(line).unwrap();
            let found = ["one two", "o", "n", "two"];
            let (mut written, mut expected) = (String::new(), String::new());
            for (is_group, number, text) in parts {
                if is_group {
                    written += &format!("\\{number}");
                    expected += found.get(usize::from(number)).copied().unwrap_or_default();
                }
                for character in text.chars() {
                    // Any byte may be written as a number, and a backslash must be escaped.
                    match (character, number % 2) {
                        (_, 1) => written += &format!("\\x{:02x}", u32::from(character)),
                        ('\\', _) => written += "\\\\",
                        _ => written.push(character),
                    }
                }
                expected += &text;
            }
            let mut out = Vec::new();
            Replacement::new(written.as_bytes()).write(line, &groups, &mut out);
            proptest::prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
