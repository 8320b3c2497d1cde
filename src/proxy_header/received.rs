//! The same header as it is received: `accept-proxy` of 1.5 and later.
//!
//! A header comes in one piece, so that what is not whole when it is looked at is a mistake. One
//! that is not accepted here is not by HAProxy 1.8 either; addresses and ports that are out of
//! range, which HAProxy folds into the range, are refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::SIGNATURE;

/// A header that is whole and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it has.
    pub length: usize,
    /// Who talks to whom; `None` where the header leaves that to the connection.
    pub between: Option<(SocketAddr, SocketAddr)>,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// It is not all there.
    #[error("Truncated PROXY protocol header received")]
    Truncated,
    /// It begins like none.
    #[error("Received something which does not look like a PROXY protocol header")]
    Other,
    /// It is about something else than TCP.
    #[error("Received an unhandled protocol in the PROXY protocol header")]
    Protocol,
    /// It says something that cannot be.
    #[error("Received an invalid PROXY protocol header")]
    Malformed,
}

/// The longest text form, its end included.
const LONGEST_LINE: usize = 107;

/// What a binary header begins with, up to its addresses.
const FIXED: usize = 16;

/// Reads the header that `bytes` begin with.
///
/// # Errors
/// When they begin with none.
pub fn read(bytes: &[u8]) -> Result<Header, Mistake> {
    match bytes.strip_prefix(b"PROXY ") {
        // The shortest name of a protocol decides.
        Some(rest) if rest.len() >= 3 => line(rest),
        _ if bytes.len() < FIXED => Err(Mistake::Truncated),
        _ => binary(bytes),
    }
}

/// What follows the first word of the text form.
fn line(rest: &[u8]) -> Result<Header, Mistake> {
    const FIRST: usize = "PROXY ".len();
    if rest.starts_with(b"UNKNOWN\r\n") {
        return Ok(Header {
            length: FIRST + "UNKNOWN\r\n".len(),
            between: None,
        });
    }
    let (addresses, v6) = match (rest.strip_prefix(b"TCP4 "), rest.strip_prefix(b"TCP6 ")) {
        (Some(addresses), _) => (addresses, false),
        (_, Some(addresses)) => (addresses, true),
        _ => return Err(Mistake::Protocol),
    };
    let begins = FIRST + "TCP4 ".len();
    let room = addresses.len().min(LONGEST_LINE - begins);
    let Some(end) = memchr::memchr(b'\r', &addresses[..room]) else {
        // A line that is too long has no end in sight, and one with another end has none.
        let odd = room < addresses.len() || memchr::memchr(b'\n', addresses).is_some();
        return Err(if odd {
            Mistake::Malformed
        } else {
            Mistake::Truncated
        });
    };
    match addresses.get(end + 1) {
        None => return Err(Mistake::Truncated),
        Some(b'\n') => {}
        Some(_) => return Err(Mistake::Malformed),
    }
    let text = std::str::from_utf8(&addresses[..end]).map_err(|_| Mistake::Malformed)?;
    let between = if v6 {
        words::<Ipv6Addr>(text)
    } else {
        words::<Ipv4Addr>(text)
    };
    Ok(Header {
        length: begins + end + 2,
        between: Some(between.ok_or(Mistake::Malformed)?),
    })
}

/// Two addresses and two ports, with one blank between them.
fn words<Ip: FromStr + Into<IpAddr>>(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = text.split(' ');
    let mut ip = || words.next()?.parse::<Ip>().ok().map(Into::into);
    let (from, to) = (ip()?, ip()?);
    let mut port = || {
        let word = words.next()?;
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        word.parse().ok().filter(|_| digits)
    };
    let ports = (port()?, port()?);
    if words.next().is_some() {
        return None;
    }
    Some((SocketAddr::new(from, ports.0), SocketAddr::new(to, ports.1)))
}

fn binary(bytes: &[u8]) -> Result<Header, Mistake> {
    let Some(&[kind, family, high, low]) = bytes
        .strip_prefix(SIGNATURE)
        .and_then(|rest| rest.first_chunk())
    else {
        return Err(Mistake::Other);
    };
    if kind >> 4 != 2 {
        return Err(Mistake::Other);
    }
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    let said = bytes.get(FIXED..length).ok_or(Mistake::Truncated)?;
    let between = match (kind & 15, family) {
        // The proxy's own connection, whatever it says of addresses.
        (0, _) => None,
        (1, 0x11) => Some(addresses::<4>(said).ok_or(Mistake::Malformed)?),
        (1, 0x21) => Some(addresses::<16>(said).ok_or(Mistake::Malformed)?),
        // Neither TCP over IPv4 nor over IPv6: the connection's own addresses hold.
        (1, _) => None,
        _ => return Err(Mistake::Malformed),
    };
    Ok(Header { length, between })
}

/// Two addresses of `N` bytes and two ports; what follows them is not looked at.
fn addresses<const N: usize>(said: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; N]>,
{
    let (from, rest) = said.split_first_chunk::<N>()?;
    let (to, rest) = rest.split_first_chunk::<N>()?;
    let &[a, b, c, d] = rest.first_chunk()?;
    let (from, to) = (IpAddr::from(*from), IpAddr::from(*to));
    Some((
        SocketAddr::new(from, u16::from_be_bytes([a, b])),
        SocketAddr::new(to, u16::from_be_bytes([c, d])),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::ProxyHeader;
    use crate::proxy_header::write;

    const V4: [u8; 12] = [10, 1, 1, 1, 10, 2, 2, 2, 4, 87, 8, 174];

    fn v2(kind: u8, family: u8, said: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[kind, family]);
        bytes.extend_from_slice(&(said.len() as u16).to_be_bytes());
        bytes.extend_from_slice(said);
        bytes
    }

    fn between(bytes: &[u8]) -> Result<Option<(String, String)>, Mistake> {
        // What follows a header changes nothing.
        let whole = [bytes, b"GET / HTTP/1.0\r\n\r\n"].concat();
        let header = read(&whole)?;
        assert_eq!(header.length, bytes.len());
        Ok(header
            .between
            .map(|(from, to)| (from.to_string(), to.to_string())))
    }

    fn some(from: &str, to: &str) -> Result<Option<(String, String)>, Mistake> {
        Ok(Some((from.to_owned(), to.to_owned())))
    }

    #[test]
    fn lines() {
        for (text, expected) in [
            (
                "TCP4 1.2.3.4 5.6.7.8 111 222\r\n",
                some("1.2.3.4:111", "5.6.7.8:222"),
            ),
            (
                "TCP4 1.2.3.4 5.6.7.8 0 0\r\n",
                some("1.2.3.4:0", "5.6.7.8:0"),
            ),
            (
                "TCP6 ::1 2001:db8::1 1 65535\r\n",
                some("[::1]:1", "[2001:db8::1]:65535"),
            ),
            ("UNKNOWN\r\n", Ok(None)),
            ("UNKNOWN ff ff 1 2\r\n", Err(Mistake::Protocol)),
            ("UNKNOWN\n", Err(Mistake::Protocol)),
            ("TCP5 1.2.3.4 5.6.7.8 111 222\r\n", Err(Mistake::Protocol)),
            ("UNIX a b\r\n", Err(Mistake::Protocol)),
            ("TCP6 1.2.3.4 5.6.7.8 1 2\r\n", Err(Mistake::Malformed)),
            ("TCP4 ::1 ::2 1 2\r\n", Err(Mistake::Malformed)),
            ("TCP4 1.2.3.4 5.6.7.8 111 222\n", Err(Mistake::Malformed)),
            (
                "TCP4 1.2.3.4 5.6.7.8 111 222 x\r\n",
                Err(Mistake::Malformed),
            ),
            ("TCP4  1.2.3.4 5.6.7.8 111 222\r\n", Err(Mistake::Malformed)),
            ("TCP4 1.2.3.4 5.6.7.8 111\r\n", Err(Mistake::Malformed)),
            ("TCP4 1.2.3.4 5.6.7.8  1\r\n", Err(Mistake::Malformed)),
            ("TCP4 1.2.3.4 5.6.7.8 +1 1\r\n", Err(Mistake::Malformed)),
            ("TCP4 1.2.3.4 5.6.7.8 70000 1\r\n", Err(Mistake::Malformed)),
            ("TCP4 1.2.3.400 5.6.7.8 1 1\r\n", Err(Mistake::Malformed)),
            ("TCP4 1.2.3 5.6.7.8 1 1\r\n", Err(Mistake::Malformed)),
        ] {
            assert_eq!(
                between(format!("PROXY {text}").as_bytes()),
                expected,
                "{text}"
            );
        }
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let line = format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n");
        assert!(line.len() <= LONGEST_LINE && between(line.as_bytes()).is_ok());
        let endless = [&b"PROXY TCP4 "[..], &[b' '; 200]].concat();
        assert_eq!(read(&endless), Err(Mistake::Malformed));
    }

    #[test]
    fn pieces() {
        let whole = b"PROXY TCP4 1.2.3.4 5.6.7.8 111 222\r\n";
        for n in 0..whole.len() {
            let expected = if (9..11).contains(&n) {
                Mistake::Protocol
            } else {
                Mistake::Truncated
            };
            assert_eq!(read(&whole[..n]), Err(expected), "{n}");
        }
        let whole = v2(0x21, 0x11, &V4);
        for n in 0..whole.len() {
            assert_eq!(read(&whole[..n]), Err(Mistake::Truncated), "{n}");
        }
    }

    #[test]
    fn binary_headers() {
        let client = || some("10.1.1.1:1111", "10.2.2.2:2222");
        assert_eq!(between(&v2(0x21, 0x11, &V4)), client());
        let more = [&V4[..], b"\x04\0\x03abc"].concat();
        assert_eq!(between(&v2(0x21, 0x11, &more)), client());
        assert_eq!(between(&v2(0x21, 0x11, &V4[..8])), Err(Mistake::Malformed));
        let mut v6 = [0; 36];
        v6[15] = 1;
        v6[31] = 2;
        v6[33] = 5;
        v6[35] = 80;
        assert_eq!(between(&v2(0x21, 0x21, &v6)), some("[::1]:5", "[::2]:80"));
        for (kind, family, said) in [
            (0x20, 0x00, &[][..]),
            (0x20, 0x11, &V4),
            (0x21, 0x00, &[]),
            (0x21, 0x12, &V4),
            (0x21, 0x31, &[b'a'; 216]),
        ] {
            assert_eq!(between(&v2(kind, family, said)), Ok(None));
        }
        assert_eq!(between(&v2(0x23, 0x11, &V4)), Err(Mistake::Malformed));
        assert_eq!(between(&v2(0x11, 0x11, &V4)), Err(Mistake::Other));
        assert_eq!(between(b""), Err(Mistake::Other));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            from in any::<SocketAddr>(),
            to in any::<SocketAddr>(),
            binary in any::<bool>(),
            tail in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            // Scopes and flows of IPv6 are not in the header.
            let plain = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
            let form = if binary { ProxyHeader::V2 } else { ProxyHeader::V1 };
            let mut bytes = Vec::new();
            write(form, Some((from, to)), &mut bytes);
            let length = bytes.len();
            bytes.extend_from_slice(&tail);
            let (from, to) = (plain(from), plain(to));
            let between = (from.is_ipv4() == to.is_ipv4()).then_some((from, to));
            prop_assert_eq!(read(&bytes), Ok(Header { length, between }));
        }

        #[test]
        fn no_bytes_are_too_odd(
            begins in 0_usize..4,
            rest in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let first: &[u8] = [&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE][begins];
            let bytes = [first, &rest].concat();
            if let Ok(header) = read(&bytes) {
                prop_assert!(header.length <= bytes.len());
            }
        }
    }
}
