//! Who is there: what can be told about the sessions of a worker, and how one is ended from
//! outside.
//!
//! Every session has a card that its worker holds as well. The session notes on it where it is;
//! only its own thread looks at it, when somebody asks.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::SystemTime;

use tokio::time::Instant;

use super::generation::Generation;
use super::live::Server;
use super::runner::Handle;
use crate::plan::{Mode, ProxyId};
use crate::stats::{Named, Party, SessionReport};

/// What the trace of debug mode says of a session.
#[derive(Debug)]
pub(crate) struct Traced {
    /// The listening socket that the session has come from.
    pub(crate) listening: i32,
    /// The number that it has in the trace.
    pub(crate) number: Cell<u32>,
    /// The socket that a server was last tried on.
    pub(crate) tried: Cell<Option<i32>>,
}

/// What a session shows of itself.
#[derive(Debug)]
pub(crate) struct Card {
    /// Its number.
    pub(crate) id: u64,
    /// Its frontend.
    pub(crate) frontend: ProxyId,
    /// The backend, once one is chosen.
    pub(crate) backend: Cell<Option<ProxyId>>,
    /// The server, while there is a connection to one.
    pub(crate) server: RefCell<Option<Arc<Server>>>,
    /// When the session ends if nothing happens.
    pub(crate) expires: Cell<Option<Instant>>,
    generation: Arc<Generation>,
    listener: usize,
    /// The client.
    pub(crate) peer: Cell<Option<SocketAddr>>,
    descriptor: i32,
    /// What debug mode needs to know.
    pub(crate) traced: Traced,
    since: Instant,
    accepted: SystemTime,
    calls: Cell<u64>,
    ended: Cell<bool>,
    task: RefCell<Option<Handle>>,
}

impl Card {
    /// The card of a session that begins now.
    pub(crate) fn new(
        id: u64,
        generation: &Arc<Generation>,
        (frontend, listener): (ProxyId, usize),
        peer: Option<SocketAddr>,
        (descriptor, listening): (i32, i32),
        now: Instant,
    ) -> Self {
        Self {
            id,
            frontend,
            backend: Cell::new(None),
            server: RefCell::new(None),
            expires: Cell::new(None),
            generation: Arc::clone(generation),
            listener,
            peer: Cell::new(peer),
            descriptor,
            traced: Traced {
                listening,
                number: Cell::new(0),
                tried: Cell::new(None),
            },
            since: now,
            accepted: SystemTime::now(),
            calls: Cell::new(0),
            ended: Cell::new(false),
            task: RefCell::new(None),
        }
    }

    /// The socket of the client.
    pub(crate) fn descriptor(&self) -> i32 {
        self.descriptor
    }

    /// Notes that the session was woken.
    pub(crate) fn woken(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    /// Whether somebody has ended the session from outside.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.get()
    }

    /// Ends the session: its timer fires now.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        if let Some(task) = &*self.task.borrow() {
            task.wake();
        }
    }

    /// Notes the task that serves the session.
    pub(crate) fn served_by(&self, task: Handle) {
        *self.task.borrow_mut() = Some(task);
    }

    /// Ends the session without a word: it is dropped when its turn comes.
    fn cut(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.abort();
        }
    }

    fn report(self: &Rc<Self>, now: Instant) -> SessionReport {
        let plan = &self.generation.plan;
        let party = |id: ProxyId| {
            let proxy = plan.proxy(id);
            Party {
                name: proxy.name.clone(),
                id: proxy.numeric_id,
                mode: match proxy.mode {
                    Mode::Http => "http",
                    Mode::Tcp => "tcp",
                    Mode::Health => "health",
                },
            }
        };
        let listeners = &plan.proxy(self.frontend).listeners;
        let backend = self
            .backend
            .get()
            .filter(|id| plan.proxy(*id).role.is_backend());
        let server = self.server.borrow();
        let server = server.as_ref().map(|server| Named {
            name: server.name.clone(),
            id: backend
                .and_then(|id| {
                    plan.proxy(id)
                        .servers
                        .iter()
                        .find(|s| s.name == server.name)
                })
                .map_or(0, |server| server.numeric_id),
        });
        SessionReport {
            key: self.key(),
            id: self.id,
            peer: self.peer.get(),
            frontend: party(self.frontend),
            listener: listeners.get(self.listener).map_or(0, |l| l.numeric_id),
            backend: backend.map(party),
            server,
            accepted: self.accepted,
            age: now.saturating_duration_since(self.since),
            calls: self.calls.get(),
            expires: self
                .expires
                .get()
                .map(|at| at.saturating_duration_since(now)),
            descriptor: self.descriptor,
        }
    }

    /// What tells it from the others while it lives.
    fn key(self: &Rc<Self>) -> u64 {
        Rc::as_ptr(self) as usize as u64
    }
}

/// Which sessions to end.
#[derive(Clone, Debug)]
pub(crate) enum Whom {
    /// The one with that key.
    Key(u64),
    /// Those that are connected to that server.
    Server(Arc<Server>),
}

/// The sessions of one worker.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    cards: RefCell<slab::Slab<Rc<Card>>>,
    /// Who waits for the last of them to end.
    awaited: RefCell<Option<Waker>>,
}

impl Roster {
    /// Adds one; the number is for [`Roster::remove`].
    pub(crate) fn add(&self, card: Rc<Card>) -> usize {
        self.cards.borrow_mut().insert(card)
    }

    /// Removes one.
    pub(crate) fn remove(&self, place: usize) {
        let gone = self.cards.borrow_mut().try_remove(place);
        drop(gone);
        if self.cards.borrow().is_empty()
            && let Some(waker) = self.awaited.take()
        {
            waker.wake();
        }
    }

    /// Ready when there are none.
    pub(crate) async fn emptied(&self) {
        poll_fn(|cx| {
            if self.cards.borrow().is_empty() {
                return Poll::Ready(());
            }
            *self.awaited.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// What can be told about all of them.
    pub(crate) fn report(&self) -> Vec<SessionReport> {
        let now = Instant::now();
        self.cards
            .borrow()
            .iter()
            .map(|(_, card)| card.report(now))
            .collect()
    }

    /// Ends the sessions of that generation and of those before it, at once.
    pub(crate) fn cut(&self, generation: u64) {
        for (_, card) in self.cards.borrow().iter() {
            if card.generation.number <= generation {
                card.cut();
            }
        }
    }

    /// Ends those that are meant, and answers how many there were.
    pub(crate) fn end(&self, whom: &Whom) -> usize {
        let cards = self.cards.borrow();
        let meant = cards.iter().filter(|(_, card)| match whom {
            Whom::Key(key) => card.key() == *key,
            Whom::Server(server) => {
                let connected = card.server.borrow();
                connected.as_ref().is_some_and(|s| Arc::ptr_eq(s, server))
            }
        });
        meant.map(|(_, card)| card.end()).count()
    }
}
