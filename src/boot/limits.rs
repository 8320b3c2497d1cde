//! Limits of the operating system: descriptors and memory. Manual 1.4, section 3.1 "ulimit-n".

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::plan::Plan;

/// Raises the number of descriptors to what `maxconn` needs, or to `ulimit-n`, and sets the limit
/// of `-m` (megabytes). Answers with what did not work.
pub(super) fn raise(plan: &Plan, memory: Option<u64>) -> Vec<String> {
    let mut warnings = Vec::new();
    let global = &plan.global;
    let listeners: usize = plan.proxies.iter().map(|proxy| proxy.listeners.len()).sum();
    let workers = u64::from(global.workers.unwrap_or(1).max(1));
    // Two sockets for each session, one listening socket for each worker and address, and those
    // of pollers, logs and standard streams.
    let needed = u64::from(global.maxconn) * 2 + listeners as u64 * workers + 64;
    let wanted = global.ulimit_n.map_or(needed, u64::from);
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < wanted => {
            if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_err() {
                // Without the privilege to raise the hard limit, up to it.
                let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(wanted), hard);
                if hard < wanted {
                    warnings.push(format!(
                        "cannot raise the limit of descriptors to {wanted}, it stays at {hard}: \
                         lower 'maxconn' or raise the limit of the system"
                    ));
                }
            }
        }
        Ok(_) => {}
        Err(error) => warnings.push(format!("cannot read the limit of descriptors: {error}")),
    }
    if let Some(megabytes) = memory {
        let bytes = megabytes.saturating_mul(1 << 20);
        if let Err(error) = setrlimit(Resource::RLIMIT_AS, bytes, bytes) {
            warnings.push(format!("cannot limit memory to {megabytes} MB: {error}"));
        }
    }
    warnings
}
