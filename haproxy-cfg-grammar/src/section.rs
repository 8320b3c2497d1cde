//! Kinds of sections, and sets of them.

use std::fmt;
use std::ops::BitOr;

use crate::{Dialect, Version, version};

/// What a section line opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SectionKind {
    /// `global`. Manual 1.4, section 3.
    Global,
    /// `defaults`.
    Defaults,
    /// `frontend`. Manual 1.4, section 4.
    Frontend,
    /// `listen`.
    Listen,
    /// `backend`.
    Backend,
    /// `ruleset`: known to 1.4 and 1.5, and without effect there.
    Ruleset,
    /// `userlist`. Manual 1.4, section 3.4.
    Userlist,
    /// A section of a later version, which hapax does not read.
    Later(&'static str, Version),
}

impl SectionKind {
    /// The section that this first word opens in any HAProxy.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "global" => Self::Global,
            "defaults" => Self::Defaults,
            "frontend" => Self::Frontend,
            "listen" => Self::Listen,
            "backend" => Self::Backend,
            "ruleset" => Self::Ruleset,
            "userlist" => Self::Userlist,
            _ => {
                let (name, since) = LATER.iter().find(|(name, _)| *name == word)?;
                Self::Later(name, *since)
            }
        })
    }

    /// Whether the dialect has the section at all.
    pub fn exists_in(self, dialect: Dialect) -> bool {
        match self {
            Self::Later(_, since) => dialect.knows(since, None),
            Self::Ruleset => dialect == Dialect::V1_4,
            _ => true,
        }
    }

    /// The word that opens it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Defaults => "defaults",
            Self::Frontend => "frontend",
            Self::Listen => "listen",
            Self::Backend => "backend",
            Self::Ruleset => "ruleset",
            Self::Userlist => "userlist",
            Self::Later(name, _) => name,
        }
    }

    /// Whether it is one of the four kinds that proxy keywords are written in.
    pub fn is_proxy(self) -> bool {
        DFLB.contains(self)
    }

    /// As a set of one.
    pub fn bit(self) -> Sections {
        match self {
            Self::Global => GLOBAL,
            Self::Defaults => DEFAULTS,
            Self::Frontend => FRONTEND,
            Self::Listen => LISTEN,
            Self::Backend => BACKEND,
            Self::Userlist => USERLIST,
            Self::Ruleset | Self::Later(..) => NOWHERE,
        }
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sections that versions after 1.4 brought.
const LATER: &[(&str, Version)] = &[
    ("peers", version::V1_5),
    ("cache", version::V1_8),
    ("mailers", version::V1_8),
    ("resolvers", version::V1_8),
    ("fcgi-app", version::V2_6),
    ("http-errors", version::V2_6),
    ("log-forward", version::V2_6),
    ("program", version::V2_6),
    ("ring", version::V2_6),
    ("acme", version::V3_4),
    ("crt-store", version::V3_4),
    ("healthcheck", version::V3_4),
    ("log-profile", version::V3_4),
    ("traces", version::V3_4),
];

/// A set of section kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections(u8);

impl Sections {
    /// Whether a kind is in the set.
    pub fn contains(self, kind: SectionKind) -> bool {
        self.0 & kind.bit().0 != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Union, for tables.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Sections {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl fmt::Display for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (bit, name) in [
            (GLOBAL, "global"),
            (DEFAULTS, "defaults"),
            (FRONTEND, "frontend"),
            (LISTEN, "listen"),
            (BACKEND, "backend"),
            (USERLIST, "userlist"),
        ] {
            if self.0 & bit.0 != 0 {
                if !first {
                    f.write_str(", ")?;
                }
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

/// No section.
pub const NOWHERE: Sections = Sections(0);
/// `global`.
pub const GLOBAL: Sections = Sections(1);
/// `defaults`.
pub const DEFAULTS: Sections = Sections(2);
/// `frontend`.
pub const FRONTEND: Sections = Sections(4);
/// `listen`.
pub const LISTEN: Sections = Sections(8);
/// `backend`.
pub const BACKEND: Sections = Sections(16);
/// `userlist`.
pub const USERLIST: Sections = Sections(32);
/// All four proxy sections.
pub const DFLB: Sections = Sections(2 | 4 | 8 | 16);
/// The proxy sections that accept connections, and `defaults`.
pub const DFL: Sections = Sections(2 | 4 | 8);
/// The proxy sections that have servers, and `defaults`.
pub const DLB: Sections = Sections(2 | 8 | 16);
/// The proxy sections except `defaults`.
pub const FLB: Sections = Sections(4 | 8 | 16);
/// `frontend` and `listen`.
pub const FL: Sections = Sections(4 | 8);
/// `listen` and `backend`.
pub const LB: Sections = Sections(8 | 16);
