//! Ranges that overlap: which of those that hold a value comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Disjoint ranges in order, each with what it belongs to.
#[derive(Debug)]
pub(super) struct Segments<T, R> {
    /// Where each begins; the last of them ends with the last value there is.
    starts: Vec<T>,
    /// What holds there.
    owners: Vec<Option<R>>,
}

/// A value with one after it.
pub(super) trait Step: Copy + Ord {
    /// The smallest.
    const FIRST: Self;
    /// The next; `None` after the last.
    fn next(self) -> Option<Self>;
}

macro_rules! step {
    ($($type:ty),*) => {
        $(impl Step for $type {
            const FIRST: Self = Self::MIN;
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        })*
    };
}

step!(i64, u32, u128);

impl<T: Step, R: Copy + Ord> Segments<T, R> {
    /// From ranges, both ends included, and their ranks: where several hold, the smallest counts.
    pub(super) fn new(mut ranges: Vec<(T, T, R)>) -> Self {
        ranges.retain(|(min, max, _)| min <= max);
        ranges.sort_unstable();
        let mut edges: Vec<T> = ranges.iter().map(|(min, ..)| *min).collect();
        edges.extend(ranges.iter().filter_map(|(_, max, _)| max.next()));
        edges.push(T::FIRST);
        edges.sort_unstable();
        edges.dedup();
        let mut segments = Self {
            starts: Vec::with_capacity(edges.len()),
            owners: Vec::with_capacity(edges.len()),
        };
        let mut coming = ranges.into_iter().peekable();
        let mut open: BinaryHeap<Reverse<(R, T)>> = BinaryHeap::new();
        for edge in edges {
            while let Some((_, max, rank)) = coming.next_if(|(min, ..)| *min <= edge) {
                open.push(Reverse((rank, max)));
            }
            while open.peek().is_some_and(|Reverse((_, max))| *max < edge) {
                open.pop();
            }
            let owner = open.peek().map(|Reverse((rank, _))| *rank);
            if segments.owners.last() != Some(&owner) {
                segments.starts.push(edge);
                segments.owners.push(owner);
            }
        }
        segments
    }

    /// The rank of the range that holds a value.
    pub(super) fn find(&self, value: T) -> Option<R> {
        let after = self.starts.partition_point(|start| *start <= value);
        *self.owners.get(after.checked_sub(1)?)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_range() {
        let all = Segments::new(vec![(u32::MIN, u32::MAX, 1), (5, 5, 0)]);
        assert_eq!(all.find(0), Some(1));
        assert_eq!(all.find(5), Some(0));
        assert_eq!(all.find(u32::MAX), Some(1));
        assert_eq!(Segments::<u32, u8>::new(Vec::new()).find(3), None);
    }

    proptest::proptest! {
        /// The same as walking the ranges.
        #[test]
        fn as_a_walk(ranges in proptest::collection::vec((0u32..30, 0u32..30, 0u8..9), 0..12)) {
            let segments = Segments::new(ranges.clone());
            for value in 0..32 {
                let holding = ranges.iter().filter(|(a, b, _)| (*a..=*b).contains(&value));
                let expected = holding.map(|(.., rank)| *rank).min();
                proptest::prop_assert_eq!(segments.find(value), expected);
            }
        }
    }
}
