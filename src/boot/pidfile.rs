//! The pid file: one pid on a line. HAProxy does not remove it at exit, nor do we.

use std::io::{self, Write};
use std::path::Path;

/// Writes the pid of this process.
pub(super) fn write(path: &Path) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    writeln!(file, "{}", std::process::id())
}
