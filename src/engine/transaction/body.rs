//! Bodies that are waited for before anything is done with a request: `option http-buffer-request`
//! (manual 1.8, section 4.2), `balance url_param ... check_post`, the form of the statistics page.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::{End, Transaction};
use crate::engine::accounting::Incident;
use crate::engine::deadline::{after, earlier};
use crate::engine::session::{Session, say};
use crate::http1::Body;
use crate::http1::head::Version;
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, ProxyId};

/// Why waiting has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// With as much as was wanted, or as fits.
    Enough,
    /// The client sends no more.
    Short,
    /// It took too long.
    Late,
}

/// How long a body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// When it must be there.
    pub(super) whole: Option<Instant>,
    /// For how long nothing may come.
    pub(super) silence: Option<Duration>,
}

impl Transaction {
    /// Waits until what has come of the body is `enough`, or `limit` bytes of the whole request are
    /// at hand. A client that asks first is told to send it
    /// (RFC 9110, section 10.1.1); since 1.5 the server is not asked any more.
    pub(super) async fn await_body(
        &mut self,
        session: &mut Session,
        patience: Patience,
        limit: usize,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Came {
        let head = self.request.received_len();
        let suffices =
            |bytes: &[u8]| bytes.len() >= limit || enough(bytes.get(head..).unwrap_or_default());
        if suffices(self.up.buffer.bytes()) {
            return Came::Enough;
        }
        if self.expects_continue() {
            let told = say(session, b"HTTP/1.1 100 Continue\r\n\r\n").await;
            self.down.read += told as u64;
            if session.generation.plan.dialect != Dialect::V1_4 {
                self.request.remove_all(self.up.buffer.bytes(), b"Expect");
            }
        }
        poll_fn(|cx| {
            loop {
                let buffer = &mut self.up.buffer;
                if suffices(buffer.bytes()) {
                    return Poll::Ready(Came::Enough);
                }
                if session.client.read_closed {
                    return Poll::Ready(Came::Short);
                }
                if session
                    .client
                    .poll_fill(cx, buffer, &session.worker, limit)
                    .is_pending()
                {
                    let silence = after(session.client.active, patience.silence);
                    let at = earlier(patience.whole, silence);
                    return session.deadline.poll(cx, at).map(|()| Came::Late);
                }
            }
        })
        .await
    }

    /// What a body that did not come in time ends in.
    pub(super) fn too_late(&mut self) -> End {
        self.incident = Some(Incident::BadRequest);
        let late = Termination::new(Cause::ClientTimeout, Stage::Data);
        End::new(late, Some(ErrorStatus::S408))
    }

    fn expects_continue(&self) -> bool {
        let bytes = self.up.buffer.bytes();
        let expect = self.request.find(bytes, b"Expect", None);
        self.version == Version::Http11
            && expect.is_some_and(|line| {
                let value = self.request.value(bytes, line).trim_ascii();
                value.eq_ignore_ascii_case(b"100-continue")
            })
    }

    /// `option http-buffer-request` of a proxy.
    pub(super) async fn buffer_request(
        &mut self,
        session: &mut Session,
        id: ProxyId,
    ) -> Result<(), End> {
        let proxy = session.generation.proxy(id);
        if !proxy.options.http_buffer_request {
            return Ok(());
        }
        let timeout = proxy.timeouts.http_request;
        let result = self.await_content(session, timeout, usize::MAX).await;
        if result.is_err() {
            // The log does not say when the request was complete.
            self.timing.received = None;
        }
        result
    }

    /// Waits until so much of the body has come, or all of it; of a chunked one the first chunk.
    pub(super) async fn await_content(
        &mut self,
        session: &mut Session,
        timeout: Option<Duration>,
        wanted: usize,
    ) -> Result<(), End> {
        let body = self.body;
        if body.is_done() {
            return Ok(());
        }
        let enough = |come: &[u8]| {
            first_content(body, come)
                .is_none_or(|(content, whole)| whole || content.len() >= wanted)
        };
        let patience = Patience {
            whole: after(session.worker.now(), timeout),
            silence: session.proxy().timeouts.client,
        };
        let limit = session.generation.plan.global.tune.unreserved();
        let came = self.await_body(session, patience, limit, enough).await;
        if came == Came::Late {
            return Err(self.too_late());
        }
        self.timing.received = Some(session.worker.now());
        let come = self.up.buffer.bytes().get(self.request.received_len()..);
        if first_content(body, come.unwrap_or_default()).is_none() {
            self.timing.received = None;
            self.incident = Some(Incident::BadRequest);
            let wrong = Termination::new(Cause::Proxy, Stage::Request);
            return Err(End::new(wrong, Some(ErrorStatus::S400)));
        }
        Ok(())
    }
}

/// What has come of the content of a body, of a chunked one that of its first chunk, and whether that
/// is all of it. `None` when no chunk begins like that.
pub(super) fn first_content(body: Body, come: &[u8]) -> Option<(&[u8], bool)> {
    match body {
        Body::Chunked(_) => first_chunk(come),
        Body::Length(left) => {
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            Some((&come[..come.len().min(left)], come.len() >= left))
        }
        _ => Some((come, true)),
    }
}

/// The content of the first chunk, as far as it has come, and whether that is all of it. `None` when
/// no chunk begins like that.
fn first_chunk(body: &[u8]) -> Option<(&[u8], bool)> {
    let Some(end) = memchr::memchr(b'\n', body) else {
        return body
            .first()
            .is_none_or(u8::is_ascii_hexdigit)
            .then_some((&[], false));
    };
    let mut size = None;
    for digit in body[..end]
        .iter()
        .map_while(|b| char::from(*b).to_digit(16))
    {
        let before: usize = size.unwrap_or(0);
        size = Some(before.saturating_mul(16).saturating_add(digit as usize));
    }
    let content = &body[end + 1..];
    let size = size?;
    Some((&content[..content.len().min(size)], content.len() >= size))
}

#[cfg(test)]
mod tests {
    use super::first_chunk;

    #[test]
    fn chunks() {
        let found = |body: &'static str| first_chunk(body.as_bytes());
        assert_eq!(
            found("5\r\nuid=2\r\n0\r\n\r\n"),
            Some((&b"uid=2"[..], true))
        );
        assert_eq!(found("A;x=y\r\nuid"), Some((&b"uid"[..], false)));
        assert_eq!(found("5"), Some((&b""[..], false)));
        assert_eq!(found(""), Some((&b""[..], false)));
        let huge = "fffffffffffffffffffff\r\nuid";
        assert_eq!(found(huge), Some((&b"uid"[..], false)));
        assert_eq!(found("zz\r\nuid"), None);
    }
}
