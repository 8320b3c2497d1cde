//! Where the next byte of some kind is, in texts as short as those of a head mostly are.
//!
//! The searches of the `memchr` crate are for long texts: getting ready for one is a call, a look at
//! what the processor can do, and registers to set up.

/// How many bytes are looked at at once.
pub(super) const SIZE: usize = 16;
/// As many bytes.
type Block = [u8; SIZE];

/// Where the first byte of a kind is, from a place on; the end of the bytes when there is none. The
/// kind is to be one that a few comparisons tell: they are made for sixteen bytes in one go.
#[inline(always)]
pub(crate) fn find(bytes: &[u8], from: usize, is_of_kind: impl Fn(u8) -> bool) -> usize {
    let Some(last) = bytes.len().checked_sub(SIZE) else {
        return find_in_few(bytes, from, is_of_kind);
    };
    let mut at = from;
    while at < bytes.len() {
        // Near the end, bytes before the place are looked at as well: sixteen are as cheap as one.
        let start = at.min(last);
        let Some(block) = bytes[start..].first_chunk() else {
            break;
        };
        let found = marks(block, &is_of_kind) >> (at - start);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at = start + SIZE;
    }
    bytes.len()
}

/// The same where there are less than sixteen.
#[inline(never)]
fn find_in_few(bytes: &[u8], from: usize, is_of_kind: impl Fn(u8) -> bool) -> usize {
    let mut block = [0; SIZE];
    block[..bytes.len()].copy_from_slice(bytes);
    let found = marks(&block, is_of_kind) | 1 << bytes.len();
    let from = from.min(bytes.len());
    from + (found >> from).trailing_zeros() as usize
}

/// A bit for each byte, the lowest for the first: set for those of a kind.
#[inline]
fn marks(block: &Block, is_of_kind: impl Fn(u8) -> bool) -> u32 {
    gather(block.map(|byte| if is_of_kind(byte) { 0xff } else { 0 }))
}

/// The highest bit of each byte.
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(
    unsafe_code,
    reason = "there is an instruction for it, and no safe way to say so"
)]
fn gather(bytes: Block) -> u32 {
    use std::arch::x86_64::{_mm_loadu_si128, _mm_movemask_epi8};

    // SAFETY: SSE2 is in every processor of this kind; the pointer is to sixteen bytes, wherever
    // they lie.
    unsafe { _mm_movemask_epi8(_mm_loadu_si128(bytes.as_ptr().cast())) as u32 }
}

/// The highest bit of each byte.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn gather(bytes: Block) -> u32 {
    gather_by_words(bytes)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn gather_by_words(bytes: Block) -> u32 {
    const LOWEST: u64 = u64::from_ne_bytes([1; 8]);
    let both = u128::from_le_bytes(bytes);
    let [low, high] = [both as u64, (both >> 64) as u64].map(|word| {
        // Brings the bits of eight bytes together in the highest one.
        let bits = word >> 7 & LOWEST;
        (bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    });
    low | high << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_first_of_a_kind_is_found(
            bytes in proptest::collection::vec(0u8..=255, 0..50), limit in 0u8..20, from in 0usize..60,
        ) {
            let from = from.min(bytes.len());
            let expected = bytes[from..].iter().position(|byte| *byte < limit);
            let expected = expected.map_or(bytes.len(), |n| from + n);
            proptest::prop_assert_eq!(find(&bytes, from, |byte| byte < limit), expected);
        }

        #[test]
        fn every_processor_gathers_alike(bytes: Block) {
            let expected = (0..SIZE).fold(0, |all, n| all | u32::from(bytes[n] >> 7) << n);
            proptest::prop_assert_eq!(gather(bytes), expected);
            proptest::prop_assert_eq!(gather_by_words(bytes), expected);
        }
    }
}
