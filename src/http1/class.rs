//! Which bytes may stand where in a head, and where a run of them ends.

use super::blocks::find;

/// May be part of a token. RFC 9110, section 5.6.2.
pub(super) const TOKEN: u8 = 1;
/// May be part of a version.
pub(super) const VERSION: u8 = 2;
/// May be part of a URI.
pub(super) const URI: u8 = 4;
/// May be part of a status code: HAProxy takes any word for one.
pub(super) const CODE: u8 = 8;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        let separator = matches!(
            byte,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'='
                | b'{'
                | b'}'
        );
        if byte > 32 && byte < 127 {
            table[i] |= URI;
            if !separator {
                table[i] |= TOKEN;
            }
        }
        if byte > 32 && byte < 127 {
            table[i] |= CODE;
        }
        if byte.is_ascii_digit() || matches!(byte, b'H' | b'T' | b'P' | b'/' | b'.') {
            table[i] |= VERSION;
        }
        i += 1;
    }
    table
}

/// Whether a byte may be part of a token. RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

/// Whether a byte may be part of a version.
pub(super) fn is_version(byte: u8) -> bool {
    CLASS[byte as usize] & VERSION != 0
}

/// Where the next byte is that is not of a class; the end of the bytes when there is none.
#[inline]
pub(super) fn after_class(bytes: &[u8], from: usize, class: u8) -> usize {
    let mut rest = bytes[from..].iter();
    let is_other = |byte: &u8| CLASS[*byte as usize] & class == 0;
    rest.position(is_other).map_or(bytes.len(), |n| from + n)
}

/// Where the next CR or LF is; the end of the bytes when there is none.
#[inline(always)]
pub(super) fn end_of_value(bytes: &[u8], from: usize) -> usize {
    let near = bytes.len().min(from + NEAR);
    let at = find(&bytes[..near], from, |byte| matches!(byte, b'\r' | b'\n'));
    if at == near {
        end_far_away(bytes, near)
    } else {
        at
    }
}

/// The end of a value is mostly within so many bytes. To get ready for a search that is made for long
/// texts is worth it only for those that are longer: cookies.
const NEAR: usize = 64;

#[inline(never)]
fn end_far_away(bytes: &[u8], from: usize) -> usize {
    memchr::memchr2(b'\r', b'\n', &bytes[from..]).map_or(bytes.len(), |n| from + n)
}

/// Where the next byte is that is neither a letter nor a digit nor `-`, of which nearly all names are
/// made; the end of the bytes when there is none.
#[inline(always)]
pub(super) fn after_name(bytes: &[u8], from: usize) -> usize {
    find(bytes, from, |byte| {
        !(byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Where the next byte is that is not of a URI, which are those of a status code; the end of the
/// bytes when there is none.
#[inline(always)]
pub(super) fn after_visible(bytes: &[u8], from: usize) -> usize {
    find(bytes, from, |byte| !byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn values_end_where_the_first_line_end_is(bytes: Vec<u8>, from in 0usize..20, tail in 0usize..200) {
            let mut bytes = bytes;
            bytes.extend(std::iter::repeat_n(b'x', tail));
            bytes.push(b'\n');
            let from = from.min(bytes.len());
            let expected = bytes[from..].iter().position(|b| matches!(b, b'\r' | b'\n'));
            let expected = expected.map_or(bytes.len(), |n| from + n);
            proptest::prop_assert_eq!(end_of_value(&bytes, from), expected);
        }

        #[test]
        fn runs_end_where_others_begin(
            bytes in proptest::collection::vec(0u8..=255, 0..4), run in "[A-Za-z0-9-]{0,30}",
            visible in "[!-~]{0,30}", end: u8, tail in 0usize..9,
        ) {
            for run in [run, visible] {
                let mut all = bytes.clone();
                all.extend(run.bytes());
                all.push(end);
                all.extend(std::iter::repeat_n(b'z', tail));
                for from in 0..=all.len() {
                    let behind = |belongs: fn(u8) -> bool| {
                        let n = all[from..].iter().position(|byte| !belongs(*byte));
                        n.map_or(all.len(), |n| from + n)
                    };
                    let name = behind(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                    proptest::prop_assert_eq!(after_name(&all, from), name);
                    let visible = behind(|byte| byte > 32 && byte < 127);
                    proptest::prop_assert_eq!(after_visible(&all, from), visible);
                }
            }
        }

        #[test]
        fn runs_end_at_the_first_other_byte(bytes in "[a-z:/ ]{0,40}", from in 0usize..20) {
            let bytes = bytes.as_bytes();
            let from = from.min(bytes.len());
            let expected = bytes[from..].iter().position(|b| !is_token(*b));
            let expected = expected.map_or(bytes.len(), |n| from + n);
            proptest::prop_assert_eq!(after_class(bytes, from, TOKEN), expected);
        }
    }
}
