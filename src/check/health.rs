//! The health of a server: a number between its checks.
//!
//! Manual 1.4, section 5, "rise", "fall". Health counts from 0 to `rise + fall - 1`. A server is up
//! from `rise` on. A failed check takes one while it is up and all of it when that takes it down; a
//! passed one adds one while it is down and fills it up when that brings it up.

/// What a check has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that shows.
    None,
    /// Closer to a change, or back from it.
    Moved,
    /// It came up.
    Up,
    /// It went down.
    Down,
    /// It is up and wants no new clients.
    Stopping,
    /// It wants them again.
    Resumed,
}

/// The state of a server between its checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// From 0 to `rise + fall - 1`.
    pub level: u32,
    /// Successes until it is up; at least 1.
    pub rise: u32,
    /// Failures until it is down; at least 1.
    pub fall: u32,
    /// It is up and wants no new clients (`http-check disable-on-404`).
    pub stopping: bool,
}

impl Health {
    /// At the start: up, and the first failed check takes it down.
    pub fn new(rise: u32, fall: u32) -> Self {
        Self {
            level: rise,
            rise,
            fall,
            stopping: false,
        }
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.level >= self.rise
    }

    /// Whether it is as healthy as it can be.
    pub fn is_full(&self) -> bool {
        self.level + 1 >= self.rise + self.fall
    }

    /// A check has passed. `no_new_clients` when it has passed conditionally.
    pub fn pass(&mut self, no_new_clients: bool) -> Change {
        if self.is_up() {
            let moved = !self.is_full();
            self.fill();
            return match (self.stopping, no_new_clients) {
                (false, true) => {
                    self.stopping = true;
                    Change::Stopping
                }
                (true, false) => {
                    self.stopping = false;
                    Change::Resumed
                }
                _ if moved => Change::Moved,
                _ => Change::None,
            };
        }
        self.level += 1;
        if !self.is_up() {
            return Change::Moved;
        }
        self.fill();
        self.stopping = no_new_clients;
        Change::Up
    }

    /// A check has failed. A server that is down and on its way up starts over, or stays where
    /// it is (`forgiving`, from 1.5 to 1.8).
    pub fn fail(&mut self, forgiving: bool) -> Change {
        if self.level > self.rise {
            self.level -= 1;
            return Change::Moved;
        }
        if self.is_up() {
            return self.kill();
        }
        if self.level == 0 || forgiving {
            return Change::None;
        }
        self.level = 0;
        Change::Moved
    }

    /// It is down at once.
    pub fn kill(&mut self) -> Change {
        let was_up = self.is_up();
        self.level = 0;
        self.stopping = false;
        if was_up { Change::Down } else { Change::None }
    }

    /// Two failures more and it is down.
    pub fn weaken(&mut self) {
        self.level = self.level.min(self.rise + 1);
    }

    /// It is up as fully as can be.
    pub fn fill(&mut self) {
        self.level = self.rise + self.fall - 1;
    }

    /// Other limits: it stays up or down, as full as it was.
    pub fn set_limits(&mut self, rise: u32, fall: u32) {
        if (rise, fall) == (self.rise, self.fall) {
            return;
        }
        let (up, missing) = (self.is_up(), self.rise + self.fall - 1 - self.level);
        (self.rise, self.fall) = (rise, fall);
        self.level = if up {
            rise + (fall - 1) - missing.min(fall - 1)
        } else {
            self.level.min(rise - 1)
        };
    }

    /// How far it is on its way: steps left or made, of how many; `None` when it is fully up or
    /// down.
    pub fn progress(&self) -> Option<(u32, u32)> {
        if self.is_up() {
            (!self.is_full()).then(|| (self.level - self.rise + 1, self.fall))
        } else {
            (self.level > 0).then_some((self.level, self.rise))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// States after each of `checks`: `O` passes, `C` conditionally, `F` fails.
    fn after(rise: u32, fall: u32, forgiving: bool, checks: &str) -> Vec<String> {
        let mut health = Health::new(rise, fall);
        checks
            .chars()
            .map(|check| {
                match check {
                    'F' => health.fail(forgiving),
                    kind => health.pass(kind == 'C'),
                };
                let word = match (health.is_up(), health.stopping) {
                    (true, true) => "NOLB",
                    (true, false) => "UP",
                    (false, _) => "DOWN",
                };
                match health.progress() {
                    Some((n, of)) => format!("{word} {n}/{of}"),
                    None => word.into(),
                }
            })
            .collect()
    }

    #[test]
    fn states_after_checks() {
        for (rise, fall, checks, states) in [
            (1, 1, "OFOFOF", "UP|DOWN|UP|DOWN|UP|DOWN"),
            (2, 3, "OFF", "UP|UP 2/3|UP 1/3"),
            (2, 3, "F", "DOWN"),
            (1, 3, "OOFFFFO", "UP|UP|UP 2/3|UP 1/3|DOWN|DOWN|UP"),
            (3, 2, "FOOO", "DOWN|DOWN 1/3|DOWN 2/3|UP"),
            (2, 2, "OFOC", "UP|UP 1/2|UP|NOLB"),
            (2, 2, "OCFF", "UP|NOLB|NOLB 1/2|DOWN"),
            (2, 2, "CCO", "NOLB|NOLB|UP"),
        ] {
            let states: Vec<&str> = states.split('|').collect();
            assert_eq!(after(rise, fall, false, checks), states, "{checks}");
        }
    }

    #[test]
    fn a_failure_on_the_way_up_counts_less_since_1_5() {
        let old = ["UP", "DOWN", "DOWN 1/3", "DOWN", "DOWN 1/3", "DOWN"];
        assert_eq!(after(3, 1, false, "OFOFOF"), old);
        let new = ["UP", "DOWN", "DOWN 1/3", "DOWN 1/3", "DOWN 2/3", "DOWN 2/3"];
        assert_eq!(after(3, 1, true, "OFOFOF"), new);
    }

    #[test]
    fn other_limits_keep_the_verdict() {
        let mut health = Health::new(2, 3);
        health.pass(false);
        health.fail(false);
        health.set_limits(1, 5);
        assert!(health.is_up());
        assert_eq!(health.progress(), Some((4, 5)));
        health.set_limits(4, 1);
        assert!(health.is_up() && health.is_full());
        health.fail(false);
        health.pass(false);
        health.pass(false);
        health.set_limits(1, 1);
        assert!(!health.is_up());
        assert_eq!(health.pass(false), Change::Up);
    }
}
