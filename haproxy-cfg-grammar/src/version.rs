//! Versions of HAProxy, as far as the tables tell them apart.

use std::fmt;

/// A released version of HAProxy, `major.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u8, pub u8);

/// HAProxy 1.4 or earlier.
pub const V1_4: Version = Version(1, 4);
/// HAProxy 1.5.
pub const V1_5: Version = Version(1, 5);
/// HAProxy 1.6 to 1.8: the tables were checked against 1.8.
pub const V1_8: Version = Version(1, 8);
/// HAProxy 1.9 to 2.6: the tables were checked against 2.6.
pub const V2_6: Version = Version(2, 6);
/// HAProxy 2.7 to 3.4: the tables were checked against 3.4.
pub const V3_4: Version = Version(3, 4);
/// No HAProxy: what hapax alone has, in the dialect of its own.
pub const OURS: Version = Version(u8::MAX, 0);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == OURS {
            return f.write_str("hapax");
        }
        write!(f, "{}.{}", self.0, self.1)
    }
}
