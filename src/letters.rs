//! Comparing texts without regard to the case of ASCII letters.

/// Whether two texts differ in the case of letters at most. Names of header lines, which is what
/// this is for, mostly differ at their ends: those are compared first.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut pairs = one.iter().zip(other).rev();
    // The last letter tells most of them apart, without a loop.
    pairs.next().is_none_or(|(a, b)| alike(*a, *b))
        && (one == other || pairs.all(|(a, b)| alike(*a, *b)))
}

#[inline]
fn alike(one: u8, other: u8) -> bool {
    one == other || one.eq_ignore_ascii_case(&other)
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn case_is_all_that_may_differ() {
        for (one, other, expected) in [
            ("", "", true),
            ("Host", "hOST", true),
            ("Host", "Hos", false),
            ("Host", "Most", false),
            ("X-1", "x-2", false),
            ("@", "`", false),
            ("[x", "{x", false),
        ] {
            assert_eq!(
                same(one.as_bytes(), other.as_bytes()),
                expected,
                "{one} {other}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn as_the_standard_library_does(one: Vec<u8>, flips: Vec<bool>) {
            let mut other = one.clone();
            for (byte, flip) in other.iter_mut().zip(flips) {
                if flip {
                    *byte ^= 0x20;
                }
            }
            proptest::prop_assert_eq!(same(&one, &other), one.eq_ignore_ascii_case(&other));
        }
    }
}
