//! Format strings, evaluated.

use super::converter::convert;
use super::{Facts, fetch};
use crate::plan::{FormatPart, FormatString};

/// Appends a format string with the values of the moment. A sample that has several values gives
/// the last one, as since 1.5; one that has none gives nothing.
pub fn write(format: &FormatString, facts: &Facts<'_>, out: &mut Vec<u8>) {
    for part in &format.parts {
        match part {
            FormatPart::Literal(text) => out.extend_from_slice(text),
            FormatPart::Sample(sample) => {
                let start = out.len();
                fetch(&sample.fetch, facts, &mut |value| {
                    out.truncate(start);
                    convert(&sample.converters, value, facts, &mut |value| {
                        value.write_to(out);
                        false
                    })
                });
            }
        }
    }
}
