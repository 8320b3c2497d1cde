//! Files of patterns: those of ACLs, with one on a line, and maps, with a key and what it stands for.
//! Manual 1.8, section 7.1 and section 7.3.1 "map".

/// A line of such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'c> {
    /// Its number, from 1 on.
    pub number: usize,
    /// The pattern, or the key.
    pub key: &'c [u8],
    /// What the key of a map stands for; `None` in other files.
    pub value: Option<&'c [u8]>,
}

/// The patterns in a file. A line is one, without what is blank before it, unless that is all there
/// is or it begins with `#`; what is blank behind it belongs to it.
///
/// In a map the first word is the key, and the rest, without what is blank around it, the value.
pub fn lines(content: &[u8], is_map: bool) -> impl Iterator<Item = Line<'_>> {
    let lines = content.split(|byte| *byte == b'\n').zip(1..);
    lines.filter_map(move |(line, number)| {
        let end = line.iter().rposition(|byte| *byte != b'\r')? + 1;
        let start = line.iter().position(|byte| !BLANK.contains(byte))?;
        if line.first() == Some(&b'#') || start >= end {
            return None;
        }
        let line = &line[start..end];
        if !is_map {
            return Some(Line {
                number,
                key: line,
                value: None,
            });
        }
        let blank = line.iter().position(|byte| BLANK.contains(byte));
        let (key, value) = line.split_at(blank.unwrap_or(line.len()));
        Some(Line {
            number,
            key,
            value: Some(trimmed(value)),
        })
    })
}

fn trimmed(text: &[u8]) -> &[u8] {
    let inside = |byte: &u8| !BLANK.contains(byte) && *byte != b'\r';
    let start = text.iter().position(inside).unwrap_or(text.len());
    let end = text.iter().rposition(inside).map_or(start, |n| n + 1);
    &text[start..end]
}

const BLANK: &[u8] = b" \t";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps() {
        for (text, expected) in [
            ("a b", &[(1, "a", "b")][..]),
            ("a b c", &[(1, "a", "b c")]),
            ("  a\t b  c \t\r\n", &[(1, "a", "b  c")]),
            ("a\nb \nc\r\n", &[(1, "a", ""), (2, "b", ""), (3, "c", "")]),
            ("# x y\n#a b\n #c d", &[(3, "#c", "d")]),
            ("\n \n\t\r\na b", &[(4, "a", "b")]),
            ("a b\na c", &[(1, "a", "b"), (2, "a", "c")]),
            ("", &[]),
        ] {
            let found: Vec<_> = lines(text.as_bytes(), true)
                .map(|line| {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    (line.number, text(line.key), text(line.value.unwrap()))
                })
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(n, key, value)| (*n, key.to_string(), value.to_string()))
                .collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn patterns() {
        let found: Vec<_> = lines(b"/a b \r\n#x\n\n  /c", false)
            .map(|line| (line.number, line.key))
            .collect();
        assert_eq!(found, [(1, &b"/a b "[..]), (4, b"/c")]);
    }

    proptest::proptest! {
        /// What is written as a map is read as it was written.
        #[test]
        fn written_and_read(
            entries in proptest::collection::vec(("[!\"$-~]{1,6}", "([!-~]([ -~]{0,6}[!-~])?)?"), 0..8),
        ) {
            let written: String = entries.iter().map(|(k, v)| format!("{k} {v}\n")).collect();
            let read: Vec<_> = lines(written.as_bytes(), true)
                .map(|line| (line.key.to_vec(), line.value.unwrap_or_default().to_vec()))
                .collect();
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| (key.into_bytes(), value.into_bytes()))
                .collect();
            proptest::prop_assert_eq!(read, entries);
        }

        /// Nothing makes it panic, and keys of maps have nothing blank in them.
        #[test]
        fn any_bytes(content: Vec<u8>, is_map: bool) {
            for line in lines(&content, is_map) {
                proptest::prop_assert!(!line.key.is_empty());
                proptest::prop_assert!(!is_map || !line.key.iter().any(|b| b" \t".contains(b)));
            }
        }
    }
}
