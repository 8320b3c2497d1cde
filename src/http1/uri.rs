//! Parts of a request target. RFC 9112, section 3.2.

use std::ops::Range;

use super::blocks::find;

/// Where the path begins: after scheme and authority of an absolute URI, at the start of a
/// relative one. `None` when there is no path (`*`, an authority alone).
pub fn path_start(uri: &[u8]) -> Option<usize> {
    match uri.first() {
        Some(b'/') => Some(0),
        Some(first) if first.is_ascii_alphabetic() => {
            let colon = uri
                .iter()
                .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))?;
            if uri.get(colon..colon + 3)? != b"://" {
                return None;
            }
            let authority = colon + 3;
            memchr::memchr(b'/', &uri[authority..]).map(|n| authority + n)
        }
        _ => None,
    }
}

/// The path without its query.
pub fn path(uri: &[u8]) -> Option<Range<usize>> {
    let start = path_start(uri)?;
    Some(start..find(uri, start, |byte| byte == b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (uri, expected) in [
            ("/a/b?c", Some("/a/b")),
            ("/", Some("/")),
            ("http://x.test/a?b", Some("/a")),
            ("http://x.test", None),
            ("*", None),
            ("", None),
            ("x.test:443", None),
            ("?a", None),
        ] {
            let found = path(uri.as_bytes()).map(|range| &uri[range]);
            assert_eq!(found, expected, "{uri}");
        }
    }
}
