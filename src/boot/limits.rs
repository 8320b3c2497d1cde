//! Limits of the operating system: descriptors and memory. Manual 1.4, section 3.1 "ulimit-n".

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::plan::Plan;

/// Bytes that a connection needs besides its two buffers: the session, its heads and rules, its
/// sockets' share of the poller. Measured with 1,000 transfers under way; see `docs/overload.md`.
pub const SESSION: u64 = 4_624;
/// Bytes that the process needs before the first connection: program, stacks, plan, counters.
pub const BASE: u64 = 32 << 20;

/// Bytes that each worker may use besides, for bodies that stream and for crowded rounds.
pub const WORKER: u64 = crate::engine::WORKER_BYTES;

/// The most memory that traffic can take, in bytes: what `maxconn` connections need when all of them
/// transfer in both directions at once.
pub fn most_memory(plan: &Plan) -> u64 {
    u64::from(plan.global.maxconn) * (2 * u64::from(plan.global.tune.bufsize) + SESSION)
}

/// Descriptors that a worker needs for itself: its poller, what wakes it from outside and in time, logs.
const OWN: usize = 4;

/// Descriptors that the process needs: two sockets for each connection, one listening socket for each
/// worker and address, the workers' own, and those of statistics, other threads and standard streams.
pub fn descriptors(plan: &Plan, workers: usize) -> u64 {
    let listeners: usize = plan.proxies.iter().map(|proxy| proxy.listeners.len()).sum();
    let checks: usize = plan.proxies.iter().map(|proxy| proxy.servers.len()).sum();
    u64::from(plan.global.maxconn) * 2 + ((listeners + OWN) * workers + checks) as u64 + 64
}

/// Raises the number of descriptors to what `maxconn` needs, or to `ulimit-n`, and sets the limit
/// of `-m`. Answers with what did not work and what will not fit.
pub(super) fn raise(plan: &Plan, workers: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    let global = &plan.global;
    let needed = descriptors(plan, workers);
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
    if wanted < needed {
        warnings.push(format!(
            "'ulimit-n {wanted}' is less than the {needed} descriptors that {} connections need: \
             when it is reached, new connections wait",
            global.maxconn
        ));
    }
    if let Some(megabytes) = global.memory_mb {
        let limit = u64::from(megabytes) << 20;
        let most = most_memory(plan);
        if most > limit {
            let fit = limit * u64::from(global.maxconn) / most;
            warnings.push(format!(
                "{} connections can need {} MB, and -m allows {megabytes}: lower 'maxconn' to {fit}",
                global.maxconn,
                most.div_ceil(1 << 20)
            ));
        }
        // Beyond what traffic needs by that formula: to run into this limit ends the process.
        let bytes = limit.max(most) + BASE + (workers as u64) * (STACK + WORKER);
        if let Err(error) = setrlimit(Resource::RLIMIT_DATA, bytes, bytes) {
            warnings.push(format!("cannot limit memory to {megabytes} MB: {error}"));
        }
    }
    if let Some(limit) = container() {
        let most = most_memory(plan) + BASE + (workers as u64) * WORKER;
        if most > limit {
            warnings.push(format!(
                "{} connections can need {} MB, and the system allows {}: lower 'maxconn'",
                global.maxconn,
                most.div_ceil(1 << 20),
                limit >> 20
            ));
        }
    }
    warnings
}

/// The memory that the container or slice of this process may use; `None` when there is no limit.
fn container() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let limits = ["", path].map(|path| format!("/sys/fs/cgroup{path}/memory.max"));
    let read = |file: &String| std::fs::read_to_string(file).ok()?.trim().parse().ok();
    limits.iter().filter_map(read).min()
}

/// Bytes of the stack of a thread.
const STACK: u64 = 2 << 20;
