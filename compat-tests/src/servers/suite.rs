//! Suites and recorded transcripts, as they lie in `corpus/servers/`.
//!
//! `corpus/servers/README.md` describes the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::script::{ServerScripts, Step};
use crate::recorded::{SuiteError, load, read};

/// A group of cases about one subject.
#[derive(Debug, Deserialize)]
pub(super) struct Suite {
    /// The start of every configuration that has none of its own.
    #[serde(default)]
    pub(super) prelude: Vec<String>,
    pub(super) cases: Vec<Arc<Case>>,
}

/// One configuration, and what is done with it.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    /// Unique in its suite.
    pub(super) id: String,
    /// Instead of that of the suite.
    pub(super) prelude: Option<Vec<String>>,
    /// Lines; `[1.8 2.6] text` is only for these versions.
    pub(super) config: Vec<String>,
    pub(super) steps: Vec<Step>,
    /// The only versions for which it makes sense.
    pub(super) versions: Option<Vec<String>>,
    #[serde(default)]
    pub(super) servers: BTreeMap<String, ServerScripts>,
    /// Servers that do not listen at first.
    #[serde(default)]
    pub(super) stopped: BTreeSet<String>,
    /// Places that lie so far from another: `fe_a+100`.
    #[serde(default)]
    pub(super) ports: BTreeMap<String, String>,
    /// Only whether the configuration is accepted counts.
    #[serde(default)]
    pub(super) verdict: bool,
    #[serde(default)]
    pub(super) normalise: Vec<(String, String)>,
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
    Stable { out: Vec<String> },
    /// The release itself did not do the same every time; says nothing.
    Unstable {
        #[serde(rename = "unstable")]
        _unstable: bool,
    },
}

/// What happened in a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transcript {
    /// One line per event.
    Played(Vec<String>),
    /// It could not be played.
    Failed(String),
}

impl Transcript {
    /// Its lines, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Played(lines) => lines.clone(),
            Self::Failed(why) => vec![format!("failed: {why}")],
        }
    }
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

/// Cases, as `suite/case`, in which the recorded release stands alone with what it does; a
/// version without such cases has no file.
pub(super) fn suspects(path: &Path) -> Result<BTreeSet<String>, SuiteError> {
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    Ok(read(path)?.lines().map(str::to_owned).collect())
}
