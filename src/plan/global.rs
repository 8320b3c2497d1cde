//! The `global` section. Manual 1.4, section 3.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{LogTarget, StatsSocket};

/// Process-wide settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Global {
    /// `maxconn`: client connections of the whole process. 1.4's default is 2000.
    pub maxconn: u32,
    /// `-m` on the command line: how much memory the process may use, in megabytes.
    pub memory_mb: Option<u32>,
    /// `maxconnrate`: client connections in a second; 0 is no limit.
    pub connection_rate: u32,
    /// `maxsessrate`: client sessions in a second; 0 is no limit.
    pub session_rate: u32,
    /// `nbproc` or `nbthread`: workers; `None` means one for every usable core.
    pub workers: Option<u16>,
    /// `daemon`.
    pub daemon: bool,
    /// `debug`: run in the foreground and print traffic.
    pub debug: bool,
    /// `quiet`: print nothing at start.
    pub quiet: bool,
    /// `pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `chroot`.
    pub chroot: Option<PathBuf>,
    /// `uid`, or `user` looked up.
    pub uid: Option<u32>,
    /// `gid`, or `group` looked up.
    pub gid: Option<u32>,
    /// `ulimit-n`; `None` means computed from `maxconn`.
    pub ulimit_n: Option<u32>,
    /// `node`, shown in statistics.
    pub node: Option<String>,
    /// `description`, shown in statistics.
    pub description: Option<String>,
    /// `log`: targets that proxies name with `log global`.
    pub log_targets: Vec<LogTarget>,
    /// `log-tag`: program name in log lines. Default `haproxy`.
    pub log_tag: String,
    /// `log-send-hostname`: host name put into log lines; empty means the system's.
    pub log_send_hostname: Option<String>,
    /// `spread-checks`: 0 to 50 percent.
    pub spread_checks: u8,
    /// `nosplice`, and `-dS` on the command line.
    pub nosplice: bool,
    /// `maxpipes`; 0 means automatic.
    pub maxpipes: u32,
    /// `hard-stop-after` of later versions: how long a soft stop may take.
    pub hard_stop_after: Option<Duration>,
    /// `stats socket`.
    pub stats_sockets: Vec<StatsSocket>,
    /// `stats timeout`. Default 10 s.
    pub stats_timeout: Duration,
    /// `stats maxconn`. Default 10.
    pub stats_maxconn: u32,
    /// `metrics bind`, and `--metrics` on the command line: where metrics are served. Nowhere unless
    /// it is said.
    pub metrics: Vec<SocketAddr>,
    /// `tune.*`.
    pub tune: Tune,
}

/// Sizes and limits of the `tune.*` family. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tune {
    /// `tune.bufsize`: one buffer. Default 16384.
    pub bufsize: u32,
    /// `tune.maxrewrite`: room kept for rewriting in a buffer. Default half of `bufsize` in 1.4,
    /// 1024 in 1.8.
    pub maxrewrite: u32,
    /// `tune.chksize`: buffer of a health check.
    pub chksize: u32,
    /// `tune.maxaccept`: connections accepted in a row; `None` means the default (100).
    pub maxaccept: Option<u32>,
    /// `tune.maxpollevents`.
    pub maxpollevents: Option<u32>,
    /// `tune.rcvbuf.client`.
    pub client_rcvbuf: Option<u32>,
    /// `tune.sndbuf.client`.
    pub client_sndbuf: Option<u32>,
    /// `tune.rcvbuf.server`.
    pub server_rcvbuf: Option<u32>,
    /// `tune.sndbuf.server`.
    pub server_sndbuf: Option<u32>,
}

impl Tune {
    /// How much of a buffer, in bytes, what comes from a peer may fill: the rest is for what is added.
    pub fn unreserved(&self) -> usize {
        (self.bufsize - self.maxrewrite) as usize
    }
}
