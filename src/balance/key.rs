//! What of a request is hashed.

/// The part of a URI that counts: up to the query unless `whole`, at most `len` bytes, and at most
/// `depth` directories, the slash that would begin another left out.
pub fn uri(target: &[u8], len: Option<u32>, depth: Option<u32>, whole: bool) -> &[u8] {
    let limit = len.map_or(target.len(), |len| target.len().min(len as usize));
    let target = &target[..limit];
    let mut slashes = 0;
    for (at, byte) in target.iter().enumerate() {
        match byte {
            b'/' => {
                slashes += 1;
                if depth.is_some_and(|depth| slashes == u64::from(depth) + 1) {
                    return &target[..at];
                }
            }
            b'?' if !whole => return &target[..at],
            _ => {}
        }
    }
    target
}

/// The value of a parameter in the query of a URI.
pub fn url_parameter<'t>(target: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let query = memchr::memchr(b'?', target)?;
    parameter(&target[query + 1..], name)
}

/// The value of a parameter in `a=1&b=2`.
pub fn parameter<'t>(query: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        pair.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b"="))
    })
}

/// The main part of a host name: what stands between its last two dots, or before the only one;
/// `None` without a dot.
pub fn domain(host: &[u8]) -> Option<&[u8]> {
    let end = memchr::memrchr(b'.', host)?;
    let start = memchr::memrchr(b'.', &host[..end]).map_or(0, |dot| dot + 1);
    Some(&host[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        for (target, len, depth, whole, key) in [
            ("/a/b?c=1", None, None, false, "/a/b"),
            ("/a/b?c=1", None, None, true, "/a/b?c=1"),
            ("/a/b/c", None, Some(1), false, "/a"),
            ("/a/b/c", None, Some(2), false, "/a/b"),
            ("/a/b/c", Some(4), None, false, "/a/b"),
            ("/a/b/c", Some(1), Some(1), false, "/"),
            ("/a", Some(100), Some(100), false, "/a"),
            ("*", None, None, false, "*"),
        ] {
            assert_eq!(uri(target.as_bytes(), len, depth, whole), key.as_bytes());
        }
    }

    #[test]
    fn parameters() {
        let of = |target: &'static str| url_parameter(target.as_bytes(), b"uid");
        assert_eq!(of("/?uid=1"), Some(&b"1"[..]));
        assert_eq!(of("/?x=2&uid=abc&y=3"), Some(&b"abc"[..]));
        assert_eq!(of("/?uid="), Some(&b""[..]));
        assert_eq!(of("/?xuid=7"), None);
        assert_eq!(of("/?UID=7"), None);
        assert_eq!(of("/uid=7"), None);
        assert_eq!(of("/?uid"), None);
    }

    #[test]
    fn domains() {
        for (host, key) in [
            ("www.example.com", "example"),
            ("example.com", "example"),
            ("a.b.c.d", "c"),
            ("a..b", ""),
        ] {
            assert_eq!(domain(host.as_bytes()), Some(key.as_bytes()));
        }
        assert_eq!(domain(b"localhost"), None);
    }
}
