//! Keys of a map: which one a value fits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::segments::Segments;
use crate::acl::patterns::{block_v6, embedded};
use crate::acl::prefixes::PrefixMap;
use crate::acl::text_map::TextMap;
use crate::plan::{MatchMethod, Pattern};
use crate::regular_expression::{BadRegex, Regex, RegexSet};
use crate::sample::Value;

/// A key that a value fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Which one, in the order of the file.
    pub(super) entry: u32,
    /// How closely, where that matters: the length of a prefix, the bits of a network.
    pub(super) closeness: u32,
}

impl Fit {
    /// One of those of which the first counts.
    fn first(entry: u32) -> Self {
        Self {
            entry,
            closeness: 0,
        }
    }
}

/// Compiled keys.
#[derive(Debug)]
pub(super) enum Keys {
    /// Texts, and how long each of them is.
    Texts(TextMap, Vec<u32>),
    /// Ranges of integers, by their places in the file.
    Numbers(Segments<i64, u32>),
    /// Networks.
    Networks(Networks),
    /// Regular expressions.
    Regexes(Expressions),
    /// Nothing fits.
    Nothing,
}

/// Regular expressions. Those that say how a text begins are told apart by that: most maps have no
/// others.
#[derive(Debug)]
pub(super) struct Expressions {
    starts: PrefixMap,
    /// All of them, by their places in the file.
    all: Vec<Regex>,
    others: RegexSet,
    /// The places of those.
    places: Vec<u32>,
}

/// The bits of a network, the most first, then its place in the file.
type Narrowest = (Reverse<u32>, u32);

/// Networks, the narrowest of which counts; those whose masks have holes only when no other holds.
#[derive(Debug)]
pub(super) struct Networks {
    v4: Segments<u32, Narrowest>,
    v6: Segments<u128, Narrowest>,
    holes: BTreeMap<u32, HashMap<u32, u32>>,
}

impl Keys {
    pub(super) fn compile<'p>(
        method: MatchMethod,
        keys: impl Iterator<Item = &'p Pattern>,
    ) -> Result<Self, BadRegex> {
        let numbered = (0u32..).zip(keys);
        Ok(match method {
            MatchMethod::Integer => Self::Numbers(Segments::new(
                numbered
                    .filter_map(|(n, key)| match key {
                        Pattern::Range { min, max } => {
                            Some((min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX), n))
                        }
                        _ => None,
                    })
                    .collect(),
            )),
            MatchMethod::Address => Self::Networks(Networks::new(numbered)),
            MatchMethod::Regex => {
                let regexes = numbered.filter_map(|(_, key)| match key {
                    Pattern::Regex(text) => Some(Regex::new(text, false)),
                    _ => None,
                });
                Self::Regexes(Expressions::new(regexes.collect::<Result<_, _>>()?))
            }
            _ => Self::texts(method, numbered),
        })
    }

    fn texts<'p>(method: MatchMethod, keys: impl Iterator<Item = (u32, &'p Pattern)>) -> Self {
        let mut texts: BTreeMap<Box<[u8]>, Vec<u32>> = BTreeMap::new();
        let mut lengths = Vec::new();
        for (n, key) in keys {
            let Pattern::Text(text) = key else { continue };
            lengths.resize(n as usize + 1, 0);
            lengths[n as usize] = u32::try_from(text.len()).unwrap_or(u32::MAX);
            // Of equal ones the first counts.
            if let Some(key) = TextMap::key(method, text) {
                texts.entry(key).or_insert_with(|| vec![n]);
            }
        }
        if method != MatchMethod::Prefix {
            lengths.clear();
        }
        TextMap::new(method, texts).map_or(Self::Nothing, |map| Self::Texts(map, lengths))
    }

    /// The key that a value fits.
    pub(super) fn find(&self, value: Value<'_>) -> Option<Fit> {
        match (self, value) {
            (Self::Texts(map, lengths), Value::Text(text)) => {
                let mut best: Option<Fit> = None;
                map.visit(text, |entries| {
                    for entry in entries {
                        let fit = Fit {
                            entry: *entry,
                            closeness: lengths.get(*entry as usize).copied().unwrap_or_default(),
                        };
                        let better = |best: Fit| {
                            (Reverse(fit.closeness), fit.entry)
                                < (Reverse(best.closeness), best.entry)
                        };
                        if best.is_none_or(better) {
                            best = Some(fit);
                        }
                    }
                });
                best
            }
            (Self::Numbers(ranges), Value::Integer(number)) => ranges.find(number).map(Fit::first),
            (Self::Networks(networks), Value::Address(address)) => networks
                .find_v4(address)
                .or_else(|| networks.find_v6(address.to_ipv6_mapped()))
                .or_else(|| networks.find_hole(address)),
            (Self::Networks(networks), Value::AddressV6(address)) => {
                networks.find_v6(address).or_else(|| {
                    let address = embedded(address)?;
                    let found = networks.find_v4(address);
                    found.or_else(|| networks.find_hole(address))
                })
            }
            (Self::Regexes(all), Value::Text(text)) => all.find(text).map(Fit::first),
            _ => None,
        }
    }
}

impl Expressions {
    fn new(all: Vec<Regex>) -> Self {
        let mut starts: BTreeMap<Box<[u8]>, Vec<u32>> = BTreeMap::new();
        let (mut others, mut places) = (Vec::new(), Vec::new());
        for (n, regex) in (0u32..).zip(&all) {
            if regex.start().is_empty() {
                others.push(regex.clone());
                places.push(n);
            } else {
                starts.entry(regex.start().into()).or_default().push(n);
            }
        }
        Self {
            starts: PrefixMap::new(starts),
            all,
            others: RegexSet::new(others, false),
            places,
        }
    }

    /// The first that is found in a text.
    fn find(&self, text: &[u8]) -> Option<u32> {
        let other = self.others.first(text);
        let mut first = other.and_then(|n| self.places.get(n)).copied();
        self.starts.visit(text, |_, numbers| {
            let before = numbers
                .iter()
                .take_while(|n| first.is_none_or(|first| **n < first));
            let found = before.copied().find(|n| {
                let regex = self.all.get(*n as usize);
                regex.is_some_and(|regex| regex.is_match(text))
            });
            first = found.or(first);
        });
        first
    }
}

impl Networks {
    fn new<'p>(keys: impl Iterator<Item = (u32, &'p Pattern)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut holes: BTreeMap<u32, HashMap<u32, u32>> = BTreeMap::new();
        for (n, key) in keys {
            match key {
                Pattern::Network { address, mask } => {
                    let (address, mask) = (u32::from(*address), u32::from(*mask));
                    let first = address & mask;
                    if mask.leading_ones() == mask.count_ones() {
                        v4.push((first, first | !mask, (Reverse(mask.count_ones()), n)));
                    } else {
                        holes.entry(mask).or_default().entry(first).or_insert(n);
                    }
                }
                Pattern::NetworkV6 { address, bits } => {
                    let (first, last) = block_v6(*address, *bits);
                    v6.push((first, last, (Reverse(u32::from(*bits)), n)));
                }
                _ => {}
            }
        }
        Self {
            v4: Segments::new(v4),
            v6: Segments::new(v6),
            holes,
        }
    }

    fn find_v4(&self, address: Ipv4Addr) -> Option<Fit> {
        self.v4.find(address.into()).map(narrowest)
    }

    fn find_v6(&self, address: Ipv6Addr) -> Option<Fit> {
        self.v6.find(address.into()).map(narrowest)
    }

    fn find_hole(&self, address: Ipv4Addr) -> Option<Fit> {
        let address = u32::from(address);
        let found = self
            .holes
            .iter()
            .filter_map(|(mask, firsts)| firsts.get(&(address & mask)));
        found.min().copied().map(Fit::first)
    }
}

fn narrowest((Reverse(bits), entry): Narrowest) -> Fit {
    Fit {
        entry,
        // A network of no bits is nearer than one with holes.
        closeness: bits + 1,
    }
}
