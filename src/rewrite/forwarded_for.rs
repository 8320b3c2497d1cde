//! Headers that tell a server who the client is, and whom it asked for. Manual 1.4, section 4.2
//! "option forwardfor", "option originalto".

use std::net::{IpAddr, SocketAddr};

use crate::http1::Head;
use crate::plan::AddressHeader;

/// Adds `X-Forwarded-For` (or as it is called) for the client's address.
///
/// A backend's name for the header wins over the frontend's; the header stays out when either
/// says `if-none` and it is there already, or when either excepts the address.
pub fn add(
    head: &mut Head,
    bytes: &[u8],
    frontend: Option<&AddressHeader>,
    backend: Option<&AddressHeader>,
    address: Option<SocketAddr>,
) {
    let Some(settings) = backend.or(frontend) else {
        return;
    };
    let Some(address) = address else {
        return;
    };
    let both = [frontend, backend];
    let name: &[u8] = &settings.header;
    // The frontend says `if-none` for itself; a backend that has the option must say it too.
    let if_none = both.iter().flatten().all(|one| one.if_none);
    if if_none && head.find(bytes, name, None).is_some() {
        return;
    }
    // An IPv4 client of an IPv6 socket has an IPv6 address here, which nothing excepts.
    let text = match address.ip() {
        IpAddr::V4(ip) => {
            let excepted = |one: &&AddressHeader| {
                one.except.is_some_and(|(network, mask)| {
                    u32::from(ip) & u32::from(mask) == u32::from(network) & u32::from(mask)
                })
            };
            if both.iter().flatten().any(excepted) {
                return;
            }
            ip.to_string()
        }
        IpAddr::V6(ip) => ip.to_string(),
    };
    head.append_parts(&[name, b": ", text.as_bytes()]);
}
