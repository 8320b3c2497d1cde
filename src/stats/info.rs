//! What is shown of the process: `show info`.

use std::fmt::Write;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;

/// Facts about the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Its id.
    pub pid: u32,
    /// Since the start.
    pub uptime: Duration,
    /// `-m`, in megabytes; 0 for none.
    pub memory_limit: u64,
    /// Descriptors that may be open.
    pub descriptors: u64,
    /// Sockets that may be needed.
    pub sockets: u64,
    /// `maxconn`.
    pub maxconn: u32,
    /// The `maxconn` of the file, which `set maxconn global` cannot pass.
    pub hard_maxconn: u32,
    /// `maxpipes`.
    pub maxpipes: u32,
    /// Pipes in use, and empty ones that are kept.
    pub pipes: (u32, u32),
    /// Client connections.
    pub connections: u32,
    /// Client connections since the start.
    pub total_connections: u64,
    /// Requests since the start.
    pub total_requests: u64,
    /// Connections in the last second, their limit, and the highest.
    pub connection_rate: (u32, u32, u32),
    /// Sessions in the last second, their limit, and the highest.
    pub session_rate: (u32, u32, u32),
    /// Sessions and the few tasks beside them.
    pub tasks: u64,
    /// Percentage of the time in which there was nothing to do.
    pub idle: u32,
    /// `node`, or the name of the host.
    pub node: String,
    /// `description`.
    pub description: Option<String>,
    /// Number of the configuration in service, from 1 on.
    pub generation: u64,
    /// Reloads that did not lead to another configuration.
    pub failed_reloads: u64,
    /// Configurations that still have sessions.
    pub draining: u64,
    /// Log lines that could not be sent.
    pub dropped_logs: u64,
    /// Searches for regular expressions that would have taken too long.
    pub given_up_searches: u64,
}

/// One line: its name and what it says.
pub type Entry = (&'static str, String);

impl Info {
    /// The lines in a dialect's order.
    pub fn entries(&self, dialect: Dialect) -> Vec<Entry> {
        let v1_4 = dialect == Dialect::V1_4;
        let mut lines: Vec<Entry> = Vec::with_capacity(48);
        let mut add = |name, value: &dyn ToString| lines.push((name, value.to_string()));
        add("Name", &"HAProxy");
        add("Version", &version(dialect));
        add("Release_date", &RELEASE_DATE);
        // Workers are threads of one process, whatever `nbproc` says.
        add("Nbproc", &1);
        add("Process_num", &1);
        add("Pid", &self.pid);
        add("Uptime", &uptime(self.uptime));
        add("Uptime_sec", &self.uptime.as_secs());
        add("Memmax_MB", &self.memory_limit);
        if !v1_4 {
            add("PoolAlloc_MB", &0);
            add("PoolUsed_MB", &0);
            add("PoolFailed", &0);
        }
        add("Ulimit-n", &self.descriptors);
        add("Maxsock", &self.sockets);
        add("Maxconn", &self.maxconn);
        if v1_4 {
            add("Maxpipes", &self.maxpipes);
            add("CurrConns", &self.connections);
        } else {
            add("Hard_maxconn", &self.hard_maxconn);
            add("CurrConns", &self.connections);
            add("CumConns", &self.total_connections);
            add("CumReq", &self.total_requests);
            add("Maxpipes", &self.maxpipes);
        }
        add("PipesUsed", &self.pipes.0);
        add("PipesFree", &self.pipes.1);
        if !v1_4 {
            let rates = [
                ["ConnRate", "ConnRateLimit", "MaxConnRate"],
                ["SessRate", "SessRateLimit", "MaxSessRate"],
            ];
            for (names, (now, limit, max)) in
                rates.iter().zip([self.connection_rate, self.session_rate])
            {
                add(names[0], &now);
                add(names[1], &limit);
                add(names[2], &max);
            }
            for name in [
                "CompressBpsIn",
                "CompressBpsOut",
                "CompressBpsRateLim",
                "ZlibMemUsage",
                "MaxZlibMemUsage",
            ] {
                add(name, &0);
            }
        }
        add("Tasks", &self.tasks);
        add("Run_queue", &0);
        if !v1_4 {
            add("Idle_pct", &self.idle);
        }
        add("node", &self.node);
        match &self.description {
            Some(text) => add("description", text),
            // 1.4 shows that there is none.
            None if v1_4 => add("description", &""),
            None => {}
        }
        if dialect == Dialect::Hapax {
            add("Generation", &self.generation);
            add("FailedReloads", &self.failed_reloads);
            add("DrainingGenerations", &self.draining);
            add("DroppedLogs", &self.dropped_logs);
            add("GivenUpRegexes", &self.given_up_searches);
        }
        lines
    }

    /// The answer to `show info`, without the empty line at its end.
    pub fn text(&self, dialect: Dialect) -> String {
        let mut text = String::new();
        for (name, value) in self.entries(dialect) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}: {value}");
        }
        text
    }
}

/// The version whose interfaces are spoken, which is what readers of it want to know, and ours.
pub fn version(dialect: Dialect) -> String {
    let spoken = if dialect == Dialect::V1_4 {
        "1.4.25"
    } else {
        "1.8.0"
    };
    format!("{spoken}-hapax-{}", env!("CARGO_PKG_VERSION"))
}

/// When this version was made.
pub const RELEASE_DATE: &str = "2026/11/20";

/// Days, hours, minutes and seconds.
pub fn uptime(since: Duration) -> String {
    let seconds = since.as_secs();
    format!(
        "{}d {}h{:02}m{:02}s",
        seconds / 86400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let info = Info {
            uptime: Duration::from_secs(90_061),
            node: "n1".to_owned(),
            ..Info::default()
        };
        let names = |dialect| info.entries(dialect).len();
        assert_eq!(names(Dialect::V1_4), 20);
        assert_eq!(names(Dialect::V1_8), 37);
        let text = info.text(Dialect::V1_4);
        assert!(text.starts_with("Name: HAProxy\nVersion: 1.4.25-"));
        assert!(text.contains("\nUptime: 1d 1h01m01s\n"));
        assert!(text.ends_with("\nnode: n1\ndescription: \n"));
    }
}
