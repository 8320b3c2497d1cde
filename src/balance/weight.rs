//! From the weight that a file or an administrator gives to the one that counts.

/// By how much dynamic algorithms multiply weights, so that `slowstart` has steps to go through.
pub const SCALE: u32 = 16;

/// The largest weight that counts: 256, multiplied.
pub const MAX_EFFECTIVE: u32 = 256 * SCALE;

/// The weight of a server under an algorithm whose weights may change while it runs.
///
/// `since_up` and `slowstart` are in seconds: during `slowstart` the weight grows in sixteen steps.
pub fn dynamic(weight: u32, since_up: u64, slowstart: u64) -> u32 {
    if since_up >= slowstart {
        return weight * SCALE;
    }
    let step = (u64::from(SCALE) * since_up + slowstart) / slowstart;
    weight * step as u32
}

/// The greatest common divisor of all weights, by which map-based algorithms divide; 1 when all of
/// them are 0.
pub fn common_divisor(weights: impl IntoIterator<Item = u32>) -> u32 {
    let divisor = weights.into_iter().fold(0, |mut a, mut b| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    divisor.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowstart_grows_in_steps() {
        assert_eq!(dynamic(10, 0, 0), 160);
        let steps: Vec<u32> = [0, 1, 5, 10, 19, 20, 100].map(|t| dynamic(1, t, 20)).into();
        assert_eq!(steps, [1, 1, 5, 9, 16, 16, 16]);
    }

    #[test]
    fn divisors() {
        for (weights, divisor) in [
            (&[2, 4, 6][..], 2),
            (&[0, 3], 3),
            (&[0, 0], 1),
            (&[], 1),
            (&[7, 3], 1),
            (&[256, 128, 64], 64),
        ] {
            assert_eq!(common_divisor(weights.iter().copied()), divisor);
        }
    }
}
