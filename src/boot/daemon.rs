//! `-D`: the parent leaves when the child has written its pid file.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use nix::unistd::{ForkResult, Pid, fork, setsid};

/// The parent, waiting to be released.
#[derive(Debug)]
pub(super) struct Parent(std::fs::File);

impl Parent {
    /// Lets the parent exit with success.
    pub(super) fn release(mut self) {
        // A parent that is gone cannot be kept waiting.
        let _ = self.0.write_all(b"1");
    }
}

/// Forks. Only the child returns; it leads its own session and has no terminal. The parent exits
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
            let null = std::fs::File::options()
                .read(true)
                .write(true)
                .open("/dev/null")?;
            rustix::stdio::dup2_stdin(&null)?;
            rustix::stdio::dup2_stdout(&null)?;
            rustix::stdio::dup2_stderr(&null)?;
            Ok(Some(Parent(writer.into())))
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
fn split() -> io::Result<ForkResult> {
    // SAFETY: the process has a single thread here: workers and the signal thread start after the
    // fork, so that the child inherits no lock that somebody else holds.
    Ok(unsafe { fork() }?)
}
