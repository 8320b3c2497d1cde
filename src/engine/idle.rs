//! Server connections at rest, for whichever client asks that server next: `http-reuse`, manual
//! 1.8, section 4.2.
//!
//! A worker's sessions share them; they do not move between threads. They are found by the live
//! server, which a reload keeps, and are taken in the order last in, first out, so that those
//! which are not needed get old. One that has ended, or is too old, is closed within a second.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::live::{Server, Whereabouts};
use super::runner;
use super::session::Link;
use super::timers;
use super::worker::Worker;

/// Idle connections of one worker.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    /// By the address of the live server, which its connections keep alive.
    kept: RefCell<HashMap<usize, Vec<Kept>>>,
    count: Cell<usize>,
    /// Whether somebody looks after them.
    tended: Cell<bool>,
}

#[derive(Debug)]
struct Kept {
    link: Box<Link>,
    /// The session that it was used by last.
    owner: u64,
    /// When it is too old.
    until: Instant,
}

/// Who wants a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Where to.
    pub(crate) server: &'a Arc<Server>,
    /// Where that is now.
    pub(crate) at: &'a Whereabouts,
    /// Only one that has served more than one request.
    pub(crate) proven: bool,
    /// The one that this session has used last is better than others.
    pub(crate) owner: Option<u64>,
}

/// Most that a worker keeps.
const KEPT: usize = 1024;

/// How often they are looked after.
const ROUND: Duration = Duration::from_secs(1);

impl Idle {
    /// Keeps a connection that has served a request of that session.
    pub(crate) fn put(worker: &Rc<Worker>, mut link: Box<Link>, owner: u64, age: Duration) {
        let idle = &worker.idle;
        let Some(key) = link.server.as_ref().map(key) else {
            return;
        };
        if idle.count.get() >= KEPT || !link.side.socket.rest() {
            link.side.socket.reset_on_close();
            return;
        }
        link.slot = None;
        idle.count.set(idle.count.get() + 1);
        let until = worker.now() + age;
        let kept = Kept { link, owner, until };
        idle.kept.borrow_mut().entry(key).or_default().push(kept);
        if !idle.tended.replace(true) {
            runner::spawn(tend(Rc::downgrade(worker)));
        }
    }

    /// A connection that can carry a request now.
    pub(crate) fn take(&self, wanted: Wanted<'_>) -> Option<Box<Link>> {
        if self.count.get() == 0 {
            return None;
        }
        let mut kept = self.kept.borrow_mut();
        let list = kept.get_mut(&key(wanted.server))?;
        loop {
            let own = |kept: &Kept| wanted.owner == Some(kept.owner);
            let fits = |kept: &Kept| !wanted.proven || kept.link.reused;
            let own = wanted.owner.and_then(|_| list.iter().rposition(own));
            let place = own.or_else(|| list.iter().rposition(fits))?;
            let Kept { link, .. } = list.remove(place);
            self.count.set(self.count.get() - 1);
            if link.at == *wanted.at && link.side.socket.is_quiet() {
                return Some(link);
            }
            link.side.socket.reset_on_close();
        }
    }

    /// Whether there is one to that server.
    pub(crate) fn has(&self, server: &Arc<Server>) -> bool {
        let kept = self.kept.borrow();
        kept.get(&key(server)).is_some_and(|list| !list.is_empty())
    }

    /// Closes one of a server, the oldest: another connection is about to take its place.
    pub(crate) fn make_room(&self, server: &Arc<Server>) {
        self.close_first(server, |_| true);
    }

    /// Closes the one that a session has left there.
    pub(crate) fn close_own(&self, server: &Arc<Server>, owner: u64) {
        self.close_first(server, |kept| kept.owner == owner);
    }

    fn close_first(&self, server: &Arc<Server>, which: impl Fn(&Kept) -> bool) {
        let mut kept = self.kept.borrow_mut();
        if let Some(list) = kept.get_mut(&key(server))
            && let Some(place) = list.iter().position(which)
        {
            self.count.set(self.count.get() - 1);
            list.remove(place).link.side.socket.reset_on_close();
        }
    }

    /// Closes all of them: descriptors have run out.
    pub(crate) fn clear(&self) {
        self.sweep(|_| false);
    }

    /// Closes what is not worth keeping. Answers whether anything is left.
    fn sweep(&self, keep: impl Fn(&Kept) -> bool) -> bool {
        let mut count = 0;
        let mut kept = self.kept.borrow_mut();
        kept.retain(|_, list| {
            list.retain(|kept| {
                let keeps = keep(kept);
                if !keeps {
                    kept.link.side.socket.reset_on_close();
                }
                keeps
            });
            count += list.len();
            !list.is_empty()
        });
        self.count.set(count);
        count > 0
    }
}

fn key(server: &Arc<Server>) -> usize {
    Arc::as_ptr(server) as usize
}

/// Looks after the connections for as long as there are any.
async fn tend(worker: std::rc::Weak<Worker>) {
    loop {
        timers::sleep(ROUND).await;
        let Some(worker) = worker.upgrade() else {
            return;
        };
        let now = Instant::now();
        let left = worker.idle.sweep(|kept| {
            kept.until > now && kept.link.side.socket.is_quiet() && !worker.draining.get()
        });
        if !left {
            worker.idle.tended.set(false);
            return;
        }
    }
}
