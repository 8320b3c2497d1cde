//! What samples are compared with, compiled into what their number deserves.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::text::TextSet;
use crate::plan::{MatchMethod, Pattern};
use crate::regular_expression::{BadRegex, Regex, RegexSet};
use crate::sample::Value;
use crate::sample::value::{with_bytes, with_text};

/// The patterns of one ACL.
#[derive(Debug)]
pub struct PatternSet {
    method: MatchMethod,
    numbers: Ranges<i64>,
    networks: Networks,
    networks_v6: Ranges<u128>,
    texts: Option<TextSet>,
    regexes: RegexSet,
}

impl PatternSet {
    /// Compiles patterns.
    ///
    /// # Errors
    /// What is wrong with a regular expression.
    pub fn compile(
        method: MatchMethod,
        ignore_case: bool,
        patterns: &[Pattern],
    ) -> Result<Self, BadRegex> {
        let mut numbers = Vec::new();
        let mut networks = Networks::default();
        let mut networks_v6 = Vec::new();
        let mut texts = Vec::new();
        let mut regexes = Vec::new();
        for pattern in patterns {
            match pattern {
                Pattern::Text(text) => texts.push(&**text),
                Pattern::Regex(text) => regexes.push(Regex::new(text, ignore_case)?),
                Pattern::Range { min, max } => {
                    numbers.push((min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX)));
                }
                Pattern::Network { address, mask } => networks.add(*address, *mask),
                Pattern::NetworkV6 { address, bits } => {
                    networks_v6.push(block_v6(*address, *bits));
                }
            }
        }
        networks.blocks = Ranges::new(std::mem::take(&mut networks.building));
        Ok(Self {
            method,
            numbers: Ranges::new(numbers),
            networks,
            networks_v6: Ranges::new(networks_v6),
            texts: TextSet::compile(method, ignore_case, &texts),
            regexes: RegexSet::new(regexes, ignore_case),
        })
    }

    fn holds_v6(&self, address: Ipv6Addr) -> bool {
        self.networks_v6.contains(u128::from(address))
    }

    /// Whether a value fits one of the patterns. Addresses of both versions are compared with
    /// networks of both, as since 1.5.
    pub fn matches(&self, value: Value<'_>) -> bool {
        match self.method {
            MatchMethod::Found => true,
            MatchMethod::Bool => match value {
                Value::Bool(value) => value,
                other => other.integer().is_some_and(|n| n != 0),
            },
            MatchMethod::Integer | MatchMethod::Version => {
                value.integer().is_some_and(|n| self.numbers.contains(n))
            }
            MatchMethod::Length => with_text(value, |text| {
                self.numbers
                    .contains(i64::try_from(text.len()).unwrap_or(i64::MAX))
            }),
            MatchMethod::Address => match value.address() {
                Some(address) => {
                    self.networks.contains(address) || self.holds_v6(address.to_ipv6_mapped())
                }
                None => value.address_v6().is_some_and(|address| {
                    self.holds_v6(address)
                        || embedded(address).is_some_and(|address| self.networks.contains(address))
                }),
            },
            MatchMethod::Regex => with_text(value, |text| self.regexes.is_match(text)),
            MatchMethod::Group => false,
            MatchMethod::Binary => {
                let texts = self.texts.as_ref();
                texts.is_some_and(|set| with_bytes(value, |bytes| set.matches(bytes)))
            }
            MatchMethod::Exact
            | MatchMethod::Prefix
            | MatchMethod::Suffix
            | MatchMethod::Substring
            | MatchMethod::Directory
            | MatchMethod::Domain => self
                .texts
                .as_ref()
                .is_some_and(|set| with_text(value, |text| set.matches(text))),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: compatible and mapped ones, and those of 6to4.
pub(crate) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let four =
        |at: usize| Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]);
    match octets {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ..]
        | [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..] => Some(four(12)),
        [0x20, 0x02, ..] => Some(four(2)),
        _ => None,
    }
}

/// The first and the last address of an IPv6 network.
pub(crate) fn block_v6(address: Ipv6Addr, bits: u8) -> (u128, u128) {
    let host = u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
    let first = u128::from(address) & !host;
    (first, first | host)
}

/// Disjoint ranges in order, both ends included.
#[derive(Debug)]
struct Ranges<T>(Vec<(T, T)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Ord> Ranges<T> {
    fn new(mut ranges: Vec<(T, T)>) -> Self {
        ranges.retain(|(min, max)| min <= max);
        ranges.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
        for (min, max) in ranges {
            match merged.last_mut() {
                Some(last) if min <= last.1 => last.1 = last.1.max(max),
                _ => merged.push((min, max)),
            }
        }
        Self(merged)
    }

    fn contains(&self, value: T) -> bool {
        let after = self.0.partition_point(|(min, _)| *min <= value);
        after > 0 && self.0[after - 1].1 >= value
    }
}

/// Networks: those of one block as ranges of addresses, those whose masks have holes by mask.
#[derive(Debug, Default)]
struct Networks {
    building: Vec<(u32, u32)>,
    blocks: Ranges<u32>,
    holes: BTreeMap<u32, HashSet<u32>>,
}

impl Networks {
    fn add(&mut self, address: Ipv4Addr, mask: Ipv4Addr) {
        let (address, mask) = (u32::from(address), u32::from(mask));
        let host = !mask;
        let first = address & mask;
        if host & host.wrapping_add(1) == 0 {
            self.building.push((first, first | host));
        } else {
            self.holes.entry(mask).or_default().insert(first);
        }
    }

    fn contains(&self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        self.blocks.contains(address)
            || self
                .holes
                .iter()
                .any(|(mask, firsts)| firsts.contains(&(address & mask)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_version_4_hold_addresses_of_version_6_that_stand_for_one() {
        let ten = Pattern::Network {
            address: Ipv4Addr::new(10, 0, 0, 0),
            mask: Ipv4Addr::new(255, 0, 0, 0),
        };
        let set = PatternSet::compile(MatchMethod::Address, false, &[ten]).unwrap();
        for (address, expected) in [
            ("::ffff:10.1.2.3", true),
            ("::10.1.2.3", true),
            ("2002:a01:203::1", true),
            ("2003:a01:203::1", false),
            ("::ffff:11.1.2.3", false),
        ] {
            let value = Value::AddressV6(address.parse().unwrap());
            assert_eq!(set.matches(value), expected, "{address}");
        }
    }

    #[test]
    fn networks_of_version_6() {
        let network = |text: &str, bits| Pattern::NetworkV6 {
            address: text.parse().unwrap(),
            bits,
        };
        let patterns = [network("2001:db8::1", 32), network("::1", 128)];
        let set = PatternSet::compile(MatchMethod::Address, false, &patterns).unwrap();
        for (address, expected) in [
            ("2001:db8:ffff::2", true),
            ("2001:db9::1", false),
            ("::1", true),
            ("::2", false),
        ] {
            let value = Value::AddressV6(address.parse().unwrap());
            assert_eq!(set.matches(value), expected, "{address}");
            assert_eq!(set.matches(Value::Text(address.as_bytes())), expected);
        }
        let all = PatternSet::compile(MatchMethod::Address, false, &[network("::", 0)]).unwrap();
        assert!(all.matches(Value::AddressV6("ff::1".parse().unwrap())));
        assert!(all.matches(Value::Address(Ipv4Addr::LOCALHOST)));
    }
}
