//! The header that tells a server who the client is: `send-proxy`, `send-proxy-v2` of 1.5 and later.

use std::net::SocketAddr;

use crate::plan::ProxyHeader;

pub mod received;

/// What the binary form begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The header of a connection between these addresses, `None` when they are not known or do not
/// belong together.
pub fn write(form: ProxyHeader, between: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    let between = between.map(|(from, to)| (plain(from), plain(to)));
    match form {
        ProxyHeader::V1 => text(between, out),
        ProxyHeader::V2 => binary(between, out),
    }
}

/// An IPv4 address that came in the shape of an IPv6 one, in its own shape.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn text(between: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    let line = match between {
        Some((from, to)) if from.is_ipv4() == to.is_ipv4() => format!(
            "PROXY {} {} {} {} {}\r\n",
            if from.is_ipv4() { "TCP4" } else { "TCP6" },
            from.ip(),
            to.ip(),
            from.port(),
            to.port()
        ),
        _ => "PROXY UNKNOWN\r\n".to_owned(),
    };
    out.extend_from_slice(line.as_bytes());
}

fn binary(between: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    let mut addresses = Vec::with_capacity(36);
    let (command, family) = match between {
        Some((SocketAddr::V4(from), SocketAddr::V4(to))) => {
            addresses.extend_from_slice(&from.ip().octets());
            addresses.extend_from_slice(&to.ip().octets());
            (0x21, 0x11)
        }
        Some((SocketAddr::V6(from), SocketAddr::V6(to))) => {
            addresses.extend_from_slice(&from.ip().octets());
            addresses.extend_from_slice(&to.ip().octets());
            (0x21, 0x21)
        }
        // A connection of the proxy's own, or one that cannot be told.
        _ => (0x20, 0x00),
    };
    if let (Some((from, to)), 0x21) = (between, command) {
        addresses.extend_from_slice(&from.port().to_be_bytes());
        addresses.extend_from_slice(&to.port().to_be_bytes());
    }
    out.extend_from_slice(&[command, family]);
    out.extend_from_slice(&(addresses.len() as u16).to_be_bytes());
    out.extend_from_slice(&addresses);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(form: ProxyHeader, from: &str, to: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let between = from.parse().ok().zip(to.parse().ok());
        write(form, between, &mut out);
        out
    }

    #[test]
    fn lines() {
        let v1 = |from, to| String::from_utf8(header(ProxyHeader::V1, from, to)).unwrap();
        assert_eq!(
            v1("10.0.0.1:5", "10.0.0.2:80"),
            "PROXY TCP4 10.0.0.1 10.0.0.2 5 80\r\n"
        );
        assert_eq!(v1("[::1]:5", "[::2]:80"), "PROXY TCP6 ::1 ::2 5 80\r\n");
        assert_eq!(
            v1("[::ffff:10.0.0.1]:5", "10.0.0.2:80"),
            "PROXY TCP4 10.0.0.1 10.0.0.2 5 80\r\n"
        );
        assert_eq!(v1("", ""), "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn binary_headers() {
        let v2 = header(ProxyHeader::V2, "10.0.0.1:5", "10.0.0.2:80");
        assert_eq!(&v2[..12], SIGNATURE);
        assert_eq!(v2[12..16], [0x21, 0x11, 0, 12]);
        assert_eq!(v2[16..], [10, 0, 0, 1, 10, 0, 0, 2, 0, 5, 0, 80]);
        let v6 = header(ProxyHeader::V2, "[::1]:5", "[::2]:80");
        assert_eq!((v6.len(), &v6[12..16]), (52, &[0x21, 0x21, 0, 36][..]));
        assert_eq!(header(ProxyHeader::V2, "", "")[12..], [0x20, 0, 0, 0]);
    }
}
