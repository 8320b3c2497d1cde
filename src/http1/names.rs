//! Which names the lines of a head may have, in one word.
//!
//! A proxy asks a head for a dozen names, of which most heads have two or three. A filter that
//! knows a name by its length and its last letter answers nearly all of the others.

/// A set of header names that may say yes to a name that was never added, and never no to one
/// that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Those that were added.
    known: u64,
    /// Those that were added more than once.
    repeated: u64,
}

impl Names {
    /// Every name may be there, and more than once.
    pub(super) const ANY: Self = Self {
        known: u64::MAX,
        repeated: u64::MAX,
    };

    /// Adds a name that is a token.
    #[inline]
    pub(super) fn add(&mut self, name: &[u8]) {
        let bit = bit(name);
        self.repeated |= self.known & bit;
        self.known |= bit;
    }

    /// Adds a name that a rule has written. With blanks around it, it may be taken for the name
    /// without: then every name may be there.
    pub(super) fn add_written(&mut self, name: &[u8]) {
        let decorated = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
        if decorated(name.first()) || decorated(name.last()) {
            *self = Self::ANY;
        } else {
            self.add(name);
        }
    }

    /// Whether a name may have been added, whatever its case.
    #[inline]
    pub(super) fn may_have(self, name: &[u8]) -> bool {
        self.known & bit(name) != 0
    }

    /// Whether a name may have been added more than once, whatever its case.
    #[inline]
    pub(super) fn may_repeat(self, name: &[u8]) -> bool {
        self.repeated & bit(name) != 0
    }
}

/// Names of one length begin alike more often than they end alike.
#[inline]
fn bit(name: &[u8]) -> u64 {
    // A letter becomes a small one; what becomes of other bytes does not matter.
    let last = name.last().copied().unwrap_or_default() | 0x20;
    // These factors keep apart what is common from what a proxy asks for.
    1 << ((name.len() as u32 * 11 + u32::from(last) * 3) & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_known_whatever_its_case() {
        let mut names = Names::default();
        assert!(!names.may_have(b"Host"));
        names.add(b"hOST");
        names.add(b"User-Agent");
        assert!(names.may_have(b"Host") && names.may_have(b"USER-AGENT"));
        assert!(!names.may_have(b"Connection"));
        assert!(!names.may_have(b"Transfer-Encoding"));
        assert!(!names.may_have(b"Content-Length"));
        assert!(!names.may_repeat(b"Host"));
        names.add(b"Host");
        assert!(names.may_repeat(b"host") && !names.may_repeat(b"User-Agent"));
    }

    #[test]
    fn a_name_with_blanks_may_be_any() {
        for name in [&b"Content-Length "[..], b"\tHost", b""] {
            let mut names = Names::default();
            names.add_written(name);
            assert!(names.may_have(b"Transfer-Encoding"), "{name:?}");
        }
    }
}
