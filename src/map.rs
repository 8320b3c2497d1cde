//! Maps, ready to be asked: from a value to what a file says that it stands for. Manual 1.8, section
//! 7.3.1 "map".
//!
//! A plan holds maps as values; here they are compiled once for a generation, into structures that do
//! not care how many entries there are. Of several keys that a value fits the longest counts where
//! HAProxy keeps them in a tree (equal texts, prefixes, networks), elsewhere the first in the file.

mod keys;
mod segments;

use crate::pattern_list::layers::Layered;
use crate::plan::{self, MapEntry, MapId, MapOutput, MapValue, MatchMethod, Pattern};
use crate::regular_expression::{BadRegex, Regex};
use crate::rewrite::Replacement;
use crate::sample::Value;
use crate::sample::value;

use keys::{Fit, Keys};

/// The maps of a plan, compiled; indexed like those.
#[derive(Debug, Default)]
pub struct Maps(Vec<Map>);

impl Maps {
    /// Compiles maps.
    ///
    /// # Errors
    /// A regular expression that cannot be compiled.
    pub fn compile(maps: &[plan::Map]) -> Result<Self, BadRegex> {
        let maps = maps.iter().map(Map::compile).collect::<Result<_, _>>()?;
        Ok(Self(maps))
    }

    /// The map of that number.
    pub fn get(&self, id: MapId) -> Option<&Map> {
        self.0.get(id.0 as usize)
    }
}

/// One map, which an administrator may change while it is in use.
#[derive(Debug)]
pub struct Map {
    matching: MatchMethod,
    output: MapOutput,
    entries: Layered<Entries, MapEntry>,
}

/// Entries that were compiled together.
#[derive(Debug)]
struct Entries {
    keys: Keys,
    /// In the order of the keys.
    values: Vec<MapValue>,
    /// For `map_regm`: the keys again, to know what they match, and the values made ready.
    replacements: Vec<(Regex, Replacement)>,
}

impl Map {
    fn compile(map: &plan::Map) -> Result<Self, BadRegex> {
        Ok(Self {
            matching: map.matching,
            output: map.output,
            entries: Layered::new(Entries::compile(map.matching, map.output, &map.entries)?),
        })
    }

    /// Gives it other entries, while it is in use.
    ///
    /// # Errors
    /// A regular expression that cannot be compiled; nothing changes then.
    pub fn replace(&self, entries: &[MapEntry]) -> Result<(), BadRegex> {
        let entries = Entries::compile(self.matching, self.output, entries)?;
        self.entries.replace(entries);
        Ok(())
    }

    /// Gives it one entry more, while it is in use. `false` when it has got so many of late that they
    /// want to be compiled with the others: see [`Self::replace`].
    ///
    /// # Errors
    /// A regular expression that cannot be compiled; nothing changes then.
    pub fn add(&self, entry: MapEntry) -> Result<bool, BadRegex> {
        self.entries.add(entry, |added| {
            Entries::compile(self.matching, self.output, added)
        })
    }

    /// Hands on what a value stands for, or `otherwise`; nothing when there is neither, or when the
    /// value is none that can be compared with the keys. Answers what the visitor does.
    pub fn look_up(
        &self,
        value: Value<'_>,
        otherwise: Option<&MapValue>,
        visit: &mut dyn FnMut(Value<'_>) -> bool,
    ) -> bool {
        let mut scratch = Vec::new();
        let Some(key) = self.key(value, &mut scratch) else {
            return false;
        };
        self.entries.look(|base, recent| {
            let of = |entries: &Entries| entries.keys.find(key);
            let found = match (of(base), recent.map(|recent| (recent, of(recent)))) {
                // What was added later stands behind, and counts when it fits better.
                (Some(old), Some((recent, Some(new)))) if new.closeness > old.closeness => {
                    Some((recent, new))
                }
                (Some(old), _) => Some((base, old)),
                (None, Some((recent, Some(new)))) => Some((recent, new)),
                (None, _) => None,
            };
            match (found, otherwise) {
                (Some((entries, fit)), _) => entries.give(fit, key, visit),
                (None, Some(value)) => visit(sample(value)),
                (None, None) => false,
            }
        })
    }

    /// The value as it is compared with the keys; `None` when nothing can be made of it.
    fn key<'v>(&self, value: Value<'v>, scratch: &'v mut Vec<u8>) -> Option<Value<'v>> {
        match self.matching {
            MatchMethod::Integer => match value {
                Value::Text(b"") => None,
                other => other.integer().map(Value::Integer),
            },
            MatchMethod::Address => value::as_address(value),
            _ => Some(match value {
                Value::Text(_) => value,
                other => {
                    other.write_to(scratch);
                    Value::Text(scratch)
                }
            }),
        }
    }
}

impl Entries {
    fn compile(
        matching: MatchMethod,
        output: MapOutput,
        entries: &[MapEntry],
    ) -> Result<Self, BadRegex> {
        let replacement = |entry: &MapEntry| match (&entry.key, &entry.value) {
            (Pattern::Regex(pattern), MapValue::Text(text)) => {
                Regex::new(pattern, false).map(|regex| Some((regex, Replacement::new(text))))
            }
            _ => Ok(None),
        };
        Ok(Self {
            keys: Keys::compile(matching, entries.iter().map(|entry| &entry.key))?,
            values: entries.iter().map(|entry| entry.value.clone()).collect(),
            replacements: match output {
                MapOutput::Replacement => entries
                    .iter()
                    .filter_map(|entry| replacement(entry).transpose())
                    .collect::<Result<_, _>>()?,
                _ => Vec::new(),
            },
        })
    }

    fn give(&self, fit: Fit, key: Value<'_>, visit: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        let at = fit.entry as usize;
        if let (Some((regex, replacement)), Value::Text(text)) = (self.replacements.get(at), key) {
            let mut out = Vec::new();
            if let Some(groups) = regex.captures(text) {
                replacement.write(text, &groups, &mut out);
            }
            return visit(Value::Text(&out));
        }
        self.values
            .get(at)
            .is_some_and(|value| visit(sample(value)))
    }
}

fn sample(value: &MapValue) -> Value<'_> {
    match value {
        MapValue::Text(text) => Value::Text(text),
        MapValue::Integer(number) => Value::Integer(*number),
        MapValue::Address(std::net::IpAddr::V4(address)) => Value::Address(*address),
        MapValue::Address(std::net::IpAddr::V6(address)) => Value::AddressV6(*address),
    }
}

#[cfg(test)]
mod tests;
