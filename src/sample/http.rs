//! Values in HTTP heads: header values apart, cookies, parameters, credentials.

use haproxy_cfg_grammar::Dialect;

use super::Message;
use crate::http1::blocks::find;

/// The values of a header, over all lines of that name, commas apart and blanks trimmed. Commas
/// between double quotes separate nothing. An empty line has one empty value.
pub fn header_values<'a>(message: Message<'a>, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let Message { head, bytes } = message;
    let mut line = None;
    std::iter::from_fn(move || {
        let index = head.find(bytes, name, line)?;
        line = Some(index);
        Some(head.value(bytes, index))
    })
    .flat_map(values)
}

/// The values of every header; what `hdr` without a name looks at.
pub fn all_header_values(message: Message<'_>) -> impl Iterator<Item = &[u8]> {
    let Message { head, bytes } = message;
    head.lines()
        .flat_map(move |index| values(head.value(bytes, index)))
}

/// The comma-separated values of one line.
pub fn values(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = value_end(text);
        rest = text.get(end + 1..);
        Some(trim(&text[..end]))
    })
}

/// Where a value ends: at a comma that is not quoted, or at the end.
fn value_end(text: &[u8]) -> usize {
    // Most values have neither.
    let at = find(text, 0, |byte| matches!(byte, b',' | b'"'));
    if text.get(at) != Some(&b'"') {
        return at;
    }
    let mut quoted = false;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' if quoted => {
                bytes.next();
            }
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |at| at + 1);
    &text[start..end]
}

/// The value that an occurrence means: 1 is the first, -1 the last.
pub fn occurrence<'a>(
    mut values: impl Iterator<Item = &'a [u8]>,
    occurrence: i32,
) -> Option<&'a [u8]> {
    if occurrence >= 0 {
        return values.nth(usize::try_from(occurrence.saturating_sub(1)).ok()?);
    }
    let from_end = usize::try_from(occurrence.unsigned_abs()).ok()?;
    let mut last = std::collections::VecDeque::with_capacity(from_end.min(64));
    for value in values {
        if last.len() == from_end {
            last.pop_front();
        }
        last.push_back(value);
    }
    (last.len() == from_end)
        .then(|| last.front().copied())
        .flatten()
}

/// The cookies of a request: names and values, in order.
pub fn cookies<'a>(
    message: Message<'a>,
    header: &'a [u8],
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let Message { head, bytes } = message;
    let mut line = None;
    std::iter::from_fn(move || {
        let index = head.find(bytes, header, line)?;
        line = Some(index);
        Some(head.value(bytes, index))
    })
    .flat_map(|line| line.split(|b| matches!(b, b';' | b',')))
    .filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        Some((trim(&pair[..equals]), trim(&pair[equals + 1..])))
    })
}

/// The cookies that a response sets: names and values, in order, without what is said about them.
pub fn set_cookies(message: Message<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    header_values(message, b"Set-Cookie").filter_map(|value| {
        let pair = value.split(|b| *b == b';').next()?;
        let equals = memchr::memchr(b'=', pair)?;
        Some((trim(&pair[..equals]), trim(&pair[equals + 1..])))
    })
}

/// The value of a parameter in the query of a URL.
pub fn url_parameter<'a>(url: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let query = &url[memchr::memchr(b'?', url)? + 1..];
    query.split(|b| matches!(b, b'&' | b';')).find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix(b"=")?;
        Some(value)
    })
}

/// The address and port in an absolute URL that names an address. 1.4 has zeros for other URLs.
/// 1.8.0 leaves what stood in memory before, and later releases say, as we do, that there is none.
pub fn url_authority(url: &[u8], dialect: Dialect) -> Option<(std::net::Ipv4Addr, u16)> {
    let nothing = (dialect == Dialect::V1_4).then_some((std::net::Ipv4Addr::UNSPECIFIED, 0));
    let Some(start) = url.windows(3).position(|w| w == b"://") else {
        return nothing;
    };
    let https = url[..start].eq_ignore_ascii_case(b"https");
    // 1.4 knows no other scheme than http.
    if dialect == Dialect::V1_4 && !url[..start].eq_ignore_ascii_case(b"http") {
        return nothing;
    }
    let rest = &url[start + 3..];
    let end = rest
        .iter()
        .position(|b| !(b.is_ascii_digit() || *b == b'.'))
        .unwrap_or(rest.len());
    let Some(address) = super::value::address_of(&rest[..end]) else {
        return nothing;
    };
    let port = match rest.get(end) {
        Some(b':') => super::value::leading_integer(&rest[end + 1..]) as u16,
        _ if https => 443,
        _ => 80,
    };
    Some((address, port))
}

/// Name and password of a `Basic` authorization; `scratch` keeps them. A proxy is told in another
/// header.
pub fn credentials<'s>(
    message: Message<'_>,
    as_proxy: bool,
    scratch: &'s mut Vec<u8>,
) -> Option<(&'s [u8], &'s [u8])> {
    let header: &[u8] = if as_proxy {
        b"Proxy-Authorization"
    } else {
        b"Authorization"
    };
    let value = header_values(message, header).next()?;
    let space = memchr::memchr(b' ', value)?;
    let scheme = &value[..space];
    // HAProxy compares as many letters as the client sends.
    if scheme.is_empty() || scheme.len() > 5 || !scheme.eq_ignore_ascii_case(&b"Basic"[..space]) {
        return None;
    }
    scratch.clear();
    crate::http1::base64::decode(&value[space + 1..], scratch)?;
    // The text ends at a NUL, as a C string does.
    if let Some(nul) = memchr::memchr(0, scratch) {
        scratch.truncate(nul);
    }
    let colon = memchr::memchr(b':', scratch)?;
    Some((&scratch[..colon], &scratch[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_line() {
        for (line, expected) in [
            ("a, b,c", vec!["a", "b", "c"]),
            ("", vec![""]),
            ("a,", vec!["a", ""]),
            ("\"a,b\" , c", vec!["\"a,b\"", "c"]),
            ("\"a\\\",b\",c", vec!["\"a\\\",b\"", "c"]),
        ] {
            let found: Vec<_> = values(line.as_bytes())
                .map(|v| String::from_utf8_lossy(v).into_owned())
                .collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn occurrences() {
        let of = |n| {
            let text = occurrence(values(b"a,b,c"), n)?;
            std::str::from_utf8(text).ok()
        };
        assert_eq!(of(1), Some("a"));
        assert_eq!(of(-1), Some("c"));
        assert_eq!(of(-3), Some("a"));
        assert_eq!(of(-4), None);
        assert_eq!(of(4), None);
    }

    #[test]
    fn parameters() {
        assert_eq!(url_parameter(b"/a?x=1&yy=2;z=3", b"yy"), Some(&b"2"[..]));
        assert_eq!(url_parameter(b"/a?x=1", b"y"), None);
        assert_eq!(
            url_authority(b"http://10.0.0.1:81/", Dialect::V1_4)
                .unwrap()
                .1,
            81
        );
        assert_eq!(
            url_authority(b"http://10.0.0.1/", Dialect::V1_4).unwrap().1,
            80
        );
        assert_eq!(url_authority(b"/a", Dialect::V1_4).unwrap().1, 0);
        assert_eq!(url_authority(b"/a", Dialect::V1_8), None);
    }
}
