//! Format strings: literals and sample expressions. The log formats of 1.4 are constants of this
//! type; `log-format` of later versions is read into it.

use serde::Serialize;

use super::{ByteString, Sample};

/// A text with values in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FormatString {
    /// The parts, in order.
    pub parts: Vec<FormatPart>,
}

/// One part of a format string.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatPart {
    /// As it is.
    Literal(ByteString),
    /// The value of a sample, empty when there is none.
    Sample(Sample),
}

impl FormatString {
    /// Its samples, in order.
    pub fn samples_mut(&mut self) -> impl Iterator<Item = &mut Sample> {
        self.parts.iter_mut().filter_map(|part| match part {
            FormatPart::Sample(sample) => Some(sample),
            FormatPart::Literal(_) => None,
        })
    }
}
