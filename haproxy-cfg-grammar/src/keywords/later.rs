//! Keywords of later versions that hapax does not read: they are refused by name and version.

use crate::keyword::LaterKeyword;

/// Keywords of `global`.
pub const GLOBAL: &[LaterKeyword] = &[];

/// Keywords of proxy sections.
pub const PROXY: &[LaterKeyword] = &[];
