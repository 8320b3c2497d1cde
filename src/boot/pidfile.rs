//! The pid file: one pid on a line. HAProxy does not remove it at exit, nor do we.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::StartError;

/// Opens it while the path is there and messages are seen; what it holds stays until [`write`].
///
/// # Errors
/// When the file cannot be created.
pub(super) fn open(path: &Path) -> Result<File, StartError> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|cause| StartError::step(format!("write {}", path.display()), cause))
}

/// Puts the pid of this process in place of what the file held.
///
/// # Errors
/// What the system says.
pub(super) fn write(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}
