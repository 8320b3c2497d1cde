//! When the next check is due. Manual 1.4, sections 3.2 "spread-checks" and 5 "inter".

use std::time::Duration;

use super::Health;
use crate::plan::ServerCheck;

/// The time between two checks: `fastinter` while the state is changing, `downinter` while it is
/// down, else `inter`.
pub fn interval(check: &ServerCheck, health: &Health) -> Duration {
    if health.is_full() {
        check.inter
    } else if health.level > 0 {
        check.fastinter.unwrap_or(check.inter)
    } else {
        check.downinter.unwrap_or(check.inter)
    }
}

/// Intervals below this do not set the pace of the others at the start.
const HASTY: Duration = Duration::from_secs(1);

/// Over which time the first checks of a process are spread: the shortest of the intervals that are
/// not hasty; zero when all are.
pub fn start_window(intervals: impl IntoIterator<Item = Duration>) -> Duration {
    let calm = intervals.into_iter().filter(|interval| *interval >= HASTY);
    calm.min().unwrap_or_default()
}

/// How long after the start the first check of a server comes, when `count` servers are checked and
/// this is number `index`.
pub fn first(interval: Duration, window: Duration, index: u64, count: u64) -> Duration {
    let within = u64::try_from(interval.max(window).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(within.saturating_mul(index) / count.max(1))
}

/// An interval, shortened or lengthened by up to `spread` percent. `random` is any number.
pub fn spread(interval: Duration, percent: u8, random: u32) -> Duration {
    if percent == 0 {
        return interval;
    }
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX / 256);
    let most = millis * u64::from(percent) / 100;
    let by = most * 2 * u64::from(random) / u64::from(u32::MAX);
    Duration::from_millis(millis + by - most)
}

/// When a check is made that is due `after` some common moment: a little later, by at most a
/// thousandth of its interval, so that many servers are checked in one go and the process sleeps in
/// between.
pub fn together(after: Duration, interval: Duration) -> Duration {
    let step = interval.as_millis() / 1000;
    if step < 2 {
        return after;
    }
    let due = after.as_nanos().div_ceil(step * NANOS_PER_MS) * step;
    Duration::from_millis(u64::try_from(due).unwrap_or(u64::MAX))
}

const NANOS_PER_MS: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        let seconds = Duration::from_secs;
        let mut check = ServerCheck {
            inter: seconds(2),
            fastinter: Some(seconds(1)),
            downinter: Some(seconds(5)),
            ..ServerCheck::default()
        };
        let mut health = Health::new(2, 2);
        assert_eq!(interval(&check, &health), seconds(1));
        health.pass(false);
        assert_eq!(interval(&check, &health), seconds(2));
        health.kill();
        assert_eq!(interval(&check, &health), seconds(5));
        health.pass(false);
        assert_eq!(interval(&check, &health), seconds(1));
        (check.fastinter, check.downinter) = (None, None);
        assert_eq!(interval(&check, &health), seconds(2));
    }

    #[test]
    fn spreading() {
        let second = Duration::from_secs(1);
        let window = start_window([second * 2, second * 5, second / 10]);
        assert_eq!(window, second * 2);
        assert_eq!(first(second / 10, window, 1, 4), second / 2);
        assert_eq!(first(second * 4, window, 3, 4), second * 3);
        assert_eq!(spread(second, 0, 7), second);
        assert_eq!(spread(second, 50, 0), second / 2);
        assert_eq!(spread(second, 50, u32::MAX), second * 3 / 2);
    }

    #[test]
    fn checks_gather() {
        let ms = Duration::from_millis;
        for (after, interval, wanted) in [
            (1234, 1000, 1234),
            (1234, 1999, 1234),
            (1234, 2000, 1234),
            (1235, 2000, 1236),
            (0, 5000, 0),
            (1, 5000, 5),
            (5000, 5000, 5000),
            (5001, 5000, 5005),
        ] {
            assert_eq!(together(ms(after), ms(interval)), ms(wanted), "{after}");
        }
        let odd = ms(10) + Duration::from_nanos(1);
        assert_eq!(together(odd, ms(5000)), ms(15));
    }
}
