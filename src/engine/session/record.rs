//! What a session writes into the log.

use std::fmt;
use std::time::SystemTime;

use chrono::{DateTime, Local};
use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use super::{Session, millis};
use crate::engine::live::Server;
use crate::engine::target::StartError;
use crate::log::{Cause, Counts, HttpPart, Record, Termination, Timers};
use crate::plan::{LogFormat, Mode, Severity};
use crate::regular_expression;

/// What a session knows for its log line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Name of the server.
    pub(crate) server: Option<&'a str>,
    /// Durations.
    pub(crate) timers: Timers,
    /// Bytes sent to the client.
    pub(crate) bytes: u64,
    /// How it ended.
    pub(crate) termination: Termination,
    /// Counters.
    pub(crate) counts: Counts,
    /// Connection attempts after the first.
    pub(crate) retries: u32,
    /// Whether another server was tried.
    pub(crate) redispatched: bool,
    /// For HTTP.
    pub(crate) http: Option<HttpPart<'a>>,
}

/// When a line is written, which decides where the session still counts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// While the response passes: `option logasap`.
    Early,
    /// Between two transactions of a client.
    Between {
        /// Whether the connection to the server goes on as well.
        server_stays: bool,
    },
    /// When the session ends.
    End,
}

impl Written {
    /// After an answer of the proxy's own, which no server has a part in.
    pub(crate) fn after_own_answer(client_stays: bool) -> Self {
        if client_stays {
            Self::Between {
                server_stays: false,
            }
        } else {
            Self::End
        }
    }
}

impl Session {
    /// The wall clock when the request, or the connection for the first, began.
    fn began(&self) -> DateTime<Local> {
        let ago = self.worker.now().saturating_duration_since(self.started);
        let now = SystemTime::now();
        now.checked_sub(ago).unwrap_or(now).into()
    }

    fn listener_number(&self) -> u32 {
        let listener = self.proxy().listeners.get(self.listener);
        listener.map_or(0, |listener| listener.numeric_id)
    }

    /// The counters that a log line shows: what others have of each place, and this session where it
    /// counts itself at that moment, whether or not it has left already.
    pub(crate) fn counts(&self, moment: Written, server: Option<&Server>) -> Counts {
        let v1_4 = self.generation.plan.dialect == Dialect::V1_4;
        let (client, backend, own_server) = match moment {
            Written::Early => (true, true, true),
            // 1.4 parts with the server after the line is written.
            Written::Between { server_stays } => (true, false, v1_4 || server_stays),
            Written::End => (!v1_4, false, false),
        };
        let count = |now: u32, is_in: bool, shows: bool| {
            now.saturating_sub(u32::from(is_in)) + u32::from(shows)
        };
        let entered = self.entered.is_some();
        let in_backend = self.in_backend.is_some();
        let link = self.server.as_ref().filter(|link| link.slot.is_some());
        let process = self.worker.shared.registry.process.now();
        let frontend = self.frontend_handles().frontend.sessions.now();
        let joined = self.backend_handles().backend.sessions.now();
        Counts {
            process: count(process, entered, client),
            frontend: count(frontend, entered, client),
            backend: count(joined, in_backend, in_backend && backend),
            server: server.map_or(0, |live| {
                count(
                    live.sessions(),
                    link.is_some(),
                    link.is_some() && own_server,
                )
            }),
            ..Counts::default()
        }
    }

    /// Milliseconds since the session or request began.
    pub(crate) fn elapsed(&self, at: Instant) -> i64 {
        millis(at.saturating_duration_since(self.started))
    }

    /// A rule's pattern that PCRE has given up on is worth a line in the log: whoever wrote it should
    /// know, and who sends such requests, too.
    pub(crate) fn report_hopeless_pattern(&self) {
        let Some(found) = regular_expression::last_given_up() else {
            return;
        };
        let proxy = self.proxy();
        let text = format!(
            "Proxy {}: searching for '{}' was given up: {} ({} times so far).",
            proxy.name,
            found.pattern,
            found.reason,
            regular_expression::given_up(),
        );
        let global = &self.generation.plan.global;
        let targets = &proxy.log_targets;
        self.worker
            .log
            .send(targets, global, WARNING, text.as_bytes());
    }

    /// Writes the log line of a session or request, unless options say not to. `false` when it was
    /// left out because nothing is out of the ordinary: should that change, there is a line at the
    /// end.
    pub(crate) fn log(&self, line: &Line<'_>) -> bool {
        let proxy = self.proxy();
        if proxy.log_targets.is_empty() || proxy.log_format == LogFormat::Default {
            return true;
        }
        let mut termination = line.termination;
        if self.card.is_ended() {
            termination.cause = Cause::Killed;
        }
        // A line of TCP has no status, so that 1.4 sees none in it.
        let v1_4 = self.generation.plan.dialect == Dialect::V1_4;
        let has_status = !v1_4 || matches!(proxy.log_format, LogFormat::Http | LogFormat::Clf);
        let status = line.http.filter(|_| has_status).map(|http| http.status);
        // What the proxy answers by itself is no error.
        let abnormal = !matches!(termination.cause, Cause::Normal | Cause::Local)
            || (termination.is_normal() && line.retries > 0)
            || line.redispatched
            || status.is_some_and(|status| status >= 500);
        if proxy.options.dontlog_normal && !abnormal {
            return false;
        }
        let mut counts = line.counts;
        counts.retries = line.retries;
        counts.redispatched = line.redispatched;
        let record = Record {
            client: self.peer,
            listener: self.listener_number(),
            accepted: self.began(),
            frontend: &proxy.name,
            backend: &self.backend().name,
            server: match proxy.log_format {
                LogFormat::Captures => Some("-"),
                _ => line.server,
            },
            timers: line.timers,
            bytes: line.bytes,
            termination,
            counts,
            early: proxy.logs_early(),
        };
        let compose = |text: &mut Vec<u8>| match (&line.http, proxy.log_format) {
            (Some(http), LogFormat::Http) => record.http(http, text),
            (Some(http), LogFormat::Clf) => record.clf(http, self.generation.plan.dialect, text),
            _ => record.tcp(text),
        };
        let severity = if abnormal && proxy.options.log_separate_errors {
            ERR
        } else {
            INFO
        };
        let global = &self.generation.plan.global;
        let fields = || record.fields(line.http.as_ref());
        self.worker
            .log
            .send_with(&proxy.log_targets, global, severity, compose, fields);
        true
    }

    /// A connection to a server that has no own end is worth a line: it is the machine that lacks it.
    pub(crate) fn report_no_start(&self, error: &StartError) {
        let backend = &self.backend_handles().backend;
        match error {
            StartError::Source(_) => backend.tell_of_no_source(),
            error if error.lacks_port() => backend.tell_of_no_port(),
            StartError::Connect(_) => {}
        }
    }

    /// The line of a connection that has not begun as it must.
    pub(super) fn log_unannounced(&self, why: &dyn fmt::Display) {
        let proxy = self.proxy();
        if proxy.log_targets.is_empty() {
            return;
        }
        let listener = proxy.listeners.get(self.listener);
        let name = listener.and_then(|listener| listener.name.clone());
        let name = name.unwrap_or_else(|| self.listener_number().to_string());
        let record =
            Record::of_connection(self.peer, self.listener_number(), self.began(), &proxy.name);
        let mut text = Vec::new();
        record.unannounced(&name, why, &mut text);
        let global = &self.generation.plan.global;
        self.worker
            .log
            .send(&proxy.log_targets, global, INFO, &text);
    }

    /// The line of a session without a log format, written when it begins.
    pub(super) fn log_connect(&self) {
        let proxy = self.proxy();
        if proxy.log_targets.is_empty() || proxy.log_format != LogFormat::Default {
            return;
        }
        let Some(to) = self.destination() else {
            return;
        };
        let record =
            Record::of_connection(self.peer, self.listener_number(), self.began(), &proxy.name);
        let mode = if proxy.mode == Mode::Http {
            "HTTP"
        } else {
            "TCP"
        };
        let compose = |text: &mut Vec<u8>| record.connect(to, mode, text);
        let global = &self.generation.plan.global;
        let fields = || record.connect_fields(to);
        self.worker
            .log
            .send_with(&proxy.log_targets, global, INFO, compose, fields);
    }
}

const INFO: Severity = Severity(6);
const WARNING: Severity = Severity(4);
const ERR: Severity = Severity(3);
