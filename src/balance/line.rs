//! Servers in order of a key, first come first among equals.

use std::collections::VecDeque;

/// A server's place in a [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    key: u64,
    arrival: u64,
}

/// Servers, named by their index, sorted by key. Nothing is allocated once every server has been in
/// it; taking the first and putting it back near the end moves little.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    sorted: VecDeque<(Place, u32)>,
    arrivals: u64,
}

impl Line {
    /// Puts a server in, after those that have the same key.
    pub(super) fn insert(&mut self, key: u64, index: usize) -> Place {
        self.arrivals += 1;
        let place = Place {
            key,
            arrival: self.arrivals,
        };
        let at = self.sorted.partition_point(|(other, _)| *other < place);
        self.sorted.insert(at, (place, index as u32));
        place
    }

    /// Takes a server out of its place.
    pub(super) fn remove(&mut self, place: Place) {
        if let Ok(at) = self
            .sorted
            .binary_search_by_key(&place, |(other, _)| *other)
        {
            self.sorted.remove(at);
        }
    }

    /// The server with the smallest key.
    pub(super) fn first(&self) -> Option<usize> {
        self.sorted.front().map(|(_, index)| *index as usize)
    }

    /// All of them in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.sorted.iter().map(|(_, index)| *index as usize)
    }
}
