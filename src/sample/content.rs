//! Values in the first bytes of a connection: SSL, RDP, whether it is HTTP. Manual 1.4, section
//! 7.5.2.

use std::net::SocketAddrV4;

use haproxy_cfg_grammar::Dialect;

use super::Content;
use crate::http1::{Head, Kind, Scan, Tolerance, Version};

/// What is known of a value that may still be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// It is there.
    Value(T),
    /// It is not, and will not be.
    Never,
    /// More bytes must come first.
    NotYet,
}

/// The request that the bytes begin with; known once its head is complete. Lines that go on are
/// joined in the copy that comes with it.
pub fn request(content: Content<'_>, dialect: Dialect) -> Found<(Head, Vec<u8>)> {
    if content.bytes.is_empty() {
        return Found::NotYet;
    }
    let mut bytes = content.bytes.to_vec();
    let mut head = Head::new(Kind::Request);
    match head.scan(&mut bytes, Tolerance::default()) {
        Scan::Complete(_) => {
            // Since 1.5 what has no version is a GET of something.
            let old = head.request_version(&bytes) == Version::Http09;
            let is_get = head.first_word(&bytes) == b"GET" && !head.second_word(&bytes).is_empty();
            if old && dialect != Dialect::V1_4 && !is_get {
                return Found::Never;
            }
            Found::Value((head, bytes))
        }
        Scan::Invalid(_) => Found::Never,
        Scan::Partial => Found::NotYet,
    }
}

/// What becomes of the first bytes when a rule over content has looked at them as HTTP:
/// empty lines before the request go, and a request without a version gets one. `None` when they
/// stay as they are.
pub fn seen_as_http(bytes: &[u8], dialect: Dialect) -> Option<Vec<u8>> {
    let content = Content {
        bytes,
        may_grow: false,
    };
    let Found::Value((head, _)) = request(content, dialect) else {
        return None;
    };
    let rest = &bytes[head.leading()..];
    if head.request_version(bytes) != Version::Http09 {
        return (head.leading() > 0).then(|| rest.to_vec());
    }
    let line = head.received_start_line(bytes).len();
    let target: &[u8] = if head.second_word(bytes).is_empty() {
        b" /"
    } else {
        b""
    };
    Some([&rest[..line], target, b" HTTP/1.0\r\n", &rest[line..]].concat())
}

/// Version of an SSL hello, major in the upper and minor in the lower 16 bits. 1.4 answers with the
/// version of the record, later ones with what the client asks for in it.
pub fn ssl_version(bytes: &[u8], dialect: Dialect) -> Found<i64> {
    let Some(&first) = bytes.first() else {
        return Found::NotYet;
    };
    let version = |major: u8, minor: u8| (i64::from(major) << 16) + i64::from(minor);
    if (0x14..=0x17).contains(&first) || first == 0xff {
        // SSL 3 and TLS: type, version, length of the record.
        let [_, major, minor, high, low, ..] = *bytes else {
            return Found::NotYet;
        };
        let mut len = usize::from(high) << 8 | usize::from(low);
        if version(major, minor) < 0x0003_0000 {
            return Found::Never;
        }
        if len == 0 || len > 16 * 1024 {
            return Found::Never;
        }
        len = len.min(16 * 1024 - 5);
        // The whole record must be there, as much of it as a buffer holds.
        if bytes.len() < 5 + len {
            return Found::NotYet;
        }
        if dialect == Dialect::V1_4 {
            return Found::Value(version(major, minor));
        }
        match *bytes {
            [_, _, _, _, _, _, _, _, _, major, minor, ..] if len >= 6 => {
                Found::Value(version(major, minor))
            }
            _ => Found::Never,
        }
    } else {
        ssl_2_version(bytes)
    }
}

/// SSL 2: a length of two bytes with its highest bit set, the type of a hello, a version, then the
/// lengths of what follows, which must be possible and fill the record.
fn ssl_2_version(bytes: &[u8]) -> Found<i64> {
    let [high, low, kind, ..] = *bytes else {
        return Found::NotYet;
    };
    if high & 0x80 == 0 || kind != 1 {
        return Found::Never;
    }
    let Some(lengths) = bytes.get(..11) else {
        return Found::NotYet;
    };
    let number = |at: usize| usize::from(lengths[at]) << 8 | usize::from(lengths[at + 1]);
    let (ciphers, session, challenge) = (number(5), number(7), number(9));
    let record = usize::from(high & 0x7f) << 8 | usize::from(low);
    if ciphers % 3 != 0
        || !matches!(session, 0 | 16)
        || !(16..=32).contains(&challenge)
        || record != 9 + ciphers + session + challenge
    {
        return Found::Never;
    }
    if bytes.len() < 2 + record {
        return Found::NotYet;
    }
    Found::Value((i64::from(lengths[3]) << 16) + i64::from(lengths[4]))
}

/// The value of an RDP cookie (any for an empty name): what follows `Cookie: name=` in the
/// connection request.
pub fn rdp_cookie<'a>(bytes: &'a [u8], name: &[u8]) -> Found<&'a [u8]> {
    const TPKT: usize = 4;
    const X224: usize = 7;
    let prefix = b"Cookie:";
    if bytes.len() <= TPKT + X224 + prefix.len() {
        return Found::NotYet;
    }
    if bytes[0] != 3 {
        return Found::Never;
    }
    let total = usize::from(bytes[2]) << 8 | usize::from(bytes[3]);
    if total <= TPKT + X224 || usize::from(bytes[4]) + 1 + TPKT > total {
        return Found::Never;
    }
    // A connection request, without destination, source and class.
    if bytes[5] != 0xe0 {
        return Found::Never;
    }
    let text_start = TPKT + X224;
    let text_end = total.min(TPKT + 1 + usize::from(bytes[4]));
    if bytes.len() < text_end {
        return Found::NotYet;
    }
    let text = &bytes[text_start..text_end.max(text_start)];
    let Some(rest) = text
        .get(..prefix.len())
        .filter(|p| p.eq_ignore_ascii_case(prefix))
        .map(|_| &text[prefix.len()..])
    else {
        return Found::Never;
    };
    let rest = rest.trim_ascii_start();
    let end = rest
        .windows(2)
        .position(|w| w == b"\r\n")
        .unwrap_or(rest.len());
    let pair = &rest[..end];
    let Some(equals) = memchr::memchr(b'=', pair) else {
        return Found::Never;
    };
    if !name.is_empty() && !pair[..equals].eq_ignore_ascii_case(name) {
        return Found::Never;
    }
    Found::Value(&pair[equals + 1..])
}

/// The server that the `msts` cookie of RDP names: `address.port.`, both as integers whose bytes
/// stand in network order, whatever follows. Manual 1.4, section 4.2 "persist rdp-cookie".
pub fn rdp_server(cookie: &[u8]) -> Option<SocketAddrV4> {
    let (address, rest) = leading_digits(cookie)?;
    let (port, rest) = leading_digits(rest.strip_prefix(b".")?)?;
    rest.starts_with(b".").then(|| {
        let octets = (address as u32).to_le_bytes();
        SocketAddrV4::new(octets.into(), (port as u16).swap_bytes())
    })
}

/// The number that a text begins with, blanks before it allowed, and what follows.
fn leading_digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start();
    let end = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = text[..end].iter().fold(0u64, |n, b| {
        n.saturating_mul(10).saturating_add(u64::from(b - b'0'))
    });
    (end > 0).then_some((number, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_in_rdp_cookies() {
        // As a server in Microsoft's farms writes 10.0.0.1:3389.
        let expected = Some(SocketAddrV4::new([10, 0, 0, 1].into(), 3389));
        for (cookie, expected) in [
            ("16777226.15629.0000", expected),
            ("16777226.15629.", expected),
            (" 016777226.15629.x", expected),
            ("4311744522.81165.0", expected),
            ("16777226.15629", None),
            ("16777226:15629.0000", None),
            ("16777226.15629x.0000", None),
            ("x16777226.15629.0000", None),
            ("", None),
        ] {
            assert_eq!(rdp_server(cookie.as_bytes()), expected, "{cookie}");
        }
    }

    #[test]
    fn ssl_versions() {
        assert_eq!(
            ssl_version(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], Dialect::V1_4),
            Found::Value(0x0003_0001)
        );
        assert_eq!(ssl_version(&[0x16, 3, 1], Dialect::V1_4), Found::NotYet);
        assert_eq!(
            ssl_version(b"GET / HTTP/1.0\r\n\r\n", Dialect::V1_4),
            Found::Never
        );
        assert_eq!(ssl_version(b"", Dialect::V1_4), Found::NotYet);
        let hello = |record: u8, ciphers: u8, session: u8, challenge: u8, sent: usize| {
            let lengths = [0x80, record, 1, 0, 2, 0, ciphers, 0, session, 0, challenge];
            let mut bytes = lengths.to_vec();
            bytes.resize(sent, b'c');
            ssl_version(&bytes, Dialect::V1_8)
        };
        assert_eq!(hello(28, 3, 0, 16, 30), Found::Value(2));
        assert_eq!(hello(44, 3, 16, 16, 60), Found::Value(2));
        assert_eq!(hello(28, 3, 0, 16, 29), Found::NotYet);
        assert_eq!(hello(30, 3, 0, 16, 32), Found::Never);
        assert_eq!(hello(29, 4, 0, 16, 31), Found::Never);
        assert_eq!(hello(33, 3, 5, 16, 35), Found::Never);
        assert_eq!(hello(27, 3, 0, 15, 29), Found::Never);
    }

    #[test]
    fn first_bytes_seen_as_http() {
        for (bytes, of_1_4, of_1_8) in [
            (
                "GET /\r\n",
                Some("GET / HTTP/1.0\r\n\r\n"),
                Some("GET / HTTP/1.0\r\n\r\n"),
            ),
            (
                "GET /\n",
                Some("GET / HTTP/1.0\r\n\n"),
                Some("GET / HTTP/1.0\r\n\n"),
            ),
            ("POST /\r\n", Some("POST / HTTP/1.0\r\n\r\n"), None),
            (
                "\r\nGET / HTTP/1.1\r\n\r\nx",
                Some("GET / HTTP/1.1\r\n\r\nx"),
                Some("GET / HTTP/1.1\r\n\r\nx"),
            ),
            ("GET / HTTP/1.1\r\n\r\n", None, None),
            ("GET / HTTP/1.1\r\n", None, None),
            ("no", None, None),
        ] {
            for (dialect, expected) in [(Dialect::V1_4, of_1_4), (Dialect::V1_8, of_1_8)] {
                let seen = seen_as_http(bytes.as_bytes(), dialect);
                let seen = seen.map(|b| String::from_utf8_lossy(&b).into_owned());
                assert_eq!(seen.as_deref(), expected, "{dialect:?} {bytes:?}");
            }
        }
    }

    #[test]
    fn rdp() {
        let text = b"Cookie: mstshash=bob\r\n";
        let mut bytes = vec![3, 0, 0, (11 + text.len()) as u8, (6 + text.len()) as u8];
        bytes.extend_from_slice(&[0xe0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(text);
        assert_eq!(rdp_cookie(&bytes, b"mstshash"), Found::Value(&b"bob"[..]));
        assert_eq!(rdp_cookie(&bytes, b""), Found::Value(&b"bob"[..]));
        assert_eq!(rdp_cookie(&bytes, b"msts"), Found::Never);
        assert_eq!(rdp_cookie(&bytes[..9], b""), Found::NotYet);
    }
}
