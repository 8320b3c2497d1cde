//! The key that a rule finds in a message.

use haproxy_cfg_grammar::Dialect;

use super::Key;
use crate::plan::{KeyType, Sample};
use crate::sample::converter::convert;
use crate::sample::value::with_text;
use crate::sample::{Certainty, Facts, Value, fetch, value};

impl Key {
    /// The key by which a rule asks a table that is keyed with `of`; `None` when it finds none, and
    /// whether it might when more bytes have come.
    pub fn sampled(sample: &Sample, of: KeyType, facts: &Facts<'_>) -> (Option<Self>, Certainty) {
        let v1_4 = facts.dialect == Dialect::V1_4;
        let mut found = None;
        let mut take = |value: Value<'_>| {
            // 1.4 does not cut them: what does not fit is no key.
            let fits = match of {
                KeyType::String(len) if v1_4 => with_text(value, <[u8]>::len) <= len as usize,
                _ => true,
            };
            found = Self::of(value, of).filter(|_| fits);
            true
        };
        let certainty = fetch(&sample.fetch, facts, &mut |value| {
            let value = match value {
                // Texts of requests are addresses to 1.4, whatever the type of the table.
                Value::Text(text) if v1_4 => match value::dotted_prefix(text) {
                    Some(address) => Value::Address(address),
                    None => return true,
                },
                other => other,
            };
            convert(&sample.converters, value, facts, &mut take);
            true
        });
        (found, certainty)
    }
}
