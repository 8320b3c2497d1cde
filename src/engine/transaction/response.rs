//! The response: received, judged, and made ready to leave.

use haproxy_cfg_grammar::Dialect;

use super::Transaction;
use super::cookies::capture_headers;
use crate::engine::accounting::Incident;
use crate::engine::duties::Duty;
use crate::engine::exchange::Outcome;
use crate::engine::session::Session;
use crate::engine::trace::Step;
use crate::http1::framing;
use crate::http1::head::Version;
use crate::http1::{
    Body, Framing, Intent, Kind, Method, Scan, Tolerance, connection_header::ResponseConnection,
};
use crate::log::{Cause, Stage, Termination};
use crate::plan::ErrorStatus;
use crate::rule::ResponseVerdict;

/// What comes of a response that is none.
const INVALID: Outcome = Outcome::Failed(
    Termination::new(Cause::Proxy, Stage::Headers),
    Some(ErrorStatus::S502),
);

impl Transaction {
    /// Scans what has come of the response. `true` when its head is complete and on its way.
    ///
    /// # Errors
    /// The outcome of an invalid head, or of one that does not fit.
    pub(crate) fn receive_response(
        &mut self,
        session: &Session,
        full: bool,
    ) -> Result<bool, Outcome> {
        let tolerance = Tolerance {
            accept_invalid: session.backend().options.accept_invalid_http_response,
            wide_uri: false,
            rtsp: session.generation.plan.dialect != Dialect::V1_4,
        };
        let dialect = session.generation.plan.dialect;
        let tune = &session.generation.plan.global.tune;
        let max_lines = super::request::max_lines(tune, dialect == Dialect::V1_4);
        loop {
            match self.response.scan(self.down.buffer.bytes_mut(), tolerance) {
                Scan::Partial if full => {
                    return Err(self.invalid_head(session, self.down.buffer.len()));
                }
                Scan::Partial => return Ok(false),
                Scan::Invalid(at) => {
                    let at = self.response.tolerated().unwrap_or(at);
                    return Err(self.invalid_head(session, at));
                }
                Scan::Complete(len) if self.response.line_count() > max_lines => {
                    return Err(self.invalid_head(session, len));
                }
                Scan::Complete(len) => {
                    session.trace(Step::Head(&self.response, self.down.buffer.bytes()));
                    if let Some(at) = self.response.tolerated() {
                        self.capture_response(session, at);
                    }
                    if dialect != Dialect::V1_4
                        && !tolerance.accept_invalid
                        && let Some(at) = self.response.odd_version(self.down.buffer.bytes())
                    {
                        return Err(self.invalid_head(session, at));
                    }
                    let status = self.response.status(self.down.buffer.bytes());
                    let interim = match dialect {
                        Dialect::V1_4 => status == 100,
                        _ => (100..200).contains(&status) && status != 101,
                    };
                    if !interim {
                        return self.prepare_response(session, status).map_err(|()| INVALID);
                    }
                    // Interim responses pass as they are; the response is still to come.
                    // Since 1.5 interim responses pass as they are.
                    if dialect == Dialect::V1_4
                        && self.response_rules(session) != ResponseVerdict::Pass
                    {
                        self.refuse_response();
                        return Err(INVALID);
                    }
                    let bytes = self.down.buffer.bytes();
                    if self.response.is_edited() {
                        self.response.write_to(bytes, &mut self.down.head);
                    } else {
                        let bytes = &bytes[self.response.leading()..len];
                        self.down.head.extend_from_slice(bytes);
                    }
                    self.down.buffer.consume(len);
                    self.response.reset(Kind::Response);
                    if self.down.buffer.is_empty() {
                        return Ok(false);
                    }
                }
            }
        }
    }

    fn prepare_response(&mut self, session: &Session, status: u16) -> Result<bool, ()> {
        let dialect = session.generation.plan.dialect;
        self.status = i32::from(status);
        let bytes = self.down.buffer.bytes();
        let version = self.response.response_version(bytes);
        if self.duties.has(Duty::Response) {
            capture_headers(
                &session.proxy().captures.response_headers,
                &self.response,
                bytes,
                &mut self.captured.response_headers,
            );
        }
        let framing =
            Framing::of_response(&self.response, bytes, version, dialect, self.method, status)
                .map_err(|_| {
                    let (at, body) = framing::wrong_length(&self.response, bytes);
                    session.capture_response(bytes.to_vec(), at, body, self.down.read);
                })?;
        self.timing.answered = Some(session.worker.now());
        self.account_response(session, i32::from(status));
        let v1_4 = dialect == Dialect::V1_4;
        let upgrades = status == 101 || (self.method == Method::Connect && status == 200);
        // Behind a CONNECT 1.4 still looks for a body, and the tunnel begins where that ends.
        self.upgraded = upgrades && (!v1_4 || framing == Framing::UntilClose || status == 101);
        if framing == Framing::Chunked && !v1_4 && !upgrades {
            self.response.remove_all(bytes, b"Content-Length");
        }
        let intent = if upgrades {
            Intent::Tunnel
        } else {
            self.intent
        };
        let request = if self.version == Version::Http09 {
            Version::Http10
        } else {
            self.version
        };
        let connection = (status >= 200).then(|| {
            ResponseConnection::look(
                &mut self.response,
                bytes,
                intent,
                &self.policy,
                request,
                version,
                framing != Framing::UntilClose,
            )
        });
        if self.duties.has(Duty::Response) && !self.treat_response(session) {
            self.refuse_response();
            return Err(());
        }
        let bytes = self.down.buffer.bytes();
        if let Some(connection) = connection {
            self.intent = connection.finish(&mut self.response, bytes);
        }
        if upgrades {
            self.intent = Intent::Tunnel;
        }
        let leading = self.response.leading();
        let len = self.response.received_len();
        if self.response.is_edited() {
            self.response.write_to(bytes, &mut self.down.head);
            self.down.buffer.consume(len);
        } else {
            self.down.buffer.consume(leading);
            self.down.scheduled = len - leading;
        }
        // `option logasap` counts the head without the empty line that ends it.
        if self.duties.has(Duty::Response) && session.proxy().logs_early() {
            let head = if self.response.is_edited() {
                self.down.head.len()
            } else {
                len - leading
            };
            self.log_early(session, head.saturating_sub(2) as u64);
        }
        self.down.body = Body::new(framing);
        if self.upgraded {
            self.up.tunnel();
            self.down.tunnel();
        }
        Ok(true)
    }

    /// Does what frontend and backend want done with a response. `false` when it must not be passed
    /// on.
    fn treat_response(&mut self, session: &Session) -> bool {
        self.remember_server(session, true);
        if self.response_rules(session) != ResponseVerdict::Pass {
            return false;
        }
        // Rules may have given it another one.
        let status = self.response.status(self.down.buffer.bytes());
        self.status = i32::from(status);
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let interim = status < 200 && (status != 101 || v1_4);
        interim || self.response_cookies(session, status)
    }

    /// Keeps an invalid head, and answers what comes of it.
    fn invalid_head(&self, session: &Session, position: usize) -> Outcome {
        // 1.4 shows as much of it as it has understood.
        if session.generation.plan.dialect == Dialect::V1_4 {
            session.trace(Step::Head(&self.response, self.down.buffer.bytes()));
        }
        self.capture_response(session, position);
        INVALID
    }

    /// Keeps a head that is not quite valid.
    fn capture_response(&self, session: &Session, position: usize) {
        let bytes = self.down.buffer.bytes().to_vec();
        session.capture_response(bytes, position, 0, self.down.read);
    }

    /// A response that a rule refuses counts as none in the log.
    fn refuse_response(&mut self) {
        self.timing.answered = None;
        self.incident = Some(Incident::ResponseDenied);
    }

    /// Whether the response is relayed unseen, and the request is whole: after an upgrade, and where
    /// the response ends with the connection anyway (in 1.4 only when nothing else was asked for).
    pub(crate) fn relays_response(&mut self, session: &Session) -> bool {
        let v1_4 = session.generation.plan.dialect == Dialect::V1_4;
        let unframed = self.down.body == Body::UntilClose && self.up.body.is_done();
        if self.upgraded || (unframed && (!v1_4 || self.is_tunnel())) {
            if self.upgraded || self.is_tunnel() || self.method == Method::Post {
                self.up.tunnel();
            }
            return true;
        }
        false
    }

    /// Whether what a client sends after its last request goes nowhere. It is taken nevertheless:
    /// what nobody has taken resets a connection that is closed.
    pub(crate) fn ignores_client(&self) -> bool {
        self.up.body == Body::UntilClose && !self.upgraded && !self.is_tunnel()
    }

    /// Whether bytes are relayed unseen once request and response are complete.
    pub(crate) fn is_tunnel(&self) -> bool {
        self.intent == Intent::Tunnel
    }
}
