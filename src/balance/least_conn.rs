//! `balance leastconn`: the server with the fewest connections for its weight, in turn among
//! equals.
//!
//! Manual 1.4, section 4.2 "balance". Servers stand in a line by connections over weight, and go
//! behind their equals whenever that changes.

use super::line::{Line, Place};
use super::weight::MAX_EFFECTIVE;

#[derive(Clone, Copy, Debug)]
struct Standing {
    weight: u32,
    served: u32,
    place: Option<Place>,
}

/// The line of one group of servers.
#[derive(Clone, Debug, Default)]
pub(super) struct LeastConn {
    line: Line,
    servers: Vec<Standing>,
}

impl LeastConn {
    /// Servers with these effective weights and connections; weight 0 is never chosen.
    pub(super) fn new(servers: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut line = Self::default();
        for (index, (weight, served)) in servers.into_iter().enumerate() {
            line.servers.push(Standing {
                weight,
                served,
                place: None,
            });
            line.stand(index);
        }
        line
    }

    /// The first in line that has room; `avoid` only when nobody else has.
    pub(super) fn choose(
        &self,
        avoid: Option<usize>,
        room: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut avoided = None;
        for index in self.line.iter() {
            if room(index) {
                if Some(index) != avoid {
                    return Some(index);
                }
                avoided = Some(index);
            }
        }
        avoided
    }

    /// Notes how many connections a server has.
    pub(super) fn set_served(&mut self, index: usize, served: u32) {
        self.servers[index].served = served;
        self.stand(index);
    }

    /// Sets the effective weight of a server; 0 takes it out.
    pub(super) fn set_weight(&mut self, index: usize, weight: u32) {
        if self.servers[index].weight != weight {
            self.servers[index].weight = weight;
            self.stand(index);
        }
    }

    fn stand(&mut self, index: usize) {
        let server = &mut self.servers[index];
        if let Some(place) = server.place.take() {
            self.line.remove(place);
        }
        if server.weight > 0 {
            let key = u64::from(server.served) * u64::from(MAX_EFFECTIVE);
            server.place = Some(self.line.insert(key / u64::from(server.weight), index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewest_connections_for_the_weight() {
        let mut line = LeastConn::new([(48, 0), (16, 0)]);
        let mut served = [0, 0];
        let mut chosen = Vec::new();
        for _ in 0..8 {
            let index = line.choose(None, |_| true).unwrap();
            served[index] += 1;
            line.set_served(index, served[index]);
            chosen.push(index);
        }
        assert_eq!(chosen, [0, 1, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn equals_take_turns() {
        let mut line = LeastConn::new([(16, 0), (0, 0), (32, 0)]);
        let mut chosen = Vec::new();
        for _ in 0..4 {
            let index = line.choose(None, |_| true).unwrap();
            line.set_served(index, 1);
            line.set_served(index, 0);
            chosen.push(index);
        }
        assert_eq!(chosen, [0, 2, 0, 2]);
        assert_eq!(line.choose(Some(0), |_| true), Some(2));
        assert_eq!(line.choose(Some(0), |index| index == 0), Some(0));
        assert_eq!(line.choose(None, |_| false), None);
        line.set_weight(1, 1);
        line.set_served(0, 1);
        line.set_served(2, 1);
        assert_eq!(line.choose(None, |_| true), Some(1));
    }
}
