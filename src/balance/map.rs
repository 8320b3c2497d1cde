//! `balance static-rr` and `hash-type map-based`: a table with as many entries for a server as its
//! weight says, walked in turn or indexed by a hash.
//!
//! Manual 1.4, section 4.2 "balance", "hash-type". The entries are spread as evenly as whole
//! numbers allow, so that walking the table is a round robin. Any change of state or weight makes
//! another table.

/// The table.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    entries: Vec<u32>,
    next: usize,
}

impl Map {
    /// Fills the table for servers with these weights; weight 0 gets no entry. `total` is how many
    /// entries there are: mostly the sum of the weights. The turn stays where it is.
    pub(super) fn fill(&mut self, weights: &[u32], total: u32) {
        self.entries.clear();
        if total == 1 {
            // The only entry is the first server's, however heavy the others are.
            let first = weights.iter().position(|weight| *weight > 0);
            self.entries.extend(first.map(|index| index as u32));
            return;
        }
        let total = i64::from(total);
        let mut scores = vec![0_i64; weights.len()];
        for _ in 0..total {
            let mut best: Option<(i64, usize)> = None;
            for (index, weight) in weights.iter().enumerate() {
                if *weight == 0 {
                    continue;
                }
                scores[index] += i64::from(*weight);
                let grade = (scores[index] + total) / total;
                if best.is_none_or(|(highest, _)| grade > highest) {
                    best = Some((grade, index));
                }
            }
            if let Some((_, index)) = best {
                scores[index] -= total;
                self.entries.push(index as u32);
            }
        }
    }

    /// The server of a hash.
    pub(super) fn by_hash(&self, hash: u32) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let at = hash as usize % self.entries.len();
        self.entries.get(at).map(|index| *index as usize)
    }

    /// Whose turn it is among the servers that have room; `avoid` only when nobody else can be.
    pub(super) fn in_turn(
        &mut self,
        avoid: Option<usize>,
        room: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let len = self.entries.len();
        if self.next >= len {
            self.next = 0;
        }
        let mut avoided = None;
        for step in 0..len {
            let at = (self.next + step) % len;
            let index = self.entries[at] as usize;
            if !room(index) {
                continue;
            }
            if Some(index) != avoid {
                self.next = at + 1;
                return Some(index);
            }
            avoided = Some((at + 1, index));
        }
        let (next, index) = avoided?;
        self.next = next;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables that are shorter than the weights add up to, as those of backup servers.
    #[test]
    fn short_tables() {
        for (weights, total, entries) in [
            (&[1, 2][..], 1, &[0][..]),
            (&[0, 1, 50], 1, &[1]),
            (&[3, 10], 3, &[1, 1, 1]),
            (&[2, 3], 2, &[0, 1]),
        ] {
            let mut map = Map::default();
            map.fill(weights, total);
            assert_eq!(map.entries, entries, "{weights:?}");
        }
    }
}
