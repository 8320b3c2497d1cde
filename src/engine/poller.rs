//! Registration of descriptors with the runtime's poller: the one module with `unsafe` code.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdRegisterError};

/// Registers a descriptor with the poller of this thread, edge-triggered.
///
/// # Errors
/// What `epoll_ctl` says; the descriptor comes back with it.
///
/// # Panics
/// Outside of a runtime.
#[allow(
    unsafe_code,
    reason = "an OwnedFd keeps the promise that the poller asks for"
)]
pub(super) fn register(
    fd: OwnedFd,
    interest: Interest,
) -> Result<AsyncFd<OwnedFd>, AsyncFdRegisterError<OwnedFd>> {
    // SAFETY: an `OwnedFd` is an open descriptor that nobody else closes and that stays the same
    // for as long as the `AsyncFd` owns it.
    unsafe { AsyncFd::register_with_interest(fd, interest) }
}

/// Registers a descriptor that the control thread holds too, for reading.
///
/// # Errors
/// What `epoll_ctl` says.
///
/// # Panics
/// Outside of a runtime.
#[allow(
    unsafe_code,
    reason = "a shared OwnedFd keeps the promise that the poller asks for"
)]
pub(super) fn register_shared(
    fd: Arc<OwnedFd>,
) -> Result<AsyncFd<Arc<OwnedFd>>, AsyncFdRegisterError<Arc<OwnedFd>>> {
    // SAFETY: as above; the count keeps the descriptor open until the `AsyncFd` lets go of it.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }
}
