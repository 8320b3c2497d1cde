//! The table of all metrics.

use super::snapshot::{Cell, Process, Table};
use crate::stats::{Field, More};

/// What a metric is about; the word that `scope=` knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The process.
    Global,
    /// A frontend.
    Frontend,
    /// A listening socket of a frontend with `option socket-stats`.
    Listener,
    /// A backend.
    Backend,
    /// A server.
    Server,
    /// A stick table.
    StickTable,
}

impl Scope {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 6] = [
        Self::Global,
        Self::Frontend,
        Self::Listener,
        Self::Backend,
        Self::Server,
        Self::StickTable,
    ];

    /// The word that `scope=` knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Frontend => "frontend",
            Self::Listener => "listener",
            Self::Backend => "backend",
            Self::Server => "server",
            Self::StickTable => "sticktable",
        }
    }

    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name().as_bytes() == name)
    }
}

/// How a value behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It goes up, until the process or its counters begin anew.
    Counter,
}

impl Kind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub scope: Scope,
    /// How it behaves.
    pub kind: Kind,
    /// What it says, in a sentence.
    pub help: &'static str,
    pub(super) source: Source,
}

/// Where values come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// A number of the process.
    Process(fn(&Process) -> Cell),
    /// A fact about the process in labels; the value is 1.
    Fact(fn(&Process) -> Vec<(&'static str, String)>),
    /// How many reloads there were, by result.
    ReloadResults,
    /// A column.
    Column(Field),
    /// A column that proxies of `mode http` have.
    Http(Field),
    /// A column of servers with checks.
    Checked(Field),
    /// What has no column.
    Counted(fn(&More) -> Option<u64>),
    /// A column of milliseconds, in seconds.
    Seconds(Field),
    /// The same, of servers with checks.
    CheckedSeconds(Field),
    /// Responses by class of status.
    Codes,
    /// Responses, of whatever status.
    Responses,
    /// 1 for the state it is in, and 0 for the others.
    State(&'static [&'static str]),
    /// The same, for the result of the last check.
    CheckResult,
    /// How many servers of a backend are in each state.
    ServersByState,
    /// How many servers of a backend had each result of their last check.
    ServersByCheck,
    /// A number of a stick table.
    Table(fn(&Table) -> u64),
}

impl Family {
    /// The labels, in order.
    pub fn labels(&self) -> Vec<&'static str> {
        let mut labels = match self.scope {
            Scope::Global => Vec::new(),
            Scope::Frontend | Scope::Backend => vec!["proxy"],
            Scope::Listener => vec!["proxy", "listener"],
            Scope::Server => vec!["proxy", "server"],
            Scope::StickTable => vec!["name", "type"],
        };
        match self.source {
            Fact(fact) => labels.extend(fact(&Process::default()).iter().map(|(name, _)| name)),
            ReloadResults => labels.push("result"),
            Codes => labels.push("code"),
            State(_) | CheckResult | ServersByState | ServersByCheck => labels.push("state"),
            _ => {}
        }
        labels
    }

    /// Whether HAProxy's exporter has it under the same name.
    pub fn is_of_haproxy(&self) -> bool {
        self.name.starts_with("haproxy_")
    }
}

/// States of a frontend and a backend.
pub(super) const PROXY_STATES: &[&str] = &["DOWN", "UP"];
/// States of a listening socket.
pub(super) const LISTENER_STATES: &[&str] = &["WAITING", "OPEN", "FULL"];
/// States of a server.
pub(super) const SERVER_STATES: &[&str] = &["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];
/// Results of a check.
pub(super) const CHECK_RESULTS: &[&str] = &[
    "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP",
    "L7OK", "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK",
];
/// Classes of status, with their columns.
pub(super) const CODES: [(&str, Field); 6] = [
    ("1xx", Field::Hrsp1xx),
    ("2xx", Field::Hrsp2xx),
    ("3xx", Field::Hrsp3xx),
    ("4xx", Field::Hrsp4xx),
    ("5xx", Field::Hrsp5xx),
    ("other", Field::HrspOther),
];

const fn row(
    name: &'static str,
    scope: Scope,
    kind: Kind,
    help: &'static str,
    source: Source,
) -> Family {
    Family {
        name,
        scope,
        kind,
        help,
        source,
    }
}

macro_rules! families {
    ($($scope:ident { $($name:literal $kind:ident $source:expr, $help:literal;)* })*) => {
        /// All of them, in the order in which they are written.
        pub const FAMILIES: &[Family] = &[
            $($(row($name, Scope::$scope, Kind::$kind, $help, $source),)*)*
        ];
    };
}

use Source::{
    CheckResult, Checked, CheckedSeconds, Codes, Column, Counted, Fact, Http, ReloadResults,
    Responses, Seconds, ServersByCheck, ServersByState, State,
};

families! {
Global {
    "haproxy_process_nbthread" Gauge Source::Process(|p| p.threads.into()),
        "Threads that serve clients.";
    "haproxy_process_nbproc" Gauge Source::Process(|_| 1_u64.into()),
        "Processes that serve clients; always one.";
    "haproxy_process_relative_process_id" Gauge Source::Process(|_| 1_u64.into()),
        "Number of this process; always one.";
    "haproxy_process_uptime_seconds" Gauge Source::Process(|p| p.info.uptime.as_secs().into()),
        "Seconds since the process began to serve; a reload does not begin anew.";
    "haproxy_process_max_fds" Gauge Source::Process(|p| p.info.descriptors.into()),
        "File descriptors that the system allows.";
    "haproxy_process_max_sockets" Gauge Source::Process(|p| p.info.sockets.into()),
        "Sockets that may be open at once.";
    "haproxy_process_max_connections" Gauge Source::Process(|p| p.info.maxconn.into()),
        "Client connections that are let in at once (maxconn).";
    "haproxy_process_hard_max_connections" Gauge Source::Process(|p| p.info.hard_maxconn.into()),
        "The most that maxconn can be set to while the process runs.";
    "haproxy_process_current_connections" Gauge Source::Process(|p| p.info.connections.into()),
        "Client connections now.";
    "haproxy_process_connections_total" Counter
        Source::Process(|p| p.info.total_connections.into()),
        "Client connections so far.";
    "haproxy_process_requests_total" Counter Source::Process(|p| p.info.total_requests.into()),
        "HTTP requests so far.";
    "haproxy_process_max_pipes" Gauge Source::Process(|p| p.info.maxpipes.into()),
        "Pipes for splicing that may be open (maxpipes); 0 for no limit of their own.";
    "haproxy_process_pipes_used_total" Counter Source::Process(|p| p.info.pipes.0.into()),
        "Pipes for splicing in use now. The name and the type are those of HAProxy.";
    "haproxy_process_pipes_free_total" Counter Source::Process(|p| p.info.pipes.1.into()),
        "Empty pipes that are kept now. The name and the type are those of HAProxy.";
    "haproxy_process_current_connection_rate" Gauge
        Source::Process(|p| p.info.connection_rate.0.into()),
        "Client connections in the last second.";
    "haproxy_process_limit_connection_rate" Gauge
        Source::Process(|p| p.info.connection_rate.1.into()),
        "Client connections that are let in per second; 0 for no limit.";
    "haproxy_process_max_connection_rate" Gauge
        Source::Process(|p| p.info.connection_rate.2.into()),
        "Most client connections in one second.";
    "haproxy_process_current_session_rate" Gauge
        Source::Process(|p| p.info.session_rate.0.into()),
        "Sessions in the last second.";
    "haproxy_process_limit_session_rate" Gauge
        Source::Process(|p| p.info.session_rate.1.into()),
        "Sessions that are let in per second; 0 for no limit.";
    "haproxy_process_max_session_rate" Gauge Source::Process(|p| p.info.session_rate.2.into()),
        "Most sessions in one second.";
    "haproxy_process_current_tasks" Gauge Source::Process(|p| p.info.tasks.into()),
        "Sessions, and what runs beside them.";
    "haproxy_process_stopping" Gauge Source::Process(|p| u64::from(p.stopping).into()),
        "1 when the process finishes its last sessions and accepts no others.";
    "haproxy_process_listeners" Gauge Source::Process(|p| p.listeners.into()),
        "Addresses that the configuration listens on.";
    "haproxy_process_dropped_logs_total" Counter Source::Process(|p| p.info.dropped_logs.into()),
        "Log lines that were dropped because their target could not take them.";
    "haproxy_process_build_info" Gauge Fact(|p| vec![("version", p.version.clone())]),
        "The version, in a label.";
    "haproxy_process_max_memory_bytes" Gauge
        Source::Process(|p| p.info.memory_limit.saturating_mul(1 << 20).into()),
        "Memory that the process may use (-m); 0 for no limit.";
    "haproxy_process_start_time_seconds" Gauge Source::Process(|p| p.started.into()),
        "When the process began to serve, in seconds since 1970.";
    "haproxy_process_node" Gauge Fact(|p| vec![("node", p.info.node.clone())]),
        "The name of the node, in a label.";
    "hapax_build_info" Gauge
        Fact(|p| vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("dialect", p.dialect.to_owned()),
        ]),
        "The version of hapax and the dialect that it reads, in labels.";
    "hapax_generation" Gauge Source::Process(|p| p.info.generation.into()),
        "Number of the configuration in service; the one of the start is 1.";
    "hapax_draining_generations" Gauge Source::Process(|p| p.info.draining.into()),
        "Configurations that a reload has replaced and that still have sessions.";
    "hapax_reloads_total" Counter ReloadResults,
        "Reloads since the start, by result.";
    "hapax_last_reload_successful" Gauge
        Source::Process(|p| u64::from(!p.reloads.last_failed).into()),
        "0 when the last reload was refused or failed, so that an older configuration is in service.";
    "hapax_last_reload_timestamp_seconds" Gauge Source::Process(|p| p.reloads.last.into()),
        "When the files were last read, in seconds since 1970, whatever came of it.";
    "hapax_last_reload_success_timestamp_seconds" Gauge
        Source::Process(|p| p.reloads.last_success.into()),
        "When the configuration in service was put there, in seconds since 1970.";
    "hapax_log_lines_dropped_total" Counter Source::Process(|p| p.info.dropped_logs.into()),
        "Log lines that were dropped because their target could not take them.";
}
Frontend {
    "haproxy_frontend_current_sessions" Gauge Column(Field::Scur), "Sessions now.";
    "haproxy_frontend_max_sessions" Gauge Column(Field::Smax), "Most sessions at once.";
    "haproxy_frontend_limit_sessions" Gauge Column(Field::Slim),
        "Sessions that are let in at once (maxconn).";
    "haproxy_frontend_sessions_total" Counter Column(Field::Stot), "Sessions so far.";
    "haproxy_frontend_bytes_in_total" Counter Column(Field::Bin), "Bytes that clients have sent.";
    "haproxy_frontend_bytes_out_total" Counter Column(Field::Bout), "Bytes sent to clients.";
    "haproxy_frontend_requests_denied_total" Counter Column(Field::Dreq),
        "Requests that a rule has refused.";
    "haproxy_frontend_responses_denied_total" Counter Column(Field::Dresp),
        "Responses that a rule has refused.";
    "haproxy_frontend_request_errors_total" Counter Column(Field::Ereq),
        "Requests that were invalid or did not come whole.";
    "haproxy_frontend_status" Gauge State(PROXY_STATES), "1 for the state that it is in.";
    "haproxy_frontend_current_session_rate" Gauge Column(Field::Rate),
        "Sessions in the last second.";
    "haproxy_frontend_limit_session_rate" Gauge Column(Field::RateLim),
        "Sessions that are let in per second (rate-limit sessions); 0 for no limit.";
    "haproxy_frontend_max_session_rate" Gauge Column(Field::RateMax),
        "Most sessions in one second.";
    "haproxy_frontend_http_responses_total" Counter Codes, "Responses, by class of status.";
    "haproxy_frontend_http_requests_rate_max" Gauge Http(Field::ReqRateMax),
        "Most requests in one second.";
    "haproxy_frontend_http_requests_total" Counter Http(Field::ReqTot), "Requests so far.";
    "haproxy_frontend_connections_rate_max" Gauge Column(Field::ConnRateMax),
        "Most connections in one second.";
    "haproxy_frontend_connections_total" Counter Column(Field::ConnTot), "Connections so far.";
    "haproxy_frontend_intercepted_requests_total" Counter Http(Field::Intercepted),
        "Requests that hapax has answered itself: redirects, monitoring, statistics.";
    "haproxy_frontend_denied_connections_total" Counter Column(Field::Dcon),
        "Connections that a rule has refused.";
    "haproxy_frontend_denied_sessions_total" Counter Column(Field::Dses),
        "Sessions that a rule has refused.";
}
Listener {
    "haproxy_listener_current_sessions" Gauge Column(Field::Scur), "Sessions now.";
    "haproxy_listener_max_sessions" Gauge Column(Field::Smax), "Most sessions at once.";
    "haproxy_listener_limit_sessions" Gauge Column(Field::Slim),
        "Sessions that are let in at once.";
    "haproxy_listener_sessions_total" Counter Column(Field::Stot), "Sessions so far.";
    "haproxy_listener_connections_total" Counter Column(Field::Stot), "Connections so far.";
    "haproxy_listener_bytes_in_total" Counter Column(Field::Bin), "Bytes that clients have sent.";
    "haproxy_listener_bytes_out_total" Counter Column(Field::Bout), "Bytes sent to clients.";
    "haproxy_listener_requests_denied_total" Counter Column(Field::Dreq),
        "Requests that a rule has refused.";
    "haproxy_listener_responses_denied_total" Counter Column(Field::Dresp),
        "Responses that a rule has refused.";
    "haproxy_listener_request_errors_total" Counter Column(Field::Ereq),
        "Requests that were invalid or did not come whole.";
    "haproxy_listener_status" Gauge State(LISTENER_STATES), "1 for the state that it is in.";
    "haproxy_listener_denied_connections_total" Counter Column(Field::Dcon),
        "Connections that a rule has refused.";
    "haproxy_listener_denied_sessions_total" Counter Column(Field::Dses),
        "Sessions that a rule has refused.";
}
Backend {
    "haproxy_backend_current_queue" Gauge Column(Field::Qcur),
        "Requests that wait for a place on any server now.";
    "haproxy_backend_max_queue" Gauge Column(Field::Qmax), "Most requests that waited at once.";
    "haproxy_backend_current_sessions" Gauge Column(Field::Scur), "Sessions now.";
    "haproxy_backend_max_sessions" Gauge Column(Field::Smax), "Most sessions at once.";
    "haproxy_backend_limit_sessions" Gauge Column(Field::Slim),
        "Sessions with which the backend counts as full (fullconn).";
    "haproxy_backend_sessions_total" Counter Column(Field::Stot), "Sessions so far.";
    "haproxy_backend_bytes_in_total" Counter Column(Field::Bin), "Bytes that clients have sent.";
    "haproxy_backend_bytes_out_total" Counter Column(Field::Bout), "Bytes sent to clients.";
    "haproxy_backend_requests_denied_total" Counter Column(Field::Dreq),
        "Requests that a rule has refused.";
    "haproxy_backend_responses_denied_total" Counter Column(Field::Dresp),
        "Responses that a rule has refused.";
    "haproxy_backend_connection_errors_total" Counter Column(Field::Econ),
        "Requests for which no server could be reached.";
    "haproxy_backend_response_errors_total" Counter Column(Field::Eresp),
        "Responses that were invalid, broken off or did not come.";
    "haproxy_backend_connection_attempts_total" Counter Counted(|more| more.attempts),
        "Attempts to connect to servers, the first ones included.";
    "haproxy_backend_connection_reuses_total" Counter Counted(|more| more.reuses),
        "Requests that went to a server on a connection that was there already.";
    "haproxy_backend_retry_warnings_total" Counter Column(Field::Wretr),
        "Attempts to reach a server again after the first one has failed.";
    "haproxy_backend_redispatch_warnings_total" Counter Column(Field::Wredis),
        "Requests that went to another server because theirs could not be reached.";
    "haproxy_backend_status" Gauge State(PROXY_STATES), "1 for the state that it is in.";
    "haproxy_backend_weight" Gauge Column(Field::Weight),
        "Sum of the weights of the servers in use.";
    "haproxy_backend_active_servers" Gauge Column(Field::Act), "Active servers that are up.";
    "haproxy_backend_backup_servers" Gauge Column(Field::Bck), "Backup servers that are up.";
    "haproxy_backend_check_up_down_total" Counter Column(Field::Chkdown),
        "How often the backend has lost its last server.";
    "haproxy_backend_check_last_change_seconds" Gauge Column(Field::Lastchg),
        "Seconds since it went up or down.";
    "haproxy_backend_downtime_seconds_total" Counter Column(Field::Downtime),
        "Seconds without a server.";
    "haproxy_backend_loadbalanced_total" Counter Column(Field::Lbtot),
        "Requests for which balancing has chosen the server.";
    "haproxy_backend_current_session_rate" Gauge Column(Field::Rate),
        "Sessions in the last second.";
    "haproxy_backend_max_session_rate" Gauge Column(Field::RateMax),
        "Most sessions in one second.";
    "haproxy_backend_http_responses_total" Counter Codes, "Responses, by class of status.";
    "haproxy_backend_http_requests_total" Counter Http(Field::ReqTot), "Requests so far.";
    "haproxy_backend_client_aborts_total" Counter Column(Field::CliAbrt),
        "Transfers that the client has broken off.";
    "haproxy_backend_server_aborts_total" Counter Column(Field::SrvAbrt),
        "Transfers that the server has broken off.";
    "haproxy_backend_last_session_seconds" Gauge Column(Field::Lastsess),
        "Seconds since the last session; -1 when there was none.";
    "haproxy_backend_queue_time_average_seconds" Gauge Seconds(Field::Qtime),
        "Mean time in the queue over the last requests.";
    "haproxy_backend_connect_time_average_seconds" Gauge Seconds(Field::Ctime),
        "Mean time to reach a server over the last requests.";
    "haproxy_backend_response_time_average_seconds" Gauge Seconds(Field::Rtime),
        "Mean time until a server began to respond, over the last requests.";
    "haproxy_backend_total_time_average_seconds" Gauge Seconds(Field::Ttime),
        "Mean time from a request to the end of its response, over the last requests.";
    "haproxy_backend_agg_server_status" Gauge ServersByState, "Servers, by state.";
    "haproxy_backend_agg_server_check_status" Gauge ServersByState,
        "Servers, by state. HAProxy's older name for the same.";
    "haproxy_backend_agg_check_status" Gauge ServersByCheck,
        "Servers, by result of their last check.";
}
Server {
    "haproxy_server_current_queue" Gauge Column(Field::Qcur),
        "Requests that wait for a place on it now.";
    "haproxy_server_max_queue" Gauge Column(Field::Qmax), "Most requests that waited at once.";
    "haproxy_server_current_sessions" Gauge Column(Field::Scur), "Sessions now.";
    "haproxy_server_max_sessions" Gauge Column(Field::Smax), "Most sessions at once.";
    "haproxy_server_limit_sessions" Gauge Column(Field::Slim),
        "Sessions that it gets at once (maxconn); NaN for no limit.";
    "haproxy_server_sessions_total" Counter Column(Field::Stot), "Sessions so far.";
    "haproxy_server_bytes_in_total" Counter Column(Field::Bin), "Bytes that clients have sent.";
    "haproxy_server_bytes_out_total" Counter Column(Field::Bout), "Bytes sent to clients.";
    "haproxy_server_responses_denied_total" Counter Column(Field::Dresp),
        "Responses that a rule has refused.";
    "haproxy_server_connection_errors_total" Counter Column(Field::Econ),
        "Requests for which it could not be reached.";
    "haproxy_server_response_errors_total" Counter Column(Field::Eresp),
        "Responses that were invalid, broken off or did not come.";
    "haproxy_server_connection_attempts_total" Counter Counted(|more| more.attempts),
        "Attempts to connect to it, the first ones included.";
    "haproxy_server_connection_reuses_total" Counter Counted(|more| more.reuses),
        "Requests that went to it on a connection that was there already.";
    "haproxy_server_retry_warnings_total" Counter Column(Field::Wretr),
        "Attempts to reach it again after the first one has failed.";
    "haproxy_server_redispatch_warnings_total" Counter Column(Field::Wredis),
        "Requests that went to another server because this one could not be reached.";
    "haproxy_server_status" Gauge State(SERVER_STATES), "1 for the state that it is in.";
    "haproxy_server_weight" Gauge Column(Field::Weight), "Its weight.";
    "haproxy_server_active" Gauge Column(Field::Act), "1 for an active server.";
    "haproxy_server_backup" Gauge Column(Field::Bck), "1 for a backup server.";
    "haproxy_server_check_failures_total" Counter Column(Field::Chkfail),
        "Checks that have failed while it was up; NaN without checks.";
    "haproxy_server_check_up_down_total" Counter Column(Field::Chkdown),
        "How often it went down; NaN without checks.";
    "haproxy_server_check_last_change_seconds" Gauge Column(Field::Lastchg),
        "Seconds since its state has changed.";
    "haproxy_server_downtime_seconds_total" Counter Column(Field::Downtime),
        "Seconds down; NaN without checks.";
    "haproxy_server_queue_limit" Gauge Column(Field::Qlimit),
        "Requests that may wait for it (maxqueue); NaN for no limit.";
    "haproxy_server_current_throttle" Gauge Column(Field::Throttle),
        "Percentage of its weight while it starts slowly (slowstart); NaN otherwise.";
    "haproxy_server_loadbalanced_total" Counter Column(Field::Lbtot),
        "Requests for which balancing has chosen it.";
    "haproxy_server_current_session_rate" Gauge Column(Field::Rate),
        "Sessions in the last second.";
    "haproxy_server_max_session_rate" Gauge Column(Field::RateMax),
        "Most sessions in one second.";
    "haproxy_server_check_status" Gauge CheckResult, "1 for the result of the last check.";
    "haproxy_server_check_code" Gauge Checked(Field::CheckCode),
        "The status that the last check saw; 0 for none.";
    "haproxy_server_check_duration_seconds" Gauge CheckedSeconds(Field::CheckDuration),
        "How long the last check took.";
    "haproxy_server_http_responses_total" Counter Codes, "Responses, by class of status.";
    "haproxy_server_http_requests_total" Counter Responses,
        "Requests that it has answered.";
    "haproxy_server_client_aborts_total" Counter Column(Field::CliAbrt),
        "Transfers that the client has broken off.";
    "haproxy_server_server_aborts_total" Counter Column(Field::SrvAbrt),
        "Transfers that the server has broken off.";
    "haproxy_server_last_session_seconds" Gauge Column(Field::Lastsess),
        "Seconds since the last session; -1 when there was none.";
    "haproxy_server_queue_time_average_seconds" Gauge Seconds(Field::Qtime),
        "Mean time in the queue over the last requests.";
    "haproxy_server_connect_time_average_seconds" Gauge Seconds(Field::Ctime),
        "Mean time to reach it over the last requests.";
    "haproxy_server_response_time_average_seconds" Gauge Seconds(Field::Rtime),
        "Mean time until it began to respond, over the last requests.";
    "haproxy_server_total_time_average_seconds" Gauge Seconds(Field::Ttime),
        "Mean time from a request to the end of its response, over the last requests.";
}
StickTable {
    "haproxy_sticktable_size" Gauge Source::Table(|t| t.size),
        "Entries that it may have.";
    "haproxy_sticktable_used" Gauge Source::Table(|t| t.used),
        "Entries that it has.";
}
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_in_their_scope() {
        let mut seen = HashSet::new();
        let mut last = 0;
        for family in FAMILIES {
            assert!(seen.insert(family.name), "{} twice", family.name);
            let place = family.scope as usize;
            assert!(place >= last, "{} is out of place", family.name);
            last = place;
            let prefix = match family.scope {
                Scope::Global => "process",
                scope => scope.name(),
            };
            let fits = family.name.starts_with(&format!("haproxy_{prefix}_"))
                || family.scope == Scope::Global && family.name.starts_with("hapax_");
            assert!(fits, "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(!family.help.contains(['\n', '\\']), "{}", family.name);
        }
    }
}
