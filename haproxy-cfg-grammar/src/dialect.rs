//! Which HAProxy's language and behaviour are meant.

use serde::Serialize;

use crate::{Version, version};

/// The HAProxy whose language and behaviour a configuration is read with.
///
/// It is chosen explicitly (`--compat`, or `HAPAX_COMPAT`), never guessed from the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Dialect {
    /// HAProxy 1.4: tunnel by default, no quotes, keywords of later versions are refused.
    #[serde(rename = "1.4")]
    V1_4,
    /// HAProxy 1.5 to 1.8: the last mode option of a proxy wins, quotes and variables exist.
    #[serde(rename = "1.8")]
    V1_8,
    /// Every supported keyword, keep-alive by default, 1.4's accumulation of mode options.
    #[default]
    #[serde(rename = "hapax")]
    Hapax,
}

impl Dialect {
    /// The dialect named `1.4`, `1.8` or `hapax` on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "1.4" => Some(Self::V1_4),
            "1.5" | "1.6" | "1.7" | "1.8" => Some(Self::V1_8),
            "hapax" => Some(Self::Hapax),
            _ => None,
        }
    }

    /// The name by which the command line knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_4 => "1.4",
            Self::V1_8 => "1.8",
            Self::Hapax => "hapax",
        }
    }
}

impl Dialect {
    /// The version whose language is accepted: keywords that appeared later are not.
    pub fn version(self) -> Version {
        match self {
            Self::V1_4 => version::V1_4,
            Self::V1_8 | Self::Hapax => version::V1_8,
        }
    }

    /// Whether a keyword that appeared in `since` and that `until` no longer has is part of the
    /// dialect. The `hapax` dialect forgets nothing.
    pub fn knows(self, since: Version, until: Option<Version>) -> bool {
        if since == version::OURS {
            return self == Self::Hapax;
        }
        since <= self.version() && (self == Self::Hapax || until.is_none_or(|u| self.version() < u))
    }

    /// Whether quotes and environment variables exist (since 1.6).
    pub fn has_quotes(self) -> bool {
        self != Self::V1_4
    }
}
