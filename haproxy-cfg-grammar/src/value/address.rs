//! Addresses as 1.4 and its successors write them. Names stay names: looking them up is not done
//! here.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::value::number;

/// The host part of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Nothing, `*` or `0.0.0.0`.
    Any,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// A name to be looked up.
    Name(String),
    /// A Unix socket: `/path`, or since 1.5 `unix@path`.
    Unix(String),
    /// A Unix socket without a file, since 1.5: `abns@name`.
    Abstract(String),
}

/// The port part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// None written.
    None,
    /// A number.
    Fixed(u16),
    /// `+n` or `-n`: the client's port and this.
    Offset(i32),
    /// A range, both included.
    Range(u16, u16),
}

/// An address and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// The port.
    pub port: Port,
}

/// Why a word is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The host cannot be an address nor a name.
    Host,
    /// There is no port.
    MissingPort,
    /// The port is no number from 1 to 65535.
    Port,
    /// A Unix socket's name does not fit into an address.
    TooLong,
    /// A kind of address that only later versions have.
    Later,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the host is neither an address nor a name",
            Self::MissingPort => "the port is missing",
            Self::Port => "the port must be a number from 1 to 65535",
            Self::TooLong => "a socket's name has 107 bytes at most",
            Self::Later => "hapax does not have this kind of address yet",
        })
    }
}

/// A host of an IPv4-only place. 1.4 hands everything that is not a dotted quad to the resolver,
/// which takes shortened quads (`10.0.0` is `10.0.0.0`) but no IPv6 address.
pub fn host_v4(bytes: &[u8]) -> Result<Host, AddressError> {
    if bytes.is_empty() || bytes == b"*" {
        return Ok(Host::Any);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| AddressError::Host)?;
    if bytes.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        return match inet_aton(text) {
            Some(address) if address.is_unspecified() => Ok(Host::Any),
            Some(address) => Ok(Host::V4(address)),
            None => Err(AddressError::Host),
        };
    }
    // Some resolvers would take hexadecimal numbers for an address; HAProxy does not.
    let hexadecimal = |part: &str| {
        part.strip_prefix("0x")
            .or_else(|| part.strip_prefix("0X"))
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if text.split('.').any(hexadecimal) {
        return Err(AddressError::Host);
    }
    name(text)
}

/// A name that the resolver may know.
fn name(text: &str) -> Result<Host, AddressError> {
    let fine = text.len() < 256
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fine {
        Ok(Host::Name(text.to_owned()))
    } else {
        Err(AddressError::Host)
    }
}

/// `addr[:port]` where 1.4 reads IPv4 only (`log`, `source`, `dispatch`): the last colon splits,
/// and the port is whatever digits it begins with, cut to 16 bits.
pub fn endpoint_v4(bytes: &[u8]) -> Result<Endpoint, AddressError> {
    let (host, port) = match memchr::memrchr(b':', bytes) {
        Some(at) => (&bytes[..at], Port::Fixed(lax_port(&bytes[at + 1..]))),
        None => (bytes, Port::None),
    };
    Ok(Endpoint {
        host: host_v4(host)?,
        port,
    })
}

/// `addr[:port[-port]]`: the address that connections of one server come from.
pub fn source_range_v1_4(bytes: &[u8]) -> Result<Endpoint, AddressError> {
    let mut endpoint = endpoint_v4(bytes)?;
    let port = memchr::memrchr(b':', bytes).map_or(&[][..], |at| &bytes[at + 1..]);
    if let Some(at) = memchr::memchr(b'-', port) {
        let number = |bytes| u16::try_from(number::atol(bytes).0).ok().filter(|n| *n > 0);
        match (number(&port[..at]), number(&port[at + 1..])) {
            (Some(low), Some(high)) if low <= high => endpoint.port = Port::Range(low, high),
            _ => return Err(AddressError::Port),
        }
    }
    Ok(endpoint)
}

/// `addr:port` without names: nothing, `*` or an IPv4 address before the colon, or an IPv6 address
/// in brackets; the port is not 0.
pub fn socket(bytes: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(bytes).ok()?;
    let any = text.strip_prefix('*').unwrap_or(text);
    let address = match any.strip_prefix(':') {
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
            SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port.parse().ok()?)
        }
        _ => text.parse().ok()?,
    };
    (address.port() != 0).then_some(address)
}

/// The address of a `server` for 1.4: the first colon splits (so that no IPv6 address can be
/// written), and a port that does not begin with a digit is relative to the client's.
pub fn server_v1_4(bytes: &[u8]) -> Result<Endpoint, AddressError> {
    let (host, port) = match memchr::memchr(b':', bytes) {
        Some(at) => {
            let port = &bytes[at + 1..];
            let value = number::to_int(number::atol(port).0);
            if port.first().is_some_and(u8::is_ascii_digit) {
                (&bytes[..at], Port::Fixed(cut_port(i64::from(value))))
            } else {
                (&bytes[..at], Port::Offset(value))
            }
        }
        None => (bytes, Port::None),
    };
    Ok(Endpoint {
        host: host_v4(host)?,
        port,
    })
}

/// `addr[:port]` since 1.5: IPv6 with or without brackets, `ipv4@`, `ipv6@`, `unix@`, a path;
/// `port` says what is allowed after the last colon.
pub fn endpoint(bytes: &[u8], rules: PortRules) -> Result<Endpoint, AddressError> {
    let text = std::str::from_utf8(bytes).map_err(|_| AddressError::Host)?;
    let (family, text) = match text.split_once('@') {
        Some((family @ ("ipv4" | "ipv6" | "unix" | "abns" | "fd" | "udp" | "tcp"), rest)) => {
            (Some(family), rest)
        }
        _ => (None, text),
    };
    match family {
        Some("fd") => return Err(AddressError::Later),
        Some("unix" | "abns") if rules.mandatory => return Err(AddressError::MissingPort),
        _ if text.starts_with('/') && rules.mandatory => return Err(AddressError::MissingPort),
        Some("unix") => return unix(text, Host::Unix),
        Some("abns") => return unix(text, Host::Abstract),
        _ if text.starts_with('/') => return unix(text, Host::Unix),
        _ => {}
    }
    let (host, port_text) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None => return Err(AddressError::Host),
        },
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host = host_any(host, family)?;
    let port = match port_text {
        // A lone sign is no port, and no mistake.
        Some("+" | "-") if !rules.mandatory => Port::None,
        None | Some("") if rules.mandatory => return Err(AddressError::MissingPort),
        None | Some("") => Port::None,
        Some(text) => port(text, rules)?,
    };
    Ok(Endpoint { host, port })
}

/// What a socket's name may be long.
const LONGEST_SOCKET_NAME: usize = 107;

fn unix(name: &str, host: fn(String) -> Host) -> Result<Endpoint, AddressError> {
    if name.len() > LONGEST_SOCKET_NAME {
        return Err(AddressError::TooLong);
    }
    Ok(Endpoint {
        host: host(name.to_owned()),
        port: Port::None,
    })
}

/// What a port may look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortRules {
    /// It must be there.
    pub mandatory: bool,
    /// `a-b` is allowed.
    pub range: bool,
    /// `+n` and `-n` are allowed.
    pub offset: bool,
}

fn port(text: &str, rules: PortRules) -> Result<Port, AddressError> {
    let number = |t: &str| t.parse::<u16>().map_err(|_| AddressError::Port);
    if rules.offset && text.starts_with(['+', '-']) {
        return text
            .parse::<i32>()
            .map(Port::Offset)
            .map_err(|_| AddressError::Port);
    }
    if !text.bytes().next().is_some_and(|b| b.is_ascii_digit()) {
        return Err(AddressError::Port);
    }
    if let Some((low, high)) = text.split_once('-') {
        if !rules.range {
            return Err(AddressError::Port);
        }
        return Ok(Port::Range(number(low)?, number(high)?));
    }
    let value = number::atol(text.as_bytes()).0;
    // A port to listen on is looked at closely; elsewhere only 0 is refused.
    let closely = rules.mandatory && rules.range;
    if rules.mandatory && value == 0 || closely && !(1..=65535).contains(&value) {
        return Err(AddressError::Port);
    }
    // Outside of ranges 1.5 to 1.8 read a port as C's atoi does, and cut it to 16 bits.
    Ok(Port::Fixed(lax_port(text.as_bytes())))
}

fn host_any(text: &str, family: Option<&str>) -> Result<Host, AddressError> {
    if text.is_empty() || text == "*" {
        return Ok(match family {
            Some("ipv6") => Host::V6(Ipv6Addr::UNSPECIFIED),
            _ => Host::Any,
        });
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return if family == Some("ipv4") {
            Err(AddressError::Host)
        } else {
            Ok(Host::V6(address))
        };
    }
    host_v4(text.as_bytes())
}

fn lax_port(bytes: &[u8]) -> u16 {
    cut_port(number::atol(bytes).0)
}

fn cut_port(value: i64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cut is what HAProxy does"
    )]
    let value = value as u16;
    value
}

/// One piece of a `bind` address list, as 1.4 reads it: the last colon splits, the host is IPv6
/// when it has a colon itself, and the port may be a range.
pub fn listen_v1_4(bytes: &[u8]) -> Result<Endpoint, AddressError> {
    let Some(at) = memchr::memrchr(b':', bytes) else {
        return Err(AddressError::MissingPort);
    };
    let (host, port) = (&bytes[..at], &bytes[at + 1..]);
    let host = if memchr::memchr(b':', host).is_some() {
        let text = std::str::from_utf8(host).map_err(|_| AddressError::Host)?;
        Host::V6(text.parse().map_err(|_| AddressError::Host)?)
    } else {
        host_v4(host)?
    };
    let (low, high) = match memchr::memchr(b'-', port) {
        Some(at) => {
            let high = number::atol(&port[at + 1..]).0;
            (number::atol(&port[..at]).0, high)
        }
        None => {
            let low = number::atol(port).0;
            (low, low)
        }
    };
    let number = |n: i64| u16::try_from(n).ok().filter(|n| *n > 0);
    match (number(low), number(high)) {
        (Some(low), Some(high)) if low == high => Ok(Endpoint {
            host,
            port: Port::Fixed(low),
        }),
        (Some(low), Some(high)) => Ok(Endpoint {
            host,
            port: Port::Range(low, high),
        }),
        _ => Err(AddressError::Port),
    }
}

/// A network: `address[/mask]`, the mask as a number of bits or as an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The address or name.
    pub host: Host,
    /// The mask; it may have holes.
    pub mask: Ipv4Addr,
}

/// Reads an IPv4 network.
pub fn network_v4(bytes: &[u8]) -> Option<Network> {
    let (address, mask) = match memchr::memchr(b'/', bytes) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    };
    let mask = match mask {
        Some(mask) => netmask(mask)?,
        None => Ipv4Addr::BROADCAST,
    };
    let text = std::str::from_utf8(address).ok()?;
    let host = match text.parse::<Ipv4Addr>() {
        Ok(address) => Host::V4(address),
        Err(_) => match host_v4(address).ok()? {
            Host::Any if !text.starts_with('0') => return None,
            Host::Any => Host::V4(Ipv4Addr::UNSPECIFIED),
            host => host,
        },
    };
    Some(Network { host, mask })
}

/// An IPv6 network: `address[/bits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkV6 {
    /// The address.
    pub address: Ipv6Addr,
    /// How many bits count, from 0 to 128.
    pub bits: u8,
}

/// Reads an IPv6 network.
pub fn network_v6(bytes: &[u8]) -> Option<NetworkV6> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => {
            let bits = u8::try_from(number::digits(bits.as_bytes())?).ok()?;
            (address, bits)
        }
        None => (text, 128),
    };
    let address = address.parse().ok()?;
    (bits <= 128).then_some(NetworkV6 { address, bits })
}

/// Reads a mask: a number of bits from 0 to 32, or a dotted quad with or without holes.
pub fn netmask(bytes: &[u8]) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.contains('.') {
        return text.parse().ok();
    }
    let bits: u32 = number::digits(bytes)?.try_into().ok()?;
    (bits <= 32).then(|| Ipv4Addr::from(u32::MAX.checked_shl(32 - bits).unwrap_or(0)))
}

/// An address of one to four numbers, decimal, octal after a `0`: the last fills what is left.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text
        .split('.')
        .map(|part| {
            if part.is_empty() {
                return None;
            }
            if part.len() > 1 && part.starts_with('0') {
                u32::from_str_radix(part, 8).ok()
            } else {
                part.parse().ok()
            }
        })
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|p| *p > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(first.len()).ok()?;
    if u64::from(*last) >= 1_u64 << room {
        return None;
    }
    let mut address = *last;
    for (n, part) in first.iter().enumerate() {
        address |= part << (24 - 8 * u32::try_from(n).ok()?);
    }
    Some(Ipv4Addr::from(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v4() {
        let host = |t: &str| host_v4(t.as_bytes());
        assert_eq!(host("10.0.0"), Ok(Host::V4(Ipv4Addr::new(10, 0, 0, 0))));
        assert_eq!(host("*"), Ok(Host::Any));
        assert_eq!(host("256.0.0.1"), Err(AddressError::Host));
        assert_eq!(host("10.0.0.1.1"), Err(AddressError::Host));
        assert_eq!(host("web-1"), Ok(Host::Name("web-1".to_owned())));
        assert_eq!(host("ipv4@10.0.0.1"), Err(AddressError::Host));
    }

    #[test]
    fn listening() {
        let at = |t: &str| listen_v1_4(t.as_bytes());
        assert_eq!(
            at(":80"),
            Ok(Endpoint {
                host: Host::Any,
                port: Port::Fixed(80)
            })
        );
        assert_eq!(at("10.0.0.1"), Err(AddressError::MissingPort));
        assert_eq!(
            at("::1:80").map(|e| e.host),
            Ok(Host::V6(Ipv6Addr::LOCALHOST))
        );
        assert_eq!(at(":65536"), Err(AddressError::Port));
        assert_eq!(
            at(":8081-8090").map(|e| e.port),
            Ok(Port::Range(8081, 8090))
        );
    }

    #[test]
    fn sockets_of_the_system() {
        let host = |t: &str| endpoint(t.as_bytes(), PortRules::default()).map(|e| e.host);
        assert_eq!(host("/run/x"), Ok(Host::Unix("/run/x".to_owned())));
        assert_eq!(host("unix@x"), Ok(Host::Unix("x".to_owned())));
        assert_eq!(host("abns@x:80"), Ok(Host::Abstract("x:80".to_owned())));
        assert!(host(&format!("abns@{}", "x".repeat(107))).is_ok());
        assert_eq!(
            host(&format!("abns@{}", "x".repeat(108))),
            Err(AddressError::TooLong)
        );
        assert_eq!(host("fd@3"), Err(AddressError::Later));
    }

    #[test]
    fn masks() {
        assert_eq!(netmask(b"24"), Some(Ipv4Addr::new(255, 255, 255, 0)));
        assert_eq!(netmask(b"0"), Some(Ipv4Addr::UNSPECIFIED));
        assert_eq!(netmask(b"255.0.255.0"), Some(Ipv4Addr::new(255, 0, 255, 0)));
        assert_eq!(netmask(b"33"), None);
        assert_eq!(network_v6(b"::1").map(|n| n.bits), Some(128));
        assert_eq!(network_v6(b"2001:db8::/32").map(|n| n.bits), Some(32));
        assert_eq!(network_v6(b"2001:db8::/129"), None);
        assert_eq!(network_v6(b"[::1]"), None);
    }
}
