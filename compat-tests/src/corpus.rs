//! Where the recorded behaviour lies in this crate, and the lists of what hapax fails of it.

use std::path::PathBuf;

/// The folder with the wire suites and their recordings.
pub fn wire() -> PathBuf {
    here().join("corpus/wire")
}

/// The folder with the suites about servers and their recordings.
pub fn servers() -> PathBuf {
    here().join("corpus/servers")
}

/// The folder with the operations suites and their recordings.
pub fn ops() -> PathBuf {
    here().join("corpus/ops")
}

/// The folder with scenarios of servers that go up and down.
pub fn transitions() -> PathBuf {
    here().join("corpus/transitions")
}

/// The folder with choices of servers.
pub fn placement() -> PathBuf {
    here().join("corpus/placement")
}

/// The file with passwords, their hashes, and which HAProxy takes.
pub fn passwords() -> PathBuf {
    here().join("corpus/passwords.txt")
}

/// The folder with the configurations and their verdicts.
pub fn config() -> PathBuf {
    here().join("corpus/config")
}

/// The list of known failures of a corpus against a recorded version.
pub fn ratchet(corpus: &str, golden: &str) -> PathBuf {
    here().join(format!("ratchet/{corpus}-{golden}.txt"))
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
