//! Suites and recorded results, as they lie in `corpus/wire/`.
//!
//! A suite is one configuration with many cases; a case is what the clients do and how the
//! origin servers answer. `corpus/wire/README.md` describes the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::recorded::{SuiteError, load, parse, read};

/// One configuration and the cases that are played against it.
#[derive(Debug, Deserialize)]
pub struct Suite {
    /// The lines of the configuration, placeholders in them.
    pub(super) config: Vec<String>,
    /// The cases, in file order.
    pub cases: Vec<Rc<Case>>,
    /// One case at a time, so that a connection belongs to the one that is running.
    #[serde(default)]
    pub(super) serial: bool,
    /// Cases at once, when fewer than usual are needed.
    pub(super) jobs: Option<usize>,
    /// Whether syslog lines belong to the results.
    #[serde(default)]
    pub(super) logs: bool,
    /// A log line without the client's port goes to the case whose tag it shows.
    #[serde(default)]
    pub(super) log_by_tag: bool,
    /// Record when connections ended, rounded to so many milliseconds.
    #[serde(rename = "timing")]
    pub(super) timing_ms: Option<u32>,
    /// How long to watch after the last step of the client.
    #[serde(rename = "window", default = "default_window_ms")]
    pub(super) window_ms: u64,
    /// How long a client waits for a response.
    #[serde(rename = "resp_max", default = "default_response_ms")]
    pub(super) response_ms: u64,
    /// How long to wait between the start of the proxy and the first case.
    #[serde(rename = "warmup", default = "default_warmup_ms")]
    pub(super) warmup_ms: u64,
    /// How long a case may take.
    #[serde(rename = "limit", default = "default_limit_s")]
    pub(super) limit_s: f64,
    /// Patterns replaced in everything that is compared.
    #[serde(default)]
    pub(super) normalise: Vec<(String, String)>,
    /// Files written to `{dir}`.
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    /// What origins do in cases that do not say it, per connection.
    #[serde(default)]
    pub(super) origin: Vec<Vec<OriginStep>>,
    /// The answer to connections that belong to no case, such as health checks.
    #[serde(default = "default_untagged")]
    pub(super) untagged: String,
    /// The whole file, to find the placeholders in.
    #[serde(skip)]
    pub(super) source: String,
}

/// What one client does, and what the origins answer.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// Unique in its suite.
    pub id: String,
    pub(super) client: Vec<ClientStep>,
    /// A script for each connection; the last one repeats.
    #[serde(default)]
    pub(super) origin: Vec<Vec<OriginStep>>,
    /// Origins whose connections all belong to this case.
    #[serde(default)]
    pub(super) owns: Vec<String>,
    /// How many log lines to wait for.
    #[serde(default = "default_log_lines")]
    pub(super) log_lines: usize,
    #[serde(rename = "window")]
    pub(super) window_ms: Option<u64>,
    #[serde(rename = "limit")]
    pub(super) limit_s: Option<f64>,
}

impl Case {
    /// What the client sends, in order.
    pub fn sent(&self) -> impl Iterator<Item = &str> {
        self.client.iter().filter_map(|step| match &step.action {
            ClientAction::Send { send } => Some(send.as_str()),
            _ => None,
        })
    }
}

/// One step of a client.
#[derive(Debug, Deserialize)]
pub(super) struct ClientStep {
    /// The connection that is meant, when it is not the last one used.
    pub(super) on: Option<String>,
    #[serde(flatten)]
    pub(super) action: ClientAction,
}

/// The fields are those of the files; `*_ms` are milliseconds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ClientAction {
    Connect {
        connect: String,
    },
    Send {
        send: String,
    },
    /// Waits for so many responses, then a moment longer for the end of the connection.
    Responses {
        #[serde(rename = "resp")]
        count: usize,
        #[serde(default)]
        head: bool,
        #[serde(rename = "max")]
        max_ms: Option<u64>,
        #[serde(rename = "settle", default = "default_settle_ms")]
        settle_ms: u64,
    },
    Sleep {
        #[serde(rename = "sleep")]
        ms: u64,
    },
    Idle {
        #[serde(rename = "idle")]
        ms: u64,
    },
    Until {
        until: String,
        #[serde(rename = "max", default = "default_response_ms")]
        max_ms: u64,
    },
    End {
        #[serde(rename = "end")]
        ms: u64,
    },
    HalfClose {
        #[serde(rename = "shut")]
        _shut: bool,
    },
    Close {
        #[serde(rename = "close")]
        _close: bool,
    },
    Reset {
        #[serde(rename = "rst")]
        _rst: bool,
    },
}

/// One step of an origin server on one connection.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OriginStep {
    Each {
        each: Vec<Self>,
    },
    Requests {
        #[serde(rename = "req")]
        count: usize,
    },
    Until {
        until: String,
    },
    Send {
        send: String,
    },
    Sleep {
        #[serde(rename = "sleep")]
        ms: u64,
    },
    HalfClose {
        #[serde(rename = "close", alias = "shut")]
        _close: bool,
    },
    HardClose {
        #[serde(rename = "hardclose")]
        _close: bool,
    },
    Reset {
        #[serde(rename = "rst")]
        _rst: bool,
    },
}

/// What crossed the wire in one case, normalised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// The connections of the clients, in the order they were made.
    pub clients: Vec<Side>,
    /// The connections to origins, in the order they were recognised; absent when not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<Side>>,
    /// The log lines, when the suite has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<String>>,
}

/// One connection of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The origin's name; clients have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Everything that this peer received.
    pub rx: String,
    /// How the connection ended.
    pub end: String,
    /// How each waiting step of a client went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// When it ended, in milliseconds after the last thing that the client sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

/// What a case came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// It was played to its end.
    Played(Transcript),
    /// It could not be played.
    Failed {
        /// Why.
        failed: String,
    },
}

/// The recorded results of one suite with one version of HAProxy.
#[derive(Debug, Deserialize)]
pub struct Golden {
    /// By case.
    pub cases: BTreeMap<String, Recorded>,
}

/// A recorded result.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Recorded {
    /// Always the same.
    Stable(Transcript),
    /// The release itself did not do the same twice; says nothing.
    Unstable {
        /// Always true.
        #[serde(rename = "unstable")]
        _unstable: bool,
    },
}

impl Suite {
    /// Reads a suite.
    pub fn load(path: &Path) -> Result<Self, SuiteError> {
        Self::from_json(path, read(path)?)
    }

    /// A suite from its text; the name is for messages.
    pub fn from_json(name: &Path, source: String) -> Result<Self, SuiteError> {
        let mut suite: Self = parse(name, &source)?;
        suite.source = source;
        Ok(suite)
    }

    /// Adds a line to the end of a section, named by its keyword and its name. Answers whether
    /// there is such a section.
    pub fn amend(&mut self, section: &str, line: &str) -> bool {
        let Some(start) = self.config.iter().position(|l| l.trim_end() == section) else {
            return false;
        };
        let rest = &self.config[start + 1..];
        let len = rest
            .iter()
            .position(|l| !l.starts_with(char::is_whitespace) && !l.trim().is_empty());
        let end = len.map_or(self.config.len(), |len| start + 1 + len);
        self.config.insert(end, line.to_owned());
        true
    }
}

impl Golden {
    /// Reads the recorded results of a suite.
    pub fn load(path: &Path) -> Result<Self, SuiteError> {
        load(path)
    }
}

fn default_window_ms() -> u64 {
    400
}

fn default_response_ms() -> u64 {
    1500
}

fn default_warmup_ms() -> u64 {
    50
}

fn default_settle_ms() -> u64 {
    90
}

fn default_limit_s() -> f64 {
    15.0
}

fn default_log_lines() -> usize {
    1
}

fn default_untagged() -> String {
    "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
}
