//! Session identifiers of applications: where `appsession` finds them. Manual 1.4, section 4.2.
//!
//! What was measured and is not obvious: names in URLs compare without their case, those in cookies
//! with it; of several in a URL the last one counts; with `prefix` the identifier is what follows the
//! name, the equals sign included when it comes at once.

use crate::plan::{AppSession, AppSessionMode};

/// The identifier in a cookie, when the cookie is the one that is looked for.
pub fn in_cookie(settings: &AppSession, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let rest = name.strip_prefix(settings.cookie.as_bytes())?;
    let mut id = if settings.prefix {
        [rest, b"=", value].concat()
    } else if rest.is_empty() {
        value.to_vec()
    } else {
        return None;
    };
    id.truncate(settings.len as usize);
    Some(id)
}

/// The identifier in a URL: a parameter of the path, or of the query.
pub fn in_url<'u>(settings: &AppSession, url: &'u [u8]) -> Option<&'u [u8]> {
    let (begin, separator, end) = match settings.mode {
        AppSessionMode::PathParameters => (b';', b';', Some(b'?')),
        AppSessionMode::QueryString => (b'?', b'&', None),
    };
    let parameters = &url[memchr::memchr(begin, url)? + 1..];
    let mut found = None;
    for parameter in parameters.split(|byte| *byte == separator) {
        let parameter = parameter.split(|byte| Some(*byte) == end).next();
        if let Some(id) = parameter.and_then(|text| in_parameter(settings, text)) {
            found = Some(id);
        }
    }
    found
}

fn in_parameter<'u>(settings: &AppSession, text: &'u [u8]) -> Option<&'u [u8]> {
    let (name, rest) = text.split_at_checked(settings.cookie.len())?;
    if !name.eq_ignore_ascii_case(&settings.cookie) {
        return None;
    }
    let id = if settings.prefix {
        rest
    } else {
        rest.strip_prefix(b"=")?
    };
    (!id.is_empty()).then(|| &id[..id.len().min(settings.len as usize)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(len: u32, prefix: bool, mode: AppSessionMode) -> AppSession {
        AppSession {
            cookie: "JSID".into(),
            len,
            timeout: std::time::Duration::from_secs(1),
            request_learn: false,
            prefix,
            mode,
        }
    }

    #[test]
    fn cookies() {
        for (prefix, name, value, expected) in [
            (false, "JSID", "abcdefghij", Some("abcdefgh")),
            (false, "JSID", "", Some("")),
            (false, "JSIDx", "abc", None),
            (false, "jsid", "abc", None),
            (true, "JSIDwx", "1", Some("wx=1")),
            (true, "JSID", "abcdefgh", Some("=abcdefg")),
        ] {
            let settings = settings(8, prefix, AppSessionMode::default());
            let found = in_cookie(&settings, name.as_bytes(), value.as_bytes());
            assert_eq!(
                found.as_deref(),
                expected.map(str::as_bytes),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn urls() {
        use AppSessionMode::{PathParameters as Path, QueryString as Query};
        for (mode, prefix, url, expected) in [
            (Path, false, "/a;JSID=abcdefghij", Some("abcdefgh")),
            (Path, false, "/a;jsid=abc?x=y", Some("abc")),
            (Path, false, "/a;x=1;JSID=abc/b", Some("abc/b")),
            (Path, false, "/a?x;JSID=abc&y", Some("abc&y")),
            (Path, false, "/a;JSID=abc;JSID=q", Some("q")),
            (Path, false, "/a?JSID=abc", None),
            (Path, false, "/a;XJSID=abc", None),
            (Path, false, "/a;JSID=", None),
            (Path, false, "/a;JSID", None),
            (Path, false, "/a", None),
            (Path, true, "/a;JSIDwx=1", Some("wx=1")),
            (Query, false, "/a?JSID=abc&x=1", Some("abc")),
            (Query, false, "/a?x=1&JSID=a;b?c", Some("a;b?c")),
            (Query, false, "/a;JSID=abc", None),
            (Query, false, "/a?JSID=", None),
        ] {
            let found = in_url(&settings(8, prefix, mode), url.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{url}");
        }
    }
}
