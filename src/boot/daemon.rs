//! `-D`: the parent leaves when the child has written its pid file.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use nix::unistd::{ForkResult, Pid, fork, setsid};

/// The parent, waiting to be released.
#[derive(Debug)]
pub(super) struct Parent {
    parent: std::fs::File,
    /// Opened before `chroot` hides it.
    null: std::fs::File,
}

impl Parent {
    /// Leaves the terminal and lets the parent exit with success.
    ///
    /// # Errors
    /// When there is no `/dev/null`.
    pub(super) fn release(mut self) -> io::Result<()> {
        leave_terminal(&self.null)?;
        // A parent that is gone cannot be kept waiting.
        let _ = self.parent.write_all(b"1");
        Ok(())
    }
}

/// Where nothing comes from and everything may go.
///
/// # Errors
/// When there is no `/dev/null`.
pub(super) fn null() -> io::Result<std::fs::File> {
    std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
}

/// Puts that in place of the terminal.
///
/// # Errors
/// What the system says.
pub(super) fn leave_terminal(null: &std::fs::File) -> io::Result<()> {
    rustix::stdio::dup2_stdin(null)?;
    rustix::stdio::dup2_stdout(null)?;
    Ok(rustix::stdio::dup2_stderr(null)?)
}

/// Forks. Only the child returns; it leads its own session and keeps the terminal for messages until
/// it releases the parent. The parent exits
/// with 0 once the child has released it, with 1 when the child ends before.
///
/// # Errors
/// When the system cannot fork.
pub(super) fn detach() -> io::Result<Option<Parent>> {
    let (reader, writer) = rustix::pipe::pipe()?;
    match split()? {
        ForkResult::Parent { child } => {
            std::process::exit(wait_for(child, reader, writer));
        }
        ForkResult::Child => {
            drop(reader);
            setsid()?;
            let null = null()?;
            Ok(Some(Parent {
                parent: writer.into(),
                null,
            }))
        }
    }
}

fn wait_for(_child: Pid, reader: OwnedFd, writer: OwnedFd) -> i32 {
    drop(writer);
    let mut byte = [0];
    match std::fs::File::from(reader).read(&mut byte) {
        Ok(1) => 0,
        _ => 1,
    }
}

#[allow(unsafe_code, reason = "there is no other way to become a daemon")]
pub(super) fn split() -> io::Result<ForkResult> {
    // SAFETY: the process has a single thread here: workers and the signal thread start after the
    // fork, so that the child inherits no lock that somebody else holds.
    Ok(unsafe { fork() }?)
}
