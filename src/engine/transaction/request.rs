//! The request: received, judged, and made ready to leave.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;

use haproxy_cfg_grammar::Dialect;

use super::cookies::capture_headers;
use super::{End, Transaction};
use crate::engine::accounting::Incident;
use crate::engine::deadline::{after, earlier};
use crate::engine::duties::Duty;
use crate::engine::session::Session;
use crate::engine::trace::Step;
use crate::http1::connection_header::Stage as Look;
use crate::http1::framing;
use crate::http1::head::Version;
use crate::http1::{Body, Framing, FramingError, Intent, Method, Scan, Tolerance};
use crate::log::{Cause, Stage, Termination};
use crate::plan::{ErrorStatus, Tune};
use crate::rewrite::forwarded_for;

/// Longest part of a request line that a log line shows.
const LOGGED_LINE: usize = 1023;

/// How many header lines a head may have: `tune.http.maxhdr` since 1.5, derived from the size of
/// the buffer in 1.4.
pub(super) fn max_lines(tune: &Tune, v1_4: bool) -> usize {
    if v1_4 {
        (tune.bufsize as usize).div_ceil(80)
    } else {
        100
    }
}

/// What stands in a log for a request that ends before its head.
fn end(cause: Cause, status: ErrorStatus) -> End {
    End::new(Termination::new(cause, Stage::Request), Some(status))
}

/// What has come of waiting for a request.
#[derive(Clone, Copy, Debug)]
struct Received {
    result: Result<(), End>,
    /// Where there is something wrong with it, or would be without tolerance.
    wrong: Option<usize>,
}

impl Transaction {
    /// Receives a whole request head.
    pub(super) async fn receive_request(
        &mut self,
        session: &mut Session,
        first: bool,
    ) -> Result<(), End> {
        // Mostly all of it is at hand.
        let received = match self.scan_request(session) {
            Some(received) => received,
            None => self.await_request(session, first).await,
        };
        self.take_request(session, first, received)
    }

    /// Looks for the end of the head in what has come. `None` when it has not come, and may.
    fn scan_request(&mut self, session: &Session) -> Option<Received> {
        if self.up.buffer.is_empty() {
            return None;
        }
        let tune = &session.generation.plan.global.tune;
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let tolerance = Tolerance {
            accept_invalid: session.proxy().options.accept_invalid_http_request,
            wide_uri: v1_4,
            rtsp: !v1_4,
        };
        let limit = tune.unreserved();
        let wrong = match self.request.scan(self.up.buffer.bytes_mut(), tolerance) {
            Scan::Complete(len) if self.request.line_count() > max_lines(tune, v1_4) => len,
            Scan::Complete(_) => {
                return Some(Received {
                    wrong: self.request.tolerated(),
                    result: Ok(()),
                });
            }
            Scan::Invalid(at) => self.request.tolerated().unwrap_or(at),
            Scan::Partial if self.up.buffer.len() >= limit => limit,
            Scan::Partial => return None,
        };
        Some(Received {
            wrong: Some(wrong),
            result: Err(end(Cause::Proxy, ErrorStatus::S400)),
        })
    }

    /// Receives until the head has come, or will not any more.
    async fn await_request(&mut self, session: &mut Session, first: bool) -> Received {
        let limit = session.generation.plan.global.tune.unreserved();
        let timeouts = &session.proxy().timeouts;
        let (http_request, client) = (timeouts.http_request, timeouts.client);
        let delays = session.delays_acknowledgements();
        let begin = if first {
            session.started
        } else {
            session.worker.now()
        };
        let whole = after(begin, http_request);
        let failed = |cause, status| Received {
            wrong: None,
            result: Err(end(cause, status)),
        };
        poll_fn(|cx| {
            loop {
                if session.client.read_closed {
                    return Poll::Ready(failed(Cause::ClientAbort, ErrorStatus::S400));
                }
                let buffer = &mut self.up.buffer;
                if session
                    .client
                    .poll_fill(cx, buffer, &session.worker, limit)
                    .is_pending()
                {
                    if delays && !self.up.buffer.is_empty() {
                        session.client.socket.acknowledge();
                    }
                    let at = earlier(whole, after(session.client.active, client));
                    return session
                        .deadline
                        .poll(cx, at)
                        .map(|()| failed(Cause::ClientTimeout, ErrorStatus::S408));
                }
                if let Some(received) = self.scan_request(session) {
                    return Poll::Ready(received);
                }
            }
        })
        .await
    }

    /// Notes the head that was received, or what has come in its place.
    fn take_request(
        &mut self,
        session: &mut Session,
        first: bool,
        Received { wrong, result }: Received,
    ) -> Result<(), End> {
        let tune = &session.generation.plan.global.tune;
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        // A client that leaves, or says nothing, between two requests has done nothing wrong. With
        // `option http-ignore-probes` that holds as long as there is no request.
        // Neither has one that was known to have left when it got the response before.
        let silent = !self.request.started() || session.client.left;
        let innocent = !first && silent || session.proxy().options.http_ignore_probes;
        if innocent
            && let Err(mut end) = result
            && end.termination.cause != Cause::Proxy
        {
            end.status = None;
            end.logged = false;
            end.counted = false;
            return Err(end);
        }
        session.count_request();
        // 1.4 shows as much of an invalid one as it has understood.
        let understood = v1_4 && wrong.is_some_and(|at| at < tune.unreserved());
        if result.is_ok() || understood {
            session.trace(Step::Head(&self.request, self.up.buffer.bytes()));
        }
        if let Some(at) = wrong {
            session.capture_request(self.up.buffer.bytes().to_vec(), at, 0);
        }
        if let Err(mut end) = result {
            self.incident = Some(Incident::BadRequest);
            let silent = !self.request.started();
            if silent && session.proxy().options.dontlognull {
                end.logged = false;
            }
            return Err(end);
        }
        self.note_request(session);
        let measured = self.measure_request(session);
        if measured.is_err() {
            self.incident = Some(Incident::BadRequest);
        }
        measured?;
        self.timing.received = Some(session.worker.now());
        Ok(())
    }

    /// Notes what is asked of the head once it is complete.
    fn note_request(&mut self, session: &Session) {
        let bytes = self.up.buffer.bytes();
        self.method = Method::from_token(self.request.first_word(bytes));
        self.version = self.request.request_version(bytes);
        if self.duties.has(Duty::Log) {
            let line = self.request.received_start_line(bytes);
            self.request_line
                .extend_from_slice(&line[..line.len().min(LOGGED_LINE)]);
            capture_headers(
                &session.proxy().captures.request_headers,
                &self.request,
                bytes,
                &mut self.captured.request_headers,
            );
        }
    }

    /// Whether this is the request that `monitor-uri` answers.
    pub(super) fn is_monitor_request(&self, session: &Session) -> bool {
        session
            .proxy()
            .monitor_uri
            .as_ref()
            .is_some_and(|uri| self.request.second_word(self.up.buffer.bytes()) == uri.as_bytes())
    }

    /// Finds out how long the body is. What rules do to the head does not change it.
    fn measure_request(&mut self, session: &Session) -> Result<(), End> {
        let plan = &session.generation.plan;
        self.upgrade_http09(session)?;
        let bytes = self.up.buffer.bytes();
        // 1.4 takes any digits and dots for a version.
        if plan.dialect != Dialect::V1_4
            && !session.proxy().options.accept_invalid_http_request
            && let Some(at) = self.request.odd_version(bytes)
        {
            session.capture_request(bytes.to_vec(), at, 0);
            return Err(end(Cause::Proxy, ErrorStatus::S400));
        }
        let (version, dialect) = (self.version, plan.dialect);
        let framing = match Framing::of_request(&self.request, bytes, version, dialect) {
            // Whether there is harm in it is known when it is about to leave.
            Err(FramingError::TransferEncoding) if dialect != Dialect::Hapax => {
                self.is_doubtful = true;
                Framing::of_request_unguarded(&self.request, bytes, version, dialect)
            }
            framing => framing,
        };
        let framing = framing.map_err(|_| self.refuse_length(session))?;
        if framing == Framing::Chunked && dialect != Dialect::V1_4 {
            self.request.remove_all(bytes, b"Content-Length");
        }
        self.length_known = framing != Framing::UntilClose;
        self.body = Body::new(framing);
        let mut missing = self.body;
        // What is wrong with a body is found out when it is sent.
        let _ = missing.advance(&bytes[self.request.received_len()..]);
        if missing.is_awaited() && session.delays_acknowledgements() {
            session.client.socket.acknowledge();
        }
        Ok(())
    }

    fn refuse_length(&self, session: &Session) -> End {
        let bytes = self.up.buffer.bytes();
        let (at, body) = framing::wrong_length(&self.request, bytes);
        session.capture_request(bytes.to_vec(), at, body);
        end(Cause::Proxy, ErrorStatus::S400)
    }

    /// Lets no request leave whose end a server may find elsewhere, when that could make another
    /// request of what follows: one that no rule has seen. It cannot where nothing follows on the
    /// connection, nor in a tunnel, where rules see the first request only.
    fn guard_length(&mut self, session: &Session) -> Result<(), End> {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        if self.intent == Intent::Tunnel && (v1_4 || !self.policy.is_passive_close()) {
            return Ok(());
        }
        let ends = matches!(self.intent, Intent::ServerClose | Intent::Close);
        if self.is_doubtful && !(ends && self.body.is_done()) {
            self.incident = Some(Incident::BadRequest);
            self.timing.received = None;
            return Err(self.refuse_length(session));
        }
        // 1.4 leaves both to the server, which may believe the other one.
        if v1_4 && matches!(self.body, Body::Chunked(_)) {
            let bytes = self.up.buffer.bytes();
            self.request.remove_all(bytes, b"Content-Length");
        }
        Ok(())
    }

    /// Fixes what happens to the connections, and lets what is at hand leave.
    pub(super) fn prepare_request(&mut self, session: &mut Session) -> Result<(), End> {
        let plan = &session.generation.plan;
        let (frontend, backend) = (session.proxy(), session.backend());
        let bytes = self.up.buffer.bytes();
        forwarded_for::add(
            &mut self.request,
            bytes,
            frontend.forwarded_for.as_ref(),
            backend.forwarded_for.as_ref(),
            session.peer,
        );
        if frontend.original_to.is_some() || backend.original_to.is_some() {
            forwarded_for::add(
                &mut self.request,
                bytes,
                frontend.original_to.as_ref(),
                backend.original_to.as_ref(),
                // HAProxy has no such header for IPv6.
                session.destination().filter(SocketAddr::is_ipv4),
            );
        }
        let facts = self.connection_facts(session);
        self.connection
            .look(&mut self.request, bytes, &self.policy, Look::Joint, facts);
        self.intent = self
            .connection
            .finish(&mut self.request, bytes, &self.policy, facts);
        self.guard_length(session)?;
        let (backend, bytes) = (session.backend(), self.up.buffer.bytes());
        let named = backend.send_name_header.as_ref();
        if let Some(name) = named {
            self.request.remove_all(bytes, name);
        }
        let leading = self.request.leading();
        let len = self.request.received_len();
        if self.request.is_edited() || named.is_some() {
            self.request.write_to(bytes, &mut self.up.head);
            // Before the empty line.
            self.name_at = named.map(|_| self.up.head.len().saturating_sub(2));
            self.up.buffer.consume(len);
        } else {
            self.up.buffer.consume(leading);
            self.up.scheduled = len - leading;
        }
        self.up.body = self.body;
        self.delays = !(frontend.options.http_no_delay || backend.options.http_no_delay);
        let bufsize = plan.global.tune.bufsize as usize;
        if self.up.schedule(bufsize).is_err() {
            self.capture_request_body(session);
            return Err(End::new(
                Termination::new(Cause::Proxy, Stage::Headers),
                None,
            ));
        }
        Ok(())
    }

    /// 1.4 makes an HTTP/1.0 request of a line without version. Later versions refuse it, but for a
    /// GET with `option accept-invalid-http-request`.
    fn upgrade_http09(&mut self, session: &Session) -> Result<(), End> {
        let dialect = session.generation.plan.dialect;
        if self.version != Version::Http09 {
            return Ok(());
        }
        let bytes = self.up.buffer.bytes();
        let tolerated = session.proxy().options.accept_invalid_http_request
            && self.method == Method::Get
            && !self.request.second_word(bytes).is_empty();
        if dialect != Dialect::V1_4 && !tolerated {
            let line = self.request.received_start_line(bytes);
            let at = self.request.leading() + line.len();
            session.capture_request(bytes.to_vec(), at, 0);
            return Err(end(Cause::Proxy, ErrorStatus::S400));
        }
        let mut line = self.request.received_start_line(bytes).to_vec();
        if self.request.second_word(bytes).is_empty() {
            line.extend_from_slice(b" /");
        }
        line.extend_from_slice(b" HTTP/1.0");
        self.request.set_start_line(&line);
        Ok(())
    }
}
