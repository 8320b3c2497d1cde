//! Takes connections from one listening socket, within the limits of process and frontend.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, SocketFlags};

use super::admission::{self, Held, Places};
use super::listening::ListenerKey;
use super::poller;
use super::session::{self, Accepted};
use super::socket::Socket;
use super::worker::Worker;

/// How long accepting rests when the process has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Accepts until dropped.
pub(crate) async fn run(worker: Rc<Worker>, key: ListenerKey, fd: Arc<OwnedFd>) {
    let fd = match poller::register_shared(fd) {
        Ok(fd) => fd,
        Err(error) => {
            tracing::error!(%error, ?key, "cannot watch a listening socket");
            return;
        }
    };
    loop {
        let Ok(mut ready) = fd.readable().await else {
            return;
        };
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
        match net::acceptfrom_with(fd.get_ref().as_fd(), flags) {
            Ok((socket, peer)) => {
                let peer = peer.and_then(|address| SocketAddr::try_from(address).ok());
                let number = worker.generation().number;
                let (of, key) = (Rc::clone(&worker), key.clone());
                match places {
                    Some(places) if waited || admission::passes(&of, &key) => {
                        worker.spawn(number, serve(of, key, socket, peer, places));
                    }
                    _ => worker.spawn(number, async move {
                        let places = admission::enter(&of, &key).await;
                        drop(held);
                        if let Some(places) = places {
                            serve(of, key, socket, peer, places).await;
                        }
                    }),
                }
            }
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Begins a session on a connection that was accepted.
async fn serve(
    worker: Rc<Worker>,
    key: ListenerKey,
    socket: OwnedFd,
    peer: Option<SocketAddr>,
    entered: Places,
) {
    let generation = worker.generation();
    let Some((proxy, listener)) = generation.listener(&key) else {
        // Between the swap of the plan and the order to close this socket.
        return;
    };
    let accepted = Accepted {
        socket: Socket::new(socket),
        peer,
        proxy,
        listener,
        entered,
    };
    session::run(worker, generation, accepted).await;
}
