//! The columns, in the order in which the CSV shows them. Manual 1.4, section 9.1.

use haproxy_cfg_grammar::Dialect;

macro_rules! fields {
    ($($field:ident $name:literal $since:ident $tags:literal $kind:literal $doc:literal,)*) => {
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

            /// Where the value comes from, what it is, and of whom: one letter each, as
            /// `show stat typed` has them.
            pub fn tags(self) -> &'static str {
                match self {
                    $(Self::$field => $tags,)*
                }
            }

            /// The type of the value, as `show stat typed` names it.
            pub fn kind(self) -> &'static str {
                match self {
                    $(Self::$field => $kind,)*
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
    Pxname "pxname" V1_4 "KNS" "str" "Name of the proxy.",
    Svname "svname" V1_4 "KNS" "str" "`FRONTEND`, `BACKEND`, or the name of the server or listener.",
    Qcur "qcur" V1_4 "MGP" "u32" "Requests that wait.",
    Qmax "qmax" V1_4 "MMP" "u32" "Most that have waited.",
    Scur "scur" V1_4 "MGP" "u32" "Sessions.",
    Smax "smax" V1_4 "MMP" "u32" "Most sessions at once.",
    Slim "slim" V1_4 "CLP" "u32" "Limit of sessions.",
    Stot "stot" V1_4 "MCP" "u64" "Sessions since the start.",
    Bin "bin" V1_4 "MCP" "u64" "Bytes from clients.",
    Bout "bout" V1_4 "MCP" "u64" "Bytes to clients.",
    Dreq "dreq" V1_4 "MCP" "u64" "Requests refused by a rule.",
    Dresp "dresp" V1_4 "MCP" "u64" "Responses refused by a rule.",
    Ereq "ereq" V1_4 "MCP" "u64" "Invalid requests.",
    Econ "econ" V1_4 "MCP" "u64" "Failed connections to servers.",
    Eresp "eresp" V1_4 "MCP" "u64" "Invalid or missing responses.",
    Wretr "wretr" V1_4 "MCP" "u64" "Connection attempts after the first.",
    Wredis "wredis" V1_4 "MCP" "u64" "Redispatched requests.",
    Status "status" V1_4 "SGP" "str" "State, as text.",
    Weight "weight" V1_4 "MaP" "u32" "Weight; of a backend the sum of those in use.",
    Act "act" V1_4 "SGP" "u32" "Active servers; 1 for an active server.",
    Bck "bck" V1_4 "SGP" "u32" "Backup servers; 1 for a backup server.",
    Chkfail "chkfail" V1_4 "MCP" "u64" "Failed checks.",
    Chkdown "chkdown" V1_4 "MCP" "u64" "Changes from up to down.",
    Lastchg "lastchg" V1_4 "MAP" "u32" "Seconds since the last change.",
    Downtime "downtime" V1_4 "MCP" "u32" "Seconds down.",
    Qlimit "qlimit" V1_4 "CGS" "u32" "Limit of the queue.",
    Pid "pid" V1_4 "KGP" "u32" "Number of the process.",
    Iid "iid" V1_4 "KGS" "u32" "Number of the proxy.",
    Sid "sid" V1_4 "KGS" "u32" "Number of the server or listener; 0 for the others.",
    Throttle "throttle" V1_4 "MaP" "u32" "Percentage of the weight while a server starts slowly.",
    Lbtot "lbtot" V1_4 "MCP" "u64" "Times that balancing chose it.",
    Tracked "tracked" V1_4 "CNS" "str" "The server whose state it takes.",
    Type "type" V1_4 "CGS" "u32" "See [`super::Kind`].",
    Rate "rate" V1_4 "MRP" "u32" "Sessions in the last second.",
    RateLim "rate_lim" V1_4 "CLP" "u32" "Limit of that.",
    RateMax "rate_max" V1_4 "MMP" "u32" "Highest of that.",
    CheckStatus "check_status" V1_4 "MOP" "str" "Result of the last check.",
    CheckCode "check_code" V1_4 "MOP" "u32" "Code that it saw.",
    CheckDuration "check_duration" V1_4 "MDP" "u64" "Milliseconds that it took.",
    Hrsp1xx "hrsp_1xx" V1_4 "MCP" "u64" "Responses by class of status.",
    Hrsp2xx "hrsp_2xx" V1_4 "MCP" "u64" "As before, for `hrsp_2xx`.",
    Hrsp3xx "hrsp_3xx" V1_4 "MCP" "u64" "As before, for `hrsp_3xx`.",
    Hrsp4xx "hrsp_4xx" V1_4 "MCP" "u64" "As before, for `hrsp_4xx`.",
    Hrsp5xx "hrsp_5xx" V1_4 "MCP" "u64" "As before, for `hrsp_5xx`.",
    HrspOther "hrsp_other" V1_4 "MCP" "u64" "As before, for `hrsp_other`.",
    Hanafail "hanafail" V1_4 "MCP" "u64" "Errors seen in traffic.",
    ReqRate "req_rate" V1_4 "MRP" "u32" "Requests in the last second.",
    ReqRateMax "req_rate_max" V1_4 "MMP" "u32" "Highest of that.",
    ReqTot "req_tot" V1_4 "MCP" "u64" "Requests since the start.",
    CliAbrt "cli_abrt" V1_4 "MCP" "u64" "Transfers broken off by the client.",
    SrvAbrt "srv_abrt" V1_4 "MCP" "u64" "Transfers broken off by the server.",
    CompIn "comp_in" V1_8 "MCP" "u64" "Bytes given to compression.",
    CompOut "comp_out" V1_8 "MCP" "u64" "Bytes that came out of it.",
    CompByp "comp_byp" V1_8 "MCP" "u64" "Bytes that bypassed it.",
    CompRsp "comp_rsp" V1_8 "MCP" "u64" "Compressed responses.",
    Lastsess "lastsess" V1_8 "MAP" "s32" "Seconds since the last session; -1 for never.",
    LastChk "last_chk" V1_8 "MOP" "str" "What the last check saw, in words.",
    LastAgt "last_agt" V1_8 "MOP" "str" "What the last agent check saw.",
    Qtime "qtime" V1_8 "MaP" "u32" "Mean milliseconds in the queue.",
    Ctime "ctime" V1_8 "MaP" "u32" "Mean milliseconds to connect.",
    Rtime "rtime" V1_8 "MaP" "u32" "Mean milliseconds to respond.",
    Ttime "ttime" V1_8 "MaP" "u32" "Mean milliseconds of a session.",
    AgentStatus "agent_status" V1_8 "MOP" "str" "Result of the last agent check.",
    AgentCode "agent_code" V1_8 "MOP" "u32" "As before, for `agent_code`.",
    AgentDuration "agent_duration" V1_8 "MDP" "u64" "As before, for `agent_duration`.",
    CheckDesc "check_desc" V1_8 "MOP" "str" "Result of the last check, in words.",
    AgentDesc "agent_desc" V1_8 "MOP" "str" "As before, for `agent_desc`.",
    CheckRise "check_rise" V1_8 "CGS" "u32" "Checks until it is up.",
    CheckFall "check_fall" V1_8 "CGS" "u32" "Checks until it is down.",
    CheckHealth "check_health" V1_8 "CGS" "u32" "Where it stands between the two.",
    AgentRise "agent_rise" V1_8 "CGS" "u32" "As before, for `agent_rise`.",
    AgentFall "agent_fall" V1_8 "CGS" "u32" "As before, for `agent_fall`.",
    AgentHealth "agent_health" V1_8 "CGS" "u32" "As before, for `agent_health`.",
    Addr "addr" V1_8 "CGS" "str" "Address.",
    Cookie "cookie" V1_8 "CNS" "str" "Value of the persistence cookie.",
    Mode "mode" V1_8 "CGS" "str" "`http`, `tcp` or `health`.",
    Algo "algo" V1_8 "CGS" "str" "`balance`.",
    ConnRate "conn_rate" V1_8 "MRP" "u32" "Connections in the last second.",
    ConnRateMax "conn_rate_max" V1_8 "MMP" "u32" "Highest of that.",
    ConnTot "conn_tot" V1_8 "MCP" "u64" "Connections since the start.",
    Intercepted "intercepted" V1_8 "MCP" "u64" "Requests answered by the proxy itself.",
    Dcon "dcon" V1_8 "MCP" "u64" "Connections refused by a rule.",
    Dses "dses" V1_8 "MCP" "u64" "Sessions refused by a rule.",
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
