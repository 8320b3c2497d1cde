//! Totals and rates, cheap to count and dear to read.
//!
//! Every worker has a cell of its own, which nobody else writes: counting is a load and a store,
//! without a locked instruction and without a cache line that moves between cores. Readers add up
//! the cells. `clear counters` remembers what the sums were instead of writing to the cells.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What is counted. Not every owner uses all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Counter {
    /// Sessions, or for a backend and a server requests.
    Sessions,
    /// Requests of HTTP.
    Requests,
    /// Bytes from clients.
    BytesIn,
    /// Bytes to clients.
    BytesOut,
    /// Requests that a rule refused.
    DeniedRequests,
    /// Responses that a rule refused.
    DeniedResponses,
    /// Requests that were no requests, or never came.
    RequestErrors,
    /// Connections to servers that failed for good.
    ConnectErrors,
    /// Responses that were no responses, or never came.
    ResponseErrors,
    /// Connection attempts after the first.
    Retries,
    /// Requests that went to another server than the first one tried.
    Redispatches,
    /// Times that balancing chose it.
    Chosen,
    /// Transfers that the client broke off.
    ClientAborts,
    /// Transfers that the server broke off.
    ServerAborts,
    /// Requests that the proxy answered itself: statistics, monitoring, redirects.
    Intercepted,
    /// Connections that a rule refused.
    DeniedConnections,
    /// Sessions that a rule refused.
    DeniedSessions,
    /// Attempts to connect to servers.
    Attempts,
    /// Requests on server connections that were there already.
    Reuses,
    /// Responses 1xx; the next four follow.
    Status1xx,
    /// Responses 2xx.
    Status2xx,
    /// Responses 3xx.
    Status3xx,
    /// Responses 4xx.
    Status4xx,
    /// Responses 5xx.
    Status5xx,
    /// Responses with any other status, or none.
    StatusOther,
}

impl Counter {
    const COUNT: usize = Self::StatusOther as usize + 1;

    /// The class of a status.
    pub(crate) fn of_status(status: i32) -> Self {
        match status / 100 {
            1 => Self::Status1xx,
            2 => Self::Status2xx,
            3 => Self::Status3xx,
            4 => Self::Status4xx,
            5 => Self::Status5xx,
            _ => Self::StatusOther,
        }
    }
}

/// What there are rates of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Pace {
    /// Sessions.
    Sessions,
    /// Requests of HTTP.
    Requests,
    /// Connections, those that are refused included.
    Connections,
}

impl Pace {
    const COUNT: usize = Self::Connections as usize + 1;
}

/// What takes time, and what there are means of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Phase {
    /// From the request to a place on a server.
    Queue,
    /// From there to a connection.
    Connect,
    /// From there to the head of the response.
    Response,
    /// From the request to the end of the response.
    Total,
}

impl Phase {
    const COUNT: usize = Self::Total as usize + 1;
}

/// What one worker has counted. Aligned so that two workers share no cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    counts: [AtomicU64; Counter::COUNT],
    /// A second (24 bits), its events (20 bits), those of the second before (20 bits).
    rates: [AtomicU64; Pace::COUNT],
    /// How many measurements there were (16 bits), up to [`MEASURED`], and the sum of so many of the
    /// last ones in milliseconds (48 bits).
    times: [AtomicU64; Phase::COUNT],
}

impl Tally {
    /// Adds.
    #[inline]
    pub(crate) fn add(&self, what: Counter, n: u64) {
        let count = &self.counts[what as usize];
        count.store(count.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    /// Adds one.
    #[inline]
    pub(crate) fn count(&self, what: Counter) {
        self.add(what, 1);
    }

    /// Notes how long something took.
    pub(crate) fn measure(&self, phase: Phase, millis: u64) {
        let state = &self.times[phase as usize];
        let before = state.load(Ordering::Relaxed);
        // What takes no time, as it does most of the time.
        if millis == 0 && before == MEASURED << 48 {
            return;
        }
        let (count, sum) = (before >> 48, before & SUM);
        let (count, sum) = if count < MEASURED {
            (count + 1, sum)
        } else {
            // The newest takes the place of a mean one.
            (count, sum - sum.div_ceil(MEASURED))
        };
        let after = count << 48 | sum.saturating_add(millis).min(SUM);
        state.store(after, Ordering::Relaxed);
    }
}

/// The counters of one frontend, listener, backend or server.
#[derive(Debug)]
pub(crate) struct Counters {
    cells: Box<[Tally]>,
    /// What the sums were when they were last cleared.
    cleared: [AtomicU64; Counter::COUNT],
    peaks: [AtomicU32; Pace::COUNT],
    /// When a session was last seen, as a tick of [`clock`]; 0 for never.
    last: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new(1)
    }
}

const FIELD: u64 = (1 << 20) - 1;

/// A mean is one over so many of the last measurements of each worker, as in HAProxy.
const MEASURED: u64 = 512;
const SUM: u64 = (1 << 48) - 1;

impl Counters {
    /// Counters for that many writers: the workers, and one for everybody else.
    pub(crate) fn new(writers: usize) -> Self {
        Self {
            cells: (0..writers.max(1)).map(|_| Tally::default()).collect(),
            cleared: Default::default(),
            peaks: Default::default(),
            last: AtomicU64::new(0),
        }
    }

    /// Where a worker counts, for whoever has several things to count. A worker that is not known
    /// counts in the last cell, where two may meet and lose one.
    #[inline]
    pub(crate) fn of(&self, worker: usize) -> &Tally {
        match self.cells.get(worker) {
            Some(cell) => cell,
            None => &self.cells[self.cells.len() - 1],
        }
    }

    /// Adds.
    pub(crate) fn add(&self, worker: usize, what: Counter, n: u64) {
        self.of(worker).add(what, n);
    }

    /// Adds one.
    pub(crate) fn count(&self, worker: usize, what: Counter) {
        self.add(worker, what, 1);
    }

    /// The sum.
    pub(crate) fn get(&self, what: Counter) -> u64 {
        let cleared = self.cleared[what as usize].load(Ordering::Relaxed);
        self.sum(what).saturating_sub(cleared)
    }

    fn sum(&self, what: Counter) -> u64 {
        let counts = self.cells.iter().map(|cell| &cell.counts[what as usize]);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Counts one event of a rate in a second, as [`second`] counts them.
    pub(crate) fn tick(&self, worker: usize, pace: Pace, second: u64) {
        let state = &self.of(worker).rates[pace as usize];
        let before = state.load(Ordering::Relaxed);
        let after = if before >> 40 == second && before >> 20 & FIELD < FIELD {
            // One more in the second that is counted already.
            before + (1 << 20)
        } else {
            let (current, last) = at(before, second);
            if current == 0 && before != 0 {
                // A second has passed: what was counted in it by all is known now.
                self.note_peak(pace);
            }
            second << 40 | (current + 1).min(FIELD) << 20 | last
        };
        state.store(after, Ordering::Relaxed);
        if pace == Pace::Sessions {
            self.last.store(second, Ordering::Relaxed);
        }
    }

    /// Counts a session that comes in a second.
    pub(crate) fn count_session(&self, worker: usize, second: u64) {
        self.of(worker).count(Counter::Sessions);
        self.tick(worker, Pace::Sessions, second);
    }

    /// Notes that there was a session, without counting it.
    pub(crate) fn touch(&self, now: Instant) {
        self.last.store(clock(now).0, Ordering::Relaxed);
    }

    /// Events in the last second: those of this second, and as much of the last one's as still
    /// lies within a second.
    pub(crate) fn rate(&self, pace: Pace, now: Instant) -> u32 {
        let (second, millis) = clock(now);
        let (mut current, mut last) = (0, 0);
        for cell in &self.cells {
            let (c, l) = at(cell.rates[pace as usize].load(Ordering::Relaxed), second);
            current += c;
            last += l;
        }
        // One event is worth showing for the whole of the next second.
        if current != 0 || last > 1 {
            last = last * (1000 - millis) / 1000;
        }
        u32::try_from(current + last).unwrap_or(u32::MAX)
    }

    /// Most events in one second.
    pub(crate) fn peak(&self, pace: Pace) -> u32 {
        self.note_peak(pace);
        self.peaks[pace as usize].load(Ordering::Relaxed)
    }

    /// Looks at the seconds that the cells remember.
    #[cold]
    fn note_peak(&self, pace: Pace) {
        let mut best = 0;
        let states = || {
            let rates = self.cells.iter().map(|cell| &cell.rates[pace as usize]);
            rates.map(|state| state.load(Ordering::Relaxed))
        };
        for second in states().flat_map(|state| [state >> 40, (state >> 40).wrapping_sub(1)]) {
            let events = states().map(|state| match second.wrapping_sub(state >> 40) {
                0 => state >> 20 & FIELD,
                u64::MAX => state & FIELD,
                _ => 0,
            });
            best = best.max(events.sum());
        }
        let best = u32::try_from(best).unwrap_or(u32::MAX);
        self.peaks[pace as usize].fetch_max(best, Ordering::Relaxed);
    }

    /// How long it took of late, in milliseconds, rounded up; 0 when there is no measurement.
    pub(crate) fn mean(&self, phase: Phase) -> u64 {
        let times = self.cells.iter().map(|cell| &cell.times[phase as usize]);
        let (mut count, mut sum) = (0, 0);
        for time in times.map(|time| time.load(Ordering::Relaxed)) {
            count += time >> 48;
            sum += time & SUM;
        }
        if count == 0 {
            0
        } else {
            u64::div_ceil(sum, count)
        }
    }

    /// Whole seconds since the last session; `None` when there was none.
    pub(crate) fn idle_seconds(&self, now: Instant) -> Option<u64> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            last => Some(clock(now).0.saturating_sub(last)),
        }
    }

    /// Forgets the highest rates; with `all` the sums, too.
    pub(crate) fn clear(&self, all: bool) {
        for peak in &self.peaks {
            peak.store(0, Ordering::Relaxed);
        }
        if all {
            for (index, cleared) in self.cleared.iter().enumerate() {
                let counts = self.cells.iter().map(|cell| &cell.counts[index]);
                let sum = counts.map(|count| count.load(Ordering::Relaxed)).sum();
                cleared.store(sum, Ordering::Relaxed);
            }
            for time in self.cells.iter().flat_map(|cell| &cell.times) {
                // A worker that measures at this moment may keep what was.
                time.store(0, Ordering::Relaxed);
            }
        }
    }
}

/// The highest value that a changing number has had.
#[derive(Debug, Default)]
pub(crate) struct Peak(AtomicU32);

impl Peak {
    /// Looks at a new value.
    pub(crate) fn note(&self, value: u32) {
        // Mostly it is no news, and reading costs nothing.
        if value > self.0.load(Ordering::Relaxed) {
            self.0.fetch_max(value, Ordering::Relaxed);
        }
    }

    /// The highest so far.
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Starts again.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Events of a second and of the one before it.
fn at(state: u64, second: u64) -> (u64, u64) {
    let (counted, current, last) = (state >> 40, state >> 20 & FIELD, state & FIELD);
    match second.wrapping_sub(counted) & 0xff_ffff {
        0 => (current, last),
        1 => (0, current),
        _ => (0, 0),
    }
}

/// Seconds since the first look at the clock, from 1 on, and when the next one begins.
pub(crate) fn second(now: Instant) -> (u64, Instant) {
    let (second, millis) = clock(now);
    (second, now + Duration::from_millis(1000 - millis))
}

/// Seconds and milliseconds since the first look at the clock, from 1 on.
pub(super) fn clock(now: Instant) -> (u64, u64) {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = now.saturating_duration_since(*START.get_or_init(|| now));
    (
        (since.as_secs() + 1) & 0xff_ffff,
        u64::from(since.subsec_millis()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up_and_a_clear_loses_nothing_that_comes_later() {
        let counters = Counters::new(3);
        counters.add(0, Counter::BytesIn, 5);
        counters.add(2, Counter::BytesIn, 7);
        assert_eq!(counters.get(Counter::BytesIn), 12);
        counters.clear(false);
        assert_eq!(counters.get(Counter::BytesIn), 12);
        counters.clear(true);
        counters.count(1, Counter::BytesIn);
        assert_eq!(counters.get(Counter::BytesIn), 1);
        assert_eq!(Counter::of_status(404), Counter::Status4xx);
        assert_eq!(Counter::of_status(-1), Counter::StatusOther);
    }

    #[test]
    fn means_are_those_of_the_last_measurements() {
        let counters = Counters::new(2);
        assert_eq!(counters.mean(Phase::Total), 0);
        for (worker, millis) in [(0, 10), (1, 20), (1, 21)] {
            counters.of(worker).measure(Phase::Total, millis);
        }
        assert_eq!(counters.mean(Phase::Total), 17);
        assert_eq!(counters.mean(Phase::Queue), 0);
        for _ in 0..5000 {
            counters.of(0).measure(Phase::Queue, 900);
            counters.of(0).measure(Phase::Connect, u64::MAX);
        }
        for _ in 0..5000 {
            counters.of(0).measure(Phase::Queue, 100);
        }
        assert!((100..=101).contains(&counters.mean(Phase::Queue)));
        counters.clear(true);
        assert_eq!(counters.mean(Phase::Queue), 0);
    }

    #[test]
    fn rates_and_their_peaks_are_those_of_all_workers() {
        let counters = Counters::new(2);
        let start = Instant::now();
        let start = start + Duration::from_millis(1000 - clock(start).1);
        for worker in [0, 1, 1] {
            counters.tick(worker, Pace::Sessions, clock(start).0);
        }
        assert_eq!(counters.rate(Pace::Sessions, start), 3);
        assert_eq!(counters.peak(Pace::Sessions), 3);
        let next = start + Duration::from_millis(1500);
        counters.tick(0, Pace::Sessions, clock(next).0);
        assert_eq!(counters.rate(Pace::Sessions, next), 2);
        assert_eq!(counters.peak(Pace::Sessions), 3);
        let later = start + Duration::from_secs(9);
        assert_eq!(counters.rate(Pace::Sessions, later), 0);
        assert_eq!(counters.idle_seconds(later), Some(8));
        assert_eq!(counters.idle_seconds(next), Some(0));
        assert_eq!(Counters::new(1).idle_seconds(next), None);
    }
}
