//! Takes connections from one listening socket, within the limits of process and frontend.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use tokio::time::Instant;

use super::admission::{self, Held};
use super::listening::ListenerKey;
use super::poller::{Direction, Watch};
use super::roster::Card;
use super::runner;
use super::session::{self, Accepted};
use super::socket::Socket;
use super::timers;
use super::worker::Worker;

/// How long accepting rests when the process has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Connections that are accepted before others get their turn.
const BATCH: u32 = 64;

/// A listening socket, watched.
struct Listening {
    fd: Arc<OwnedFd>,
    watch: Watch,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The control thread and other processes may hold the same socket.
        self.watch.unwatch(&*self.fd);
    }
}

impl Listening {
    async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.watch.poll_ready(cx, &*self.fd, Direction::Read)).await
    }
}

/// Accepts until dropped.
pub(crate) async fn run(worker: Rc<Worker>, key: ListenerKey, fd: Arc<OwnedFd>) {
    let listening = match Watch::new(&*fd, Direction::Read) {
        Ok(watch) => Listening { fd, watch },
        Err(error) => {
            tracing::error!(%error, ?key, "cannot watch a listening socket");
            return;
        }
    };
    let mut batch = 0;
    loop {
        if listening.readable().await.is_err() {
            return;
        }
        let mut places = admission::try_enter(&worker, &key);
        let mut held = None;
        let mut waited = false;
        if places.is_none() {
            held = Held::new(&worker);
            if held.is_none() {
                places = admission::enter(&worker, &key).await;
                waited = true;
            }
        }
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match net::acceptfrom_with(&*listening.fd, flags) {
            Ok((socket, peer)) => {
                let generation = worker.generation();
                let Some((proxy, listener)) = generation.listener(&key) else {
                    // Between the swap of the plan and the order to close this socket.
                    continue;
                };
                let socket = Socket::new(socket);
                let peer = peer.and_then(|address| SocketAddr::try_from(address).ok());
                let card = Rc::new(Card::new(
                    worker.number_session(),
                    &generation,
                    (proxy, listener),
                    peer,
                    (socket.fd().as_raw_fd(), listening.fd.as_raw_fd()),
                    Instant::now(),
                ));
                let free = waited || admission::passes(&worker.shared.registry, &generation, proxy);
                if let Some(places) = places.filter(|_| free) {
                    places.confirm();
                    let accepted = Accepted {
                        socket,
                        peer,
                        proxy,
                        listener,
                        places,
                    };
                    let own = Rc::clone(&card);
                    let session = session::run(Rc::clone(&worker), generation, accepted, own);
                    worker.spawn(card, session);
                } else {
                    let own = Rc::clone(&card);
                    let later = hold(Rc::clone(&worker), key.clone(), (socket, peer), held, own);
                    worker.spawn(card, later);
                }
                batch += 1;
                if batch == BATCH {
                    batch = 0;
                    runner::yield_now().await;
                }
            }
            Err(Errno::AGAIN) => {
                batch = 0;
                listening.watch.blocked(Direction::Read);
            }
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                worker.spare_descriptors();
                timers::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Keeps a connection until it may begin.
async fn hold(
    worker: Rc<Worker>,
    key: ListenerKey,
    (socket, peer): (Socket, Option<SocketAddr>),
    held: Option<Held>,
    card: Rc<Card>,
) {
    let Some(places) = admission::enter(&worker, &key).await else {
        return;
    };
    places.confirm();
    drop(held);
    let generation = worker.generation();
    let Some((proxy, listener)) = generation.listener(&key) else {
        return;
    };
    let accepted = Accepted {
        socket,
        peer,
        proxy,
        listener,
        places,
    };
    session::run(worker, generation, accepted, card).await;
}
