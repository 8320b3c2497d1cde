//! Names of proxies, servers and ACLs.

/// The first character of a name that names cannot have: letters, digits, `-`, `_`, `.` and `:`
/// are allowed.
pub fn invalid_char(name: &[u8]) -> Option<u8> {
    name.iter()
        .copied()
        .find(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':')))
}

/// The same for a domain name: no `_` and no `:`.
pub fn invalid_domain_char(name: &[u8]) -> Option<u8> {
    name.iter()
        .copied()
        .find(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
}
