//! What tests of a running hapax begin with: a runtime for their peers, and hapax on a file.

use std::path::Path;

use tokio::task::LocalSet;

use crate::hapax;
use crate::process::{Proxy, ProxyCommand};

/// Runs a test and its scripted peers on this thread, on which they can be spawned locally.
///
/// # Panics
/// When the system has no descriptors for a runtime.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

/// The workspace's hapax with arguments before all others.
pub fn command(args: &[&str]) -> ProxyCommand {
    ProxyCommand {
        binary: hapax::binary(),
        args: args.iter().map(|&argument| argument.to_owned()).collect(),
    }
}

/// Writes the configuration to [`FILE`] in `folder` and starts the workspace's hapax on it there.
///
/// # Panics
/// When it does not start.
pub fn start(folder: &Path, args: &[&str], text: &str) -> Proxy {
    std::fs::write(folder.join(FILE), text).expect("written");
    Proxy::start(&command(args), FILE.as_ref(), folder).expect("it starts")
}

/// The same, and waits until all ports accept connections.
///
/// # Panics
/// When it does not come to that.
pub async fn serve(folder: &Path, args: &[&str], text: &str, ports: &[u16]) -> Proxy {
    let mut proxy = start(folder, args, text);
    let ready = proxy.ready(ports.iter().copied()).await.expect("it runs");
    assert!(ready, "{}", proxy.output().expect("readable"));
    proxy
}

/// Whether a test may do what it is about, said aloud where it may not. With `HAPAX_REQUIRE_ROOT` in
/// the environment that is a failure.
///
/// # Panics
/// In that case.
#[expect(clippy::print_stderr, reason = "what could not be tested is said")]
pub fn may(what: &str, can: bool) -> bool {
    assert!(
        can || std::env::var_os("HAPAX_REQUIRE_ROOT").is_none(),
        "{what} is not possible here, and HAPAX_REQUIRE_ROOT asks for it"
    );
    if !can {
        eprintln!("{what} is not possible here: not tested");
    }
    can
}

/// The same for what takes the rights of root.
pub fn is_root() -> bool {
    may("what only root may", nix::unistd::geteuid().is_root())
}

/// The name of the file.
pub const FILE: &str = "proxy.cfg";
