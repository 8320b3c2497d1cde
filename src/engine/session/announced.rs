//! `accept-proxy`: a connection begins with a header that says who the client is.

use std::future::poll_fn;
use std::task::Poll;

use super::Session;
use crate::engine::buffer::Buffer;
use crate::engine::deadline;
use crate::proxy_header::received::{self, Mistake};

/// Why there is no header.
enum Failure {
    /// What came is none.
    Mistake(Mistake),
    /// Nothing came.
    Nothing(&'static str),
}

impl Session {
    /// Whether clients of this listener are announced.
    pub(super) fn expects_header(&self) -> bool {
        let listener = self.proxy().listeners.get(self.listener);
        listener.is_some_and(|listener| listener.accept_proxy)
    }

    /// Reads the header, and takes over what it says. `false` when there is none: then the
    /// connection is not worth another word. The header is looked at before it is taken, so that
    /// what stands behind it, or instead of it, stays where it is: to end the connection resets it.
    pub(super) async fn read_announcement(&mut self) -> bool {
        let mut buffer = Buffer::default();
        let failure = self.look(&mut buffer).await.err();
        buffer.clear(&self.worker.pool);
        let Some(failure) = failure else { return true };
        self.count_without_session();
        match failure {
            Failure::Mistake(mistake) => self.log_unannounced(&mistake),
            Failure::Nothing(_) if self.proxy().options.dontlognull => {}
            Failure::Nothing(what) => {
                self.log_unannounced(&format_args!(
                    "{what} while waiting for PROXY protocol header"
                ));
            }
        }
        false
    }

    async fn look(&mut self, buffer: &mut Buffer) -> Result<(), Failure> {
        let limit = deadline::after(self.started, self.proxy().timeouts.client);
        let size = self.generation.plan.global.tune.bufsize as usize;
        let header = poll_fn(|cx| {
            let room = buffer.room(&self.worker.pool, size);
            let seen = match self.client.socket.poll_peek(cx, room) {
                Poll::Pending => {
                    buffer.release(&self.worker.pool);
                    let late = self.deadline.poll(cx, limit);
                    return late.map(|()| Err(Failure::Nothing("Timeout")));
                }
                Poll::Ready(Ok(0)) => Err(Failure::Nothing("Connection closed")),
                Poll::Ready(Err(_)) => Err(Failure::Nothing("Connection error")),
                Poll::Ready(Ok(n)) => received::read(&room[..n]).map_err(Failure::Mistake),
            };
            Poll::Ready(seen)
        })
        .await?;
        let room = buffer.room(&self.worker.pool, size);
        let taken = self.client.socket.take(&mut room[..header.length]);
        if !taken.is_ok_and(|taken| taken == header.length) {
            return Err(Failure::Nothing("Connection error"));
        }
        if let Some((from, to)) = header.between {
            self.peer = Some(from);
            self.card.peer.set(Some(from));
            self.announced = Some(Box::new(to));
        }
        Ok(())
    }
}
