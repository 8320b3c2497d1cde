//! Which names the lines of a head may have, in one word.
//!
//! A proxy asks a head for a dozen names, of which most heads have two or three. A filter that
//! knows a name by its length and its last letter answers nearly all of the others.

/// A set of header names that may say yes to a name that was never added, and never no to one
/// that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(u64);

impl Names {
    /// Every name may be there.
    pub(super) const ANY: Self = Self(u64::MAX);

    /// Adds a name that is a token.
    #[inline]
    pub(super) fn add(&mut self, name: &[u8]) {
        self.0 |= bit(name);
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
        self.0 & bit(name) != 0
    }
}

/// Names of one length begin alike more often than they end alike.
#[inline]
fn bit(name: &[u8]) -> u64 {
    let last = name
        .last()
        .copied()
        .unwrap_or_default()
        .to_ascii_lowercase();
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
