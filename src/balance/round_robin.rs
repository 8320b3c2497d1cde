//! `balance roundrobin`: each server in turn, as often as its weight says, spread evenly.
//!
//! Manual 1.4, section 4.2 "balance". Every server has a position on a line; the one with the
//! smallest position is chosen and moves on by a step that is inverse to its weight. Servers at the
//! same position are chosen in the order of the file.

use std::collections::BTreeSet;

/// Turns among servers, named by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundRobin {
    /// (position, index) of the servers that may be chosen.
    line: BTreeSet<(u64, usize)>,
    positions: Vec<u64>,
    weights: Vec<u32>,
}

/// Length of a step of weight 1. Divisible by most weights, so that turns stay exact.
const STEP: u64 = 256 * 255 * 253 * 251 * 7;

impl RoundRobin {
    /// Servers with these weights; weight 0 is never chosen.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<u32> = weights.into_iter().collect();
        let positions: Vec<u64> = weights.iter().map(|weight| first(*weight)).collect();
        let line = positions
            .iter()
            .enumerate()
            .filter(|(index, _)| weights[*index] > 0)
            .map(|(index, position)| (*position, index))
            .collect();
        Self {
            line,
            positions,
            weights,
        }
    }

    /// Whose turn it is among the servers that `usable` lets through. The turn of a server that is
    /// passed over is not lost.
    pub fn choose(&mut self, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let &(position, index) = self.line.iter().find(|(_, index)| usable(*index))?;
        self.line.remove(&(position, index));
        let next = position + STEP / u64::from(self.weights[index].max(1));
        self.positions[index] = next;
        self.line.insert((next, index));
        if next > u64::MAX / 2 {
            self.rebase();
        }
        Some(index)
    }

    /// Sets the weight of a server; 0 takes it out.
    pub fn set_weight(&mut self, index: usize, weight: u32) {
        self.line.remove(&(self.positions[index], index));
        self.weights[index] = weight;
        if weight > 0 {
            // It joins where the others are, not where it was when it left.
            let front = self.line.first().map_or(0, |(position, _)| *position);
            self.positions[index] = self.positions[index].max(front);
            self.line.insert((self.positions[index], index));
        }
    }

    /// Moves everybody back so that positions never overflow.
    fn rebase(&mut self) {
        let front = self.line.first().map_or(0, |(position, _)| *position);
        for position in &mut self.positions {
            *position = position.saturating_sub(front);
        }
        self.line = self
            .positions
            .iter()
            .enumerate()
            .filter(|(index, _)| self.weights[*index] > 0)
            .map(|(index, position)| (*position, index))
            .collect();
    }
}

/// Where a server starts: half a step in, so that heavy servers come first and light ones are
/// spread among them. Equal weights start at the same place.
fn first(weight: u32) -> u64 {
    if weight == 0 {
        0
    } else {
        STEP / u64::from(weight) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[u32], count: usize) -> Vec<usize> {
        let mut turns = RoundRobin::new(weights.iter().copied());
        (0..count).filter_map(|_| turns.choose(|_| true)).collect()
    }

    #[test]
    fn in_turn() {
        assert_eq!(turns(&[1, 1, 1], 7), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(turns(&[2, 1], 6), [0, 1, 0, 0, 1, 0]);
        assert_eq!(turns(&[0, 1], 2), [1, 1]);
        assert_eq!(turns(&[0, 0], 2), Vec::<usize>::new());
    }

    #[test]
    fn weights_are_kept_over_any_period() {
        let weights = [5, 3, 2];
        let turns = turns(&weights, 1000);
        for window in turns.windows(10) {
            for (index, weight) in weights.iter().enumerate() {
                let count = window.iter().filter(|t| **t == index).count() as i64;
                assert!((count - i64::from(*weight)).abs() <= 1, "{window:?}");
            }
        }
    }

    #[test]
    fn servers_that_cannot_be_used_are_passed_over() {
        let mut turns = RoundRobin::new([1, 1, 1]);
        assert_eq!(turns.choose(|i| i != 0), Some(1));
        assert_eq!(turns.choose(|_| true), Some(0));
        assert_eq!(turns.choose(|_| false), None);
        turns.set_weight(2, 0);
        let next: Vec<_> = (0..4).filter_map(|_| turns.choose(|_| true)).collect();
        assert_eq!(next, [0, 1, 0, 1]);
    }
}
