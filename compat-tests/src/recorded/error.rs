//! Why suites could not be played at all, and how their files are read.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::replacements::PatternError;

/// Why suites could not be played at all.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file of the corpus cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the corpus is not what it should be.
    #[error("{path} is not a suite or a recording: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A `normalise` pattern of a case is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A regular expression of a step is wrong.
    #[error(transparent)]
    Regex(#[from] regex::Error),
    /// The same, of one that may look around.
    #[error(transparent)]
    FancyRegex(#[from] Box<fancy_regex::Error>),
    /// A step makes no sense, or names what its case does not have.
    #[error("{0}")]
    Script(String),
    /// Sockets, folders or processes cannot be made.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SuiteError {
    /// What a step of a case does that makes no sense.
    pub(crate) fn in_case(case: &str, what: impl std::fmt::Display) -> Self {
        Self::Script(format!("case {case}: {what}"))
    }
}

/// The text of a file of the corpus.
pub(crate) fn read(path: &Path) -> Result<String, SuiteError> {
    std::fs::read_to_string(path).map_err(|source| SuiteError::File {
        path: path.into(),
        source,
    })
}

/// What the text of a file of the corpus says.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, SuiteError> {
    serde_json::from_str(text).map_err(|source| SuiteError::Format {
        path: path.into(),
        source,
    })
}

/// What a file of the corpus says.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<T, SuiteError> {
    parse(path, &read(path)?)
}
