//! `balance roundrobin`: each server in turn, as often as its weight says, spread evenly.
//!
//! Manual 1.4, section 4.2 "balance". Servers stand on a road that has as many places as the
//! weights sum up to. One place is served with each choice, and a server that was chosen stands
//! again as far ahead as the sum holds its weight, so that it is met as often as it should. Those
//! that would stand beyond the end of the road wait for the next road, the heaviest first; they are
//! taken from there whenever nobody stands at the place that is to be served. A fresh start is a
//! road on which nobody stands yet.
//!
//! Weights may change at any time: the road that is being walked keeps its length, the next has the
//! new one.

use super::line::{Line, Place};
use super::weight::{MAX_EFFECTIVE, SCALE};

/// Where a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// On the road.
    Road(Place),
    /// In the waiting line of that number.
    Waiting(usize, Place),
    /// Nowhere: it cannot be used, or is being moved.
    Out,
}

#[derive(Clone, Debug)]
struct Walker {
    weight: u32,
    stand: Stand,
    /// Where it was met last.
    last: u64,
    /// Where it is met next; 0 when it has not been met on this road.
    next: u64,
    /// What was rounded off so far, in parts of its weight.
    rest: u32,
}

/// Turns among servers, named by their index.
#[derive(Clone, Debug)]
pub struct RoundRobin {
    servers: Vec<Walker>,
    road: Line,
    waiting: [Line; 2],
    /// Which of the waiting lines is for this road; the other is for the next.
    current: usize,
    /// Length of this road, and of the next.
    length: u64,
    next_length: u64,
    position: u64,
    /// Servers that were passed over during one choice.
    skipped: Vec<u32>,
}

impl RoundRobin {
    /// Servers with these effective weights; weight 0 is never chosen.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut turns = Self {
            servers: Vec::new(),
            road: Line::default(),
            waiting: [Line::default(), Line::default()],
            current: 0,
            length: 0,
            next_length: 0,
            position: 0,
            skipped: Vec::new(),
        };
        for (index, weight) in weights.into_iter().enumerate() {
            turns.servers.push(Walker {
                weight,
                stand: Stand::Out,
                last: 0,
                next: 0,
                rest: 0,
            });
            if weight > 0 {
                turns.next_length += u64::from(weight);
                turns.wait(0, index);
            }
        }
        turns.length = turns.next_length;
        turns.position = turns.length;
        turns
    }

    /// Whether there is somebody to choose.
    pub fn is_empty(&self) -> bool {
        self.next_length == 0
    }

    /// Whose turn it is among the servers that have room. `avoid` is taken only when nobody else
    /// can be.
    pub fn choose(&mut self, avoid: Option<usize>, room: impl Fn(usize) -> bool) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let mut turned = false;
        let mut avoided = None;
        let chosen = loop {
            if self.length == 0 {
                self.length = self.next_length;
                self.position = self.length;
            }
            let Some(index) = self.meet() else {
                if turned {
                    if let Some(index) = avoided {
                        self.pass(index);
                    }
                    break avoided;
                }
                turned = true;
                self.turn();
                continue;
            };
            self.pass(index);
            if room(index) {
                if Some(index) != avoid || avoided.is_some() {
                    break Some(index);
                }
                avoided = Some(index);
            }
            self.skipped.push(index as u32);
        };
        if let Some(index) = chosen {
            self.stand(index);
        }
        // Last passed over, first put back. On a new road the places of the old one mean nothing.
        while let Some(index) = self.skipped.pop() {
            let index = index as usize;
            if Some(index) == chosen {
                continue;
            }
            if turned {
                self.wait(self.current, index);
            } else {
                self.stand(index);
            }
        }
        chosen
    }

    /// Sets the effective weight of a server; 0 takes it out.
    pub fn set_weight(&mut self, index: usize, weight: u32) {
        let old = std::mem::replace(&mut self.servers[index].weight, weight);
        if old == weight {
            return;
        }
        self.next_length = self.next_length - u64::from(old) + u64::from(weight);
        if weight == 0 {
            self.leave(index);
            return;
        }
        match self.servers[index].stand {
            Stand::Out => {
                // It is met as if it had walked along, on what is left of this road.
                let left = self.next_length as i64 + self.length as i64 - self.position as i64;
                let ahead = left / i64::from(weight);
                let next = self.position as i64 + ahead;
                self.servers[index].next = u64::try_from(next).unwrap_or(0);
                self.stand(index);
            }
            Stand::Waiting(line, _) if line == self.current => {
                self.leave(index);
                self.wait(line, index);
            }
            _ => {
                self.adjust(index);
                self.leave(index);
                self.stand(index);
            }
        }
    }

    /// Moves a server that has been met on this road to where its new weight wants it.
    fn adjust(&mut self, index: usize) {
        let (length, position) = (self.length, self.position);
        let server = &mut self.servers[index];
        if matches!(server.stand, Stand::Waiting(..)) {
            server.next += length;
        }
        let step = self.next_length / u64::from(server.weight);
        server.rest = 0;
        server.next = server.next.min(server.last + step);
        if server.next < position + 2 {
            server.next = position + step;
        }
    }

    /// The server to be served now.
    fn meet(&mut self) -> Option<usize> {
        let first = self.road.first();
        if let Some(index) = first
            && self.servers[index].next <= self.position
        {
            return first;
        }
        let Some(index) = self.waiting[self.current].first() else {
            return first;
        };
        self.servers[index].next = 0;
        self.servers[index].rest = 0;
        Some(index)
    }

    /// Serves one place with a server: it leaves it, to be met again as far ahead as its weight
    /// asks for.
    fn pass(&mut self, index: usize) {
        self.leave(index);
        self.position += 1;
        let position = self.position - 1;
        let server = &mut self.servers[index];
        let weight = u64::from(server.weight);
        server.last = if server.next == 0 {
            position
        } else {
            server.next
        };
        server.next = server.last + self.next_length / weight;
        server.rest += (self.next_length % weight) as u32;
        if server.rest >= server.weight {
            server.rest -= server.weight;
            server.next += 1;
        }
    }

    /// Puts a server where it is met next: on this road, or else into the line for the next.
    fn stand(&mut self, index: usize) {
        let server = &mut self.servers[index];
        if server.next >= (2 * self.length).min(self.length + self.next_length) {
            server.next = server.next.saturating_sub(self.length);
            self.wait(1 - self.current, index);
            return;
        }
        // Who was rounded off most, and then who is heavier, comes first at a place.
        let order = (MAX_EFFECTIVE + server.rest - server.weight) / SCALE;
        let key = server.next << 8;
        let key = key + u64::from(order);
        server.stand = Stand::Road(self.road.insert(key, index));
    }

    fn wait(&mut self, line: usize, index: usize) {
        let server = &mut self.servers[index];
        let key = u64::from(MAX_EFFECTIVE - server.weight.min(MAX_EFFECTIVE));
        server.stand = Stand::Waiting(line, self.waiting[line].insert(key, index));
    }

    fn leave(&mut self, index: usize) {
        match std::mem::replace(&mut self.servers[index].stand, Stand::Out) {
            Stand::Road(place) => self.road.remove(place),
            Stand::Waiting(line, place) => self.waiting[line].remove(place),
            Stand::Out => {}
        }
    }

    /// The end of the road: on to the next.
    fn turn(&mut self) {
        self.current = 1 - self.current;
        self.length = self.next_length;
        self.position = self.length;
    }
}
