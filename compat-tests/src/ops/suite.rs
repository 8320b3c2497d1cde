//! Suites and recorded transcripts, as they lie in `corpus/ops/`.
//!
//! `corpus/ops/README.md` describes the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::recorded::{SuiteError, load};

/// A group of cases about one subject.
#[derive(Debug, Deserialize)]
pub(super) struct Suite {
    /// Lines of configurations, by name.
    #[serde(default)]
    pub(super) configs: BTreeMap<String, Vec<String>>,
    /// Other files of the folder.
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    /// What the servers do; `http` unless said.
    #[serde(default)]
    pub(super) origins: BTreeMap<String, String>,
    /// Steps that several cases have.
    #[serde(default)]
    pub(super) traffic: BTreeMap<String, Vec<Step>>,
    /// Steps that come first.
    #[serde(default)]
    pub(super) setups: BTreeMap<String, Vec<Step>>,
    /// Whole answers of servers.
    #[serde(default)]
    pub(super) raw: BTreeMap<String, String>,
    /// Places on which the process never listens.
    #[serde(default)]
    pub(super) never: Vec<String>,
    #[serde(default)]
    pub(super) normalise: Vec<(String, String)>,
    pub(super) cases: Vec<Arc<Case>>,
}

/// One script.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Case {
    /// Unique in its suite.
    pub(super) id: String,
    /// The only versions for which it makes sense.
    #[serde(default)]
    pub(super) versions: Option<Vec<String>>,
    #[serde(default)]
    pub(super) setup: Option<String>,
    #[serde(default)]
    pub(super) configs: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) origins: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) normalise: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
}

/// One step: the field that gives it its name, and those that belong to it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Step {
    // Processes.
    pub(super) run: Option<Vec<String>>,
    pub(super) start: Option<String>,
    pub(super) signal: Option<String>,
    pub(super) exit: Option<String>,
    pub(super) alive: Option<String>,
    pub(super) stderr: Option<String>,
    pub(super) argv: Option<Vec<String>>,
    pub(super) config: Option<String>,
    pub(super) user: Option<bool>,
    pub(super) nowait: bool,
    pub(super) to: Option<String>,
    pub(super) settle: Option<u64>,
    pub(super) lines: Vec<String>,
    // Files.
    pub(super) pidfile: Option<String>,
    pub(super) fs: Option<String>,
    pub(super) chmod: Option<String>,
    pub(super) mkdir: Option<String>,
    pub(super) mode: Option<Value>,
    // Clients.
    pub(super) sleep: Option<u64>,
    pub(super) traffic: Option<String>,
    pub(super) times: Option<u32>,
    pub(super) connect: Option<String>,
    #[serde(rename = "as")]
    pub(super) label_as: Option<String>,
    pub(super) on: Option<String>,
    pub(super) send: Option<String>,
    pub(super) response: Option<u64>,
    pub(super) end: Option<u64>,
    pub(super) close: bool,
    pub(super) rst: bool,
    pub(super) shut: bool,
    pub(super) get: Option<String>,
    pub(super) gap: Option<u64>,
    pub(super) max: Option<u64>,
    // The statistics.
    pub(super) cli: Option<String>,
    pub(super) csv: Option<String>,
    /// A text that is waited for, or a row, a column and a pattern.
    pub(super) until: Option<Value>,
    pub(super) raw: Option<Value>,
    pub(super) at: Option<String>,
    pub(super) label: Option<String>,
    pub(super) show: Option<Value>,
    pub(super) rows: Vec<String>,
    pub(super) cols: Option<String>,
    pub(super) keys: Vec<String>,
    pub(super) header: bool,
    pub(super) width: bool,
    pub(super) contains: Vec<String>,
    // Servers and logs.
    pub(super) origin: Option<String>,
    pub(super) check: Option<u16>,
    pub(super) listen: Option<bool>,
    pub(super) reqs: Option<u32>,
    pub(super) unixlog: Option<String>,
    pub(super) logs: Option<String>,
    pub(super) flush: Option<String>,
    pub(super) n: Option<usize>,
    pub(super) size: bool,
    pub(super) sort: bool,
    pub(super) frames: bool,
    pub(super) grep: Option<String>,
}

impl Step {
    /// How an answer is shown.
    pub(super) fn show<'s>(&'s self, otherwise: &'s str) -> &'s str {
        match &self.show {
            Some(Value::String(how)) => how,
            Some(Value::Bool(true)) => "true",
            _ => otherwise,
        }
    }
}

/// The recorded transcripts of one suite with one version of HAProxy.
#[derive(Debug, Deserialize)]
pub(super) struct Golden {
    pub(super) cases: BTreeMap<String, Recorded>,
}

/// A recorded transcript.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Recorded {
    /// Always the same.
    Stable(Vec<String>),
    /// The release itself did not do the same every time; says nothing.
    Unstable {
        #[serde(rename = "unstable")]
        _unstable: bool,
    },
}

impl Suite {
    pub(super) fn load(path: &Path) -> Result<Self, SuiteError> {
        load(path)
    }
}

impl Golden {
    pub(super) fn load(path: &Path) -> Result<Self, SuiteError> {
        load(path)
    }
}
