//! Takes connections from one listening socket, within the limits of process and frontend.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use tokio::time::Instant;

use super::listening::ListenerKey;
use super::live::{Entered, Gate};
use super::poller;
use super::roster::Card;
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
        let Some((process, frontend)) = enter(&worker, &key).await else {
            return;
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match net::acceptfrom_with(fd.get_ref().as_fd(), flags) {
            Ok((socket, peer)) => {
                let generation = worker.generation();
                let Some((proxy, listener)) = generation.listener(&key) else {
                    // Between the swap of the plan and the order to close this socket.
                    continue;
                };
                process.confirm();
                frontend.confirm();
                let accepted = Accepted {
                    socket: Socket::new(socket),
                    peer: peer.and_then(|address| SocketAddr::try_from(address).ok()),
                    proxy,
                    listener,
                    entered: (process, frontend),
                };
                let card = Rc::new(Card::new(
                    worker.number_session(),
                    &generation,
                    (proxy, listener),
                    accepted.peer,
                    accepted.socket.fd().as_raw_fd(),
                    Instant::now(),
                ));
                let session =
                    session::run(Rc::clone(&worker), generation, accepted, Rc::clone(&card));
                worker.spawn(card, session);
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

/// Waits until process and frontend have room for one more. `None` when the socket belongs to no
/// frontend any more.
async fn enter(worker: &Worker, key: &ListenerKey) -> Option<(Entered, Entered)> {
    loop {
        let generation = worker.generation();
        let (proxy, _) = generation.listener(key)?;
        let registry = &worker.shared.registry;
        let gates: [(&Arc<Gate>, u32); 2] = [
            (&registry.process, generation.plan.global.maxconn),
            (
                &generation.handles(proxy).frontend.sessions,
                generation.proxy(proxy).maxconn,
            ),
        ];
        let process = enter_one(gates[0]).await;
        if let Some(frontend) = gates[1].0.try_enter(gates[1].1) {
            return Some((process, frontend));
        }
        // A full frontend must not hold a place that another could use.
        drop(process);
        drop(enter_one(gates[1]).await);
    }
}

async fn enter_one((gate, limit): (&Arc<Gate>, u32)) -> Entered {
    loop {
        if let Some(entered) = gate.try_enter(limit) {
            return entered;
        }
        let room = gate.room();
        tokio::pin!(room);
        room.as_mut().enable();
        if let Some(entered) = gate.try_enter(limit) {
            return entered;
        }
        room.await;
    }
}
