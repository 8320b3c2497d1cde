//! From a key to a number. Manual 1.5, section 4.2 "hash-type".
//!
//! These functions are part of what HAProxy promises: another number is another server. Keys are
//! read as signed bytes, which shows with keys beyond ASCII.

use crate::plan::HashFunction;

/// The number of a key.
pub fn of(function: HashFunction, key: &[u8]) -> u32 {
    match function {
        HashFunction::Sdbm => key.iter().fold(0, |hash, byte| sdbm(hash, *byte)),
        HashFunction::Djb2 => key.iter().fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add(signed(*byte))
        }),
        HashFunction::Wt6 => wt6(key),
        HashFunction::Crc32 => crc32(key),
    }
}

/// One step of sdbm: the hash times 65,599 and the next byte.
fn sdbm(hash: u32, byte: u8) -> u32 {
    hash.wrapping_mul(65_599).wrapping_add(signed(byte))
}

fn signed(byte: u8) -> u32 {
    byte as i8 as u32
}

/// Two halves that turn each other by amounts which the key decides.
fn wt6(key: &[u8]) -> u32 {
    let (mut left, mut right) = (0xa53c_965a_u32, 0x5ca6_953a_u32);
    let (mut turn_left, mut turn_right) = (6_u32, 18_u32);
    for byte in key {
        left = !(left ^ signed(*byte));
        right = !right.wrapping_add(signed(*byte));
        (left, right) = (right.rotate_left(turn_left), left.rotate_left(turn_right));
        let turns = ((left >> 16) ^ right) & 0xffff;
        turn_left = turns & 31;
        turn_right = turns >> 11;
    }
    left ^ right
}

/// The checksum of Ethernet and gzip.
fn crc32(key: &[u8]) -> u32 {
    let crc = key.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= signed(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    });
    !crc
}

/// The number of an address: its words, one over the other.
pub fn of_address(address: std::net::IpAddr) -> u32 {
    match address {
        std::net::IpAddr::V4(address) => u32::from(address),
        std::net::IpAddr::V6(address) => {
            let bits = u128::from(address);
            (0..4).fold(0, |hash, word| hash ^ (bits >> (word * 32)) as u32)
        }
    }
}

/// `avalanche`: Bob Jenkins' full avalanche of an integer, spread over the ring by a prime that is
/// about three quarters of it.
pub fn mix(number: u32) -> u32 {
    let mut a = number;
    a = a.wrapping_add(0x7ed5_5d16).wrapping_add(a << 12);
    a = (a ^ 0xc761_c23c) ^ (a >> 19);
    a = a.wrapping_add(0x1656_67b1).wrapping_add(a << 5);
    a = a.wrapping_add(0xd3a2_646c) ^ (a << 9);
    a = a.wrapping_add(0xfd70_46c5).wrapping_add(a << 3);
    a = (a ^ 0xb55a_4f09) ^ (a >> 16);
    a.wrapping_mul(3_221_225_473)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers() {
        assert_eq!(of(HashFunction::Crc32, b"123456789"), 0xcbf4_3926);
        assert_eq!(of(HashFunction::Sdbm, b""), 0);
        assert_eq!(of(HashFunction::Sdbm, b"a"), 97);
        assert_eq!(of(HashFunction::Sdbm, b"ab"), 97 * 65_599 + 98);
        assert_eq!(of(HashFunction::Djb2, b"a"), 5381 * 33 + 97);
        assert_eq!(of(HashFunction::Sdbm, b"\xff"), u32::MAX);
        assert_eq!(of_address([127, 0, 0, 1].into()), 0x7f00_0001);
        assert_eq!(of_address("1:2::3".parse().unwrap()), 0x0001_0002 ^ 3);
    }
}
