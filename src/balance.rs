//! The arithmetic of choosing a server. No clocks, no sockets, no locks: the caller holds them.
//!
//! [`Balancer`] is one backend's choice, whatever its algorithm: servers are told apart by their
//! index, and each has an effective weight, which is 0 while it cannot be used. [`key`] finds what a
//! request is hashed by, [`hash`] makes a number of it.

pub mod hash;
pub mod key;
mod least_conn;
mod line;
mod map;
mod ring;
mod round_robin;
pub mod weight;

use least_conn::LeastConn;
use map::Map;
use ring::Ring;
pub use round_robin::RoundRobin;

use crate::plan::{Balance, HashType};

/// What an algorithm knows about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// `id`: where it stands on a ring.
    pub id: u32,
    /// `weight` of the file.
    pub weight: u32,
    /// `backup`.
    pub backup: bool,
}

/// The choice among the servers of a backend.
#[derive(Clone, Debug)]
pub struct Balancer {
    candidates: Vec<Candidate>,
    /// Effective weights.
    weights: Vec<u32>,
    all_backups: bool,
    method: Method,
    /// By what weights are divided, for those that cannot change.
    divisor: u32,
    /// No server gets more of a ring than its weight in the file gives it.
    capped: bool,
    /// How many active, and how many backup servers can be used.
    usable: [u32; 2],
}

#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each backend, and the large one is the usual one"
)]
enum Method {
    /// Requests go elsewhere, unless they ask for a server.
    Nobody,
    /// Turns of the active and of the backup servers.
    RoundRobin([RoundRobin; 2]),
    LeastConn([LeastConn; 2]),
    First,
    Map {
        map: Map,
        stale: bool,
    },
    Ring {
        rings: [Ring; 2],
        stale: bool,
    },
}

/// Active servers come before backup servers in whatever is kept for both.
const ACTIVE: usize = 0;
const BACKUP: usize = 1;

impl Balancer {
    /// A fresh start, with no server usable yet. `all_backups` is `option allbackups`.
    pub fn new(
        balance: &Balance,
        hash: HashType,
        candidates: Vec<Candidate>,
        all_backups: bool,
    ) -> Self {
        let count = candidates.len();
        let none = || vec![0; count];
        let method = match balance {
            Balance::RoundRobin => {
                Method::RoundRobin([RoundRobin::new(none()), RoundRobin::new(none())])
            }
            Balance::LeastConn => {
                let line = || LeastConn::new(none().into_iter().map(|weight| (weight, 0)));
                Method::LeastConn([line(), line()])
            }
            Balance::First => Method::First,
            Balance::StaticRr => Method::Map {
                map: Map::default(),
                stale: true,
            },
            _ if hash.consistent => Method::Ring {
                rings: [Ring::new(count), Ring::new(count)],
                stale: true,
            },
            _ => Method::Map {
                map: Map::default(),
                stale: true,
            },
        };
        let divisor = weight::common_divisor(candidates.iter().map(|server| server.weight));
        Self {
            weights: none(),
            candidates,
            all_backups,
            method,
            divisor,
            capped: false,
            usable: [0; 2],
        }
    }

    /// For a backend whose requests go elsewhere (`dispatch`) unless they ask for a server: nobody is
    /// chosen and no server has a weight, yet all count as usable, in whatever state they are.
    pub fn nobody(candidates: Vec<Candidate>) -> Self {
        let mut usable = [0; 2];
        for candidate in &candidates {
            usable[usize::from(candidate.backup)] += 1;
        }
        Self {
            weights: vec![0; candidates.len()],
            candidates,
            all_backups: false,
            method: Method::Nobody,
            divisor: 1,
            capped: false,
            usable,
        }
    }

    /// From now on no server gets more of a ring than its weight in the file gives it: 1.4 makes
    /// room for no more.
    pub fn cap(&mut self) {
        self.capped = true;
    }

    /// The same with all servers usable at the weights of the file, put in together: none has been
    /// chosen yet.
    pub fn start(&mut self, effective: &[u32]) {
        if let Method::Nobody = self.method {
            return;
        }
        self.usable = [0; 2];
        for (candidate, weight) in self.candidates.iter().zip(effective) {
            self.usable[usize::from(candidate.backup)] += u32::from(*weight > 0);
        }
        self.weights.copy_from_slice(effective);
        let of = |backup: bool| {
            self.candidates
                .iter()
                .zip(effective)
                .map(move |(candidate, weight)| {
                    if candidate.backup == backup {
                        *weight
                    } else {
                        0
                    }
                })
        };
        match &mut self.method {
            Method::RoundRobin(turns) => {
                *turns = [RoundRobin::new(of(false)), RoundRobin::new(of(true))];
            }
            Method::LeastConn(lines) => {
                *lines = [
                    LeastConn::new(of(false).map(|weight| (weight, 0))),
                    LeastConn::new(of(true).map(|weight| (weight, 0))),
                ];
            }
            Method::First | Method::Nobody => {}
            Method::Map { stale, .. } | Method::Ring { stale, .. } => *stale = true,
        }
    }

    /// Whether weights can change while the algorithm runs: then `slowstart` has steps.
    pub fn is_dynamic(&self) -> bool {
        !matches!(self.method, Method::Map { .. } | Method::Nobody)
    }

    /// The effective weight of a server that is usable, of user weight `weight`, which came up
    /// `since_up` seconds ago.
    pub fn effective(&self, weight: u32, since_up: u64, slowstart: u64) -> u32 {
        match self.method {
            Method::Nobody => 0,
            Method::Map { .. } => weight / self.divisor,
            _ => weight::dynamic(weight, since_up, slowstart),
        }
    }

    /// An effective weight as people see it: in units of the file, rounded up.
    pub fn shown(&self, effective: u32) -> u32 {
        if self.is_dynamic() {
            effective.div_ceil(weight::SCALE)
        } else {
            effective * self.divisor
        }
    }

    /// Sets the effective weight of a server; 0 takes it out.
    pub fn set_weight(&mut self, index: usize, weight: u32) {
        let old = std::mem::replace(&mut self.weights[index], weight);
        if old == weight {
            return;
        }
        let group = usize::from(self.candidates[index].backup);
        let usable = &mut self.usable[group];
        *usable = *usable + u32::from(weight > 0) - u32::from(old > 0);
        match &mut self.method {
            Method::RoundRobin(turns) => turns[group].set_weight(index, weight),
            Method::LeastConn(lines) => lines[group].set_weight(index, weight),
            Method::First | Method::Nobody => {}
            Method::Map { stale, .. } | Method::Ring { stale, .. } => *stale = true,
        }
    }

    /// Notes how many connections a server has.
    pub fn set_served(&mut self, index: usize, served: u32) {
        if let Method::LeastConn(lines) = &mut self.method {
            lines[usize::from(self.candidates[index].backup)].set_served(index, served);
        }
    }

    /// The effective weight of a server; 0 while it cannot be used.
    pub fn weight(&self, index: usize) -> u32 {
        self.weights[index]
    }

    /// Whether any server can be used.
    pub fn is_usable(&self) -> bool {
        self.usable != [0; 2] && !matches!(self.method, Method::Nobody)
    }

    /// How many active, and how many backup servers can be used.
    pub fn usable(&self) -> (u32, u32) {
        (self.usable[ACTIVE], self.usable[BACKUP])
    }

    /// Sums of the effective weights of active and of backup servers that are in use: of backup
    /// servers only the first counts, unless all are used.
    pub fn weight_in_use(&self) -> u32 {
        let group = self.group();
        if let Some(first) = self.only_backup() {
            return self.weights[first];
        }
        self.of_group(group).map(|index| self.weights[index]).sum()
    }

    /// The server that a hash belongs to. `None` when no server is usable, or when the algorithm
    /// hashes nothing.
    pub fn by_hash(&mut self, hash: u32) -> Option<usize> {
        if !self.is_usable() {
            return None;
        }
        self.refresh();
        let group = self.group();
        let only = self.only_backup();
        match &self.method {
            // Backup servers that are not all used: the table's first, whatever the hash. That is the
            // first of them, unless another one is much heavier.
            Method::Map { map, .. } => map.by_hash(if only.is_some() { 0 } else { hash }),
            Method::Ring { rings, .. } => only.or_else(|| rings[group].by_hash(hash)),
            _ => None,
        }
    }

    /// The next server that has room, or that does not wait for any; `avoid` only when nobody else
    /// can be. `None` when no server is usable or all are full.
    pub fn next(&mut self, avoid: Option<usize>, room: impl Fn(usize) -> bool) -> Option<usize> {
        if !self.is_usable() {
            return None;
        }
        self.refresh();
        // The only backup server is taken even when it is full: one waits for it. Walking a table
        // goes through all backup servers, whatever the option says.
        if let Some(first) = self.only_backup()
            && !matches!(self.method, Method::Map { .. })
        {
            return Some(first);
        }
        let group = self.group();
        match &mut self.method {
            Method::RoundRobin(turns) => turns[group].choose(avoid, room),
            Method::LeastConn(lines) => lines[group].choose(avoid, room),
            Method::First => first(&self.candidates, &self.weights, group, room),
            Method::Nobody => None,
            Method::Map { map, .. } => map.in_turn(avoid, room),
            Method::Ring { rings, .. } => rings[group].in_turn(avoid, room),
        }
    }

    fn group(&self) -> usize {
        usize::from(self.usable[ACTIVE] == 0)
    }

    /// The backup server that alone replaces the active ones, when they are gone.
    fn only_backup(&self) -> Option<usize> {
        if self.all_backups || self.usable[ACTIVE] > 0 {
            return None;
        }
        self.of_group(BACKUP).next()
    }

    /// The usable servers of a group.
    fn of_group(&self, group: usize) -> impl Iterator<Item = usize> {
        let servers = self.candidates.iter().zip(&self.weights).enumerate();
        servers
            .filter(move |(_, (server, weight))| {
                usize::from(server.backup) == group && **weight > 0
            })
            .map(|(index, _)| index)
    }

    /// Brings what depends on all weights up to date.
    fn refresh(&mut self) {
        if !matches!(
            self.method,
            Method::Map { stale: true, .. } | Method::Ring { stale: true, .. }
        ) {
            return;
        }
        let group = self.group();
        // Without 'allbackups', HAProxy makes a table for all backup servers that is as long as if
        // there were only the first.
        let total = self.weight_in_use();
        let weights_of = |group: usize| -> Vec<u32> {
            self.candidates
                .iter()
                .zip(&self.weights)
                .map(|(server, weight)| {
                    if usize::from(server.backup) == group {
                        *weight
                    } else {
                        0
                    }
                })
                .collect()
        };
        let both = [weights_of(ACTIVE), weights_of(BACKUP)];
        match &mut self.method {
            Method::Map { map, stale } => {
                *stale = false;
                map.fill(&both[group], total);
            }
            Method::Ring { rings, stale } => {
                *stale = false;
                let ids: Vec<u32> = self.candidates.iter().map(|server| server.id).collect();
                for (ring, mut weights) in rings.iter_mut().zip(both) {
                    if self.capped {
                        for (weight, server) in weights.iter_mut().zip(&self.candidates) {
                            *weight = (*weight).min(server.weight * weight::SCALE);
                        }
                    }
                    ring.fill(&ids, &weights);
                }
            }
            _ => {}
        }
    }
}

/// `balance first`: the lowest `id` that has room.
fn first(
    candidates: &[Candidate],
    weights: &[u32],
    group: usize,
    room: impl Fn(usize) -> bool,
) -> Option<usize> {
    (0..candidates.len())
        .filter(|index| usize::from(candidates[*index].backup) == group && weights[*index] > 0)
        .filter(|index| room(*index))
        .min_by_key(|index| candidates[*index].id)
}
