//! `hash-type consistent`: servers on a ring of hashes, so that most keys keep their server when
//! others come and go.
//!
//! Manual 1.4, section 4.2 "hash-type". A server owns sixteen points of the ring for each unit of
//! its weight. Where they are depends on nothing but its `id`, so that files on different machines
//! agree. A key belongs to the point that is nearest to its hash.

use super::hash::mix;
use super::weight::MAX_EFFECTIVE;

/// A point of the ring. Points that fall together keep the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    hash: u32,
    arrival: u32,
    server: u32,
}

impl Point {
    fn place(&self) -> (u32, u32) {
        (self.hash, self.arrival)
    }
}

/// The ring.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    points: Vec<Point>,
    arrivals: u32,
    weights: Vec<u32>,
    /// The point of the last choice without a key.
    last: Option<(u32, u32)>,
}

impl Ring {
    /// A ring for that many servers, on which none is yet.
    pub(super) fn new(servers: usize) -> Self {
        Self {
            weights: vec![0; servers],
            ..Self::default()
        }
    }

    /// Gives each server as many points as its effective weight. `ids` are the servers' `id`s.
    pub(super) fn fill(&mut self, ids: &[u32], weights: &[u32]) {
        let mut changed = false;
        for (index, (id, weight)) in ids.iter().zip(weights).enumerate() {
            let old = std::mem::replace(&mut self.weights[index], *weight);
            if *weight < old {
                let base = id.wrapping_mul(MAX_EFFECTIVE);
                let gone: std::collections::HashSet<u32> =
                    (*weight..old).map(|n| mix(base.wrapping_add(n))).collect();
                let stays = |p: &Point| p.server != index as u32 || !gone.contains(&p.hash);
                // HAProxy takes the point after one that goes for the last one used.
                if let Some(last) = self.last
                    && let Some(at) = self.points.iter().position(|p| p.place() == last)
                    && !stays(&self.points[at])
                {
                    let next = self.points[at..].iter().find(|p| stays(p));
                    self.last = next.map(Point::place);
                }
                self.points.retain(stays);
                changed = true;
            }
            for n in old..*weight {
                self.arrivals = self.arrivals.wrapping_add(1);
                self.points.push(Point {
                    hash: mix(id.wrapping_mul(MAX_EFFECTIVE).wrapping_add(n)),
                    arrival: self.arrivals,
                    server: index as u32,
                });
                changed = true;
            }
        }
        if changed {
            self.points.sort_unstable();
        }
    }

    /// The server whose point is nearest to a hash; of two as near, the one before it.
    pub(super) fn by_hash(&self, hash: u32) -> Option<usize> {
        let after = self.points.partition_point(|point| point.hash < hash);
        let next = self.points.get(after).or_else(|| self.points.first())?;
        let previous = match after.checked_sub(1) {
            Some(before) => self.points.get(before)?,
            None => self.points.last()?,
        };
        let back = hash.wrapping_sub(previous.hash);
        let ahead = next.hash.wrapping_sub(hash);
        let nearest = if back <= ahead { previous } else { next };
        Some(nearest.server as usize)
    }

    /// The server of the next point whose server has room, for requests without a key; `avoid` only
    /// when nobody else can be.
    pub(super) fn in_turn(
        &mut self,
        avoid: Option<usize>,
        room: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let len = self.points.len();
        let from = self.last.map_or(0, |last| {
            self.points.partition_point(|point| point.place() <= last)
        });
        let mut avoided = None;
        for step in 0..len {
            let point = self.points[(from + step) % len];
            let index = point.server as usize;
            if !room(index) {
                continue;
            }
            let place = point.place();
            if Some(index) != avoid {
                self.last = Some(place);
                return Some(index);
            }
            avoided.get_or_insert((place, index));
        }
        let (place, index) = avoided?;
        self.last = Some(place);
        Some(index)
    }
}
