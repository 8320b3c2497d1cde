//! The bytes of a word. Most words are short: they need no memory of their own.

use std::fmt;
use std::ops::Deref;

/// How many bytes fit without an allocation.
const INLINE: usize = 22;

/// Bytes that do not change, kept in place when they are few.
#[derive(Clone)]
pub struct WordBytes(Repr);

#[derive(Clone)]
enum Repr {
    Short { len: u8, bytes: [u8; INLINE] },
    Long(Box<[u8]>),
}

impl Deref for WordBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for WordBytes {
    fn from(text: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(text);
                Self(Repr::Short { len, bytes })
            }
            _ => Self(Repr::Long(text.into())),
        }
    }
}

impl Default for WordBytes {
    fn default() -> Self {
        Self::from(&[][..])
    }
}

impl PartialEq for WordBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for WordBytes {}

impl fmt::Debug for WordBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long() {
        for length in [0, 1, 21, 22, 23, 300] {
            let text = vec![b'x'; length];
            assert_eq!(*WordBytes::from(&*text), *text);
        }
        assert_eq!(size_of::<WordBytes>(), 24);
    }
}
