//! The columns, in the order in which the CSV shows them. Manual 1.4, section 9.1.

use haproxy_cfg_grammar::Dialect;

macro_rules! fields {
    ($($field:ident $name:literal $since:ident $doc:literal,)*) => {
        /// A column.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Field {
            $(#[doc = $doc] $field,)*
        }

        /// All of them, in order.
        pub const FIELDS: &[Field] = &[$(Field::$field,)*];

        impl Field {
            /// The name in the first line of the CSV.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }

            /// Whether a dialect shows it.
            pub fn is_in(self, dialect: Dialect) -> bool {
                dialect != Dialect::V1_4 || match self {
                    $(Self::$field => Dialect::$since == Dialect::V1_4,)*
                }
            }
        }
    };
}

fields! {
    Pxname "pxname" V1_4 "Name of the proxy.",
    Svname "svname" V1_4 "`FRONTEND`, `BACKEND`, or the name of the server or listener.",
    Qcur "qcur" V1_4 "Requests that wait.",
    Qmax "qmax" V1_4 "Most that have waited.",
    Scur "scur" V1_4 "Sessions.",
    Smax "smax" V1_4 "Most sessions at once.",
    Slim "slim" V1_4 "Limit of sessions.",
    Stot "stot" V1_4 "Sessions since the start.",
    Bin "bin" V1_4 "Bytes from clients.",
    Bout "bout" V1_4 "Bytes to clients.",
    Dreq "dreq" V1_4 "Requests refused by a rule.",
    Dresp "dresp" V1_4 "Responses refused by a rule.",
    Ereq "ereq" V1_4 "Invalid requests.",
    Econ "econ" V1_4 "Failed connections to servers.",
    Eresp "eresp" V1_4 "Invalid or missing responses.",
    Wretr "wretr" V1_4 "Connection attempts after the first.",
    Wredis "wredis" V1_4 "Redispatched requests.",
    Status "status" V1_4 "State, as text.",
    Weight "weight" V1_4 "Weight; of a backend the sum of those in use.",
    Act "act" V1_4 "Active servers; 1 for an active server.",
    Bck "bck" V1_4 "Backup servers; 1 for a backup server.",
    Chkfail "chkfail" V1_4 "Failed checks.",
    Chkdown "chkdown" V1_4 "Changes from up to down.",
    Lastchg "lastchg" V1_4 "Seconds since the last change.",
    Downtime "downtime" V1_4 "Seconds down.",
    Qlimit "qlimit" V1_4 "Limit of the queue.",
    Pid "pid" V1_4 "Number of the process.",
    Iid "iid" V1_4 "Number of the proxy.",
    Sid "sid" V1_4 "Number of the server or listener; 0 for the others.",
    Throttle "throttle" V1_4 "Percentage of the weight while a server starts slowly.",
    Lbtot "lbtot" V1_4 "Times that balancing chose it.",
    Tracked "tracked" V1_4 "The server whose state it takes.",
    Type "type" V1_4 "See [`super::Kind`].",
    Rate "rate" V1_4 "Sessions in the last second.",
    RateLim "rate_lim" V1_4 "Limit of that.",
    RateMax "rate_max" V1_4 "Highest of that.",
    CheckStatus "check_status" V1_4 "Result of the last check.",
    CheckCode "check_code" V1_4 "Code that it saw.",
    CheckDuration "check_duration" V1_4 "Milliseconds that it took.",
    Hrsp1xx "hrsp_1xx" V1_4 "Responses by class of status.",
    Hrsp2xx "hrsp_2xx" V1_4 "As before, for `hrsp_2xx`.",
    Hrsp3xx "hrsp_3xx" V1_4 "As before, for `hrsp_3xx`.",
    Hrsp4xx "hrsp_4xx" V1_4 "As before, for `hrsp_4xx`.",
    Hrsp5xx "hrsp_5xx" V1_4 "As before, for `hrsp_5xx`.",
    HrspOther "hrsp_other" V1_4 "As before, for `hrsp_other`.",
    Hanafail "hanafail" V1_4 "Errors seen in traffic.",
    ReqRate "req_rate" V1_4 "Requests in the last second.",
    ReqRateMax "req_rate_max" V1_4 "Highest of that.",
    ReqTot "req_tot" V1_4 "Requests since the start.",
    CliAbrt "cli_abrt" V1_4 "Transfers broken off by the client.",
    SrvAbrt "srv_abrt" V1_4 "Transfers broken off by the server.",
    CompIn "comp_in" V1_8 "Bytes given to compression.",
    CompOut "comp_out" V1_8 "Bytes that came out of it.",
    CompByp "comp_byp" V1_8 "Bytes that bypassed it.",
    CompRsp "comp_rsp" V1_8 "Compressed responses.",
    Lastsess "lastsess" V1_8 "Seconds since the last session; -1 for never.",
    LastChk "last_chk" V1_8 "What the last check saw, in words.",
    LastAgt "last_agt" V1_8 "What the last agent check saw.",
    Qtime "qtime" V1_8 "Mean milliseconds in the queue.",
    Ctime "ctime" V1_8 "Mean milliseconds to connect.",
    Rtime "rtime" V1_8 "Mean milliseconds to respond.",
    Ttime "ttime" V1_8 "Mean milliseconds of a session.",
    AgentStatus "agent_status" V1_8 "Result of the last agent check.",
    AgentCode "agent_code" V1_8 "As before, for `agent_code`.",
    AgentDuration "agent_duration" V1_8 "As before, for `agent_duration`.",
    CheckDesc "check_desc" V1_8 "Result of the last check, in words.",
    AgentDesc "agent_desc" V1_8 "As before, for `agent_desc`.",
    CheckRise "check_rise" V1_8 "Checks until it is up.",
    CheckFall "check_fall" V1_8 "Checks until it is down.",
    CheckHealth "check_health" V1_8 "Where it stands between the two.",
    AgentRise "agent_rise" V1_8 "As before, for `agent_rise`.",
    AgentFall "agent_fall" V1_8 "As before, for `agent_fall`.",
    AgentHealth "agent_health" V1_8 "As before, for `agent_health`.",
    Addr "addr" V1_8 "Address.",
    Cookie "cookie" V1_8 "Value of the persistence cookie.",
    Mode "mode" V1_8 "`http`, `tcp` or `health`.",
    Algo "algo" V1_8 "`balance`.",
    ConnRate "conn_rate" V1_8 "Connections in the last second.",
    ConnRateMax "conn_rate_max" V1_8 "Highest of that.",
    ConnTot "conn_tot" V1_8 "Connections since the start.",
    Intercepted "intercepted" V1_8 "Requests answered by the proxy itself.",
    Dcon "dcon" V1_8 "Connections refused by a rule.",
    Dses "dses" V1_8 "Sessions refused by a rule.",
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = FIELDS.len();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_1_4_come_first() {
        let old = FIELDS.iter().take_while(|f| f.is_in(Dialect::V1_4)).count();
        assert_eq!(old, 51);
        assert!(FIELDS[old..].iter().all(|f| !f.is_in(Dialect::V1_4)));
        assert_eq!(FIELDS.len(), 83);
        assert_eq!(FIELDS[old - 1].name(), "srv_abrt");
        assert!(FIELDS.iter().enumerate().all(|(n, f)| *f as usize == n));
    }
}
