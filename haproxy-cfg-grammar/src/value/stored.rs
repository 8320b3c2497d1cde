//! What stick tables store beside a key, and what can be asked about it: since 1.5.

use serde::Serialize;

use crate::value::criterion::Criterion;
use crate::value::criterion::Needs;
use crate::value::criterion::Takes;
use crate::value::pattern::MatchMethod;
use crate::version::{self, Version};

macro_rules! data_types {
    ($($variant:ident $name:literal $about:literal,)*) => {
        /// A type of data of a table, in the order in which tables show them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum DataType {
            $(#[doc = $about] $variant,)*
        }

        impl DataType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

data_types! {
    ServerId "server_id" "The server that the key leads to.",
    Gpt0 "gpt0" "A number that rules set.",
    Gpc0 "gpc0" "A number that rules count up.",
    Gpc0Rate "gpc0_rate" "How fast that goes.",
    ConnCnt "conn_cnt" "Connections, or requests where it is those that are tracked.",
    ConnRate "conn_rate" "How fast they come.",
    ConnCur "conn_cur" "How many of them there are now.",
    SessCnt "sess_cnt" "Connections that rules have let pass.",
    SessRate "sess_rate" "How fast they come.",
    HttpReqCnt "http_req_cnt" "Requests.",
    HttpReqRate "http_req_rate" "How fast they come.",
    HttpErrCnt "http_err_cnt" "Requests that are the client's mistake.",
    HttpErrRate "http_err_rate" "How fast they come.",
    BytesInCnt "bytes_in_cnt" "Bytes that clients have sent; 64 bits, where others have 32.",
    BytesInRate "bytes_in_rate" "How fast they come.",
    BytesOutCnt "bytes_out_cnt" "Bytes that clients have got; 64 bits.",
    BytesOutRate "bytes_out_rate" "How fast they go.",
}

impl DataType {
    /// The type of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|data| data.name() == name)
    }

    /// Whether it is a rate: how often something has happened within a period.
    pub fn is_rate(self) -> bool {
        self.name().ends_with("_rate")
    }
}

/// What is asked about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryFact {
    /// What is stored.
    Data(DataType),
    /// Bytes, in whole 1024s.
    Kilobytes(DataType),
    /// `gpc0`, after it was counted up.
    IncGpc0,
    /// `gpc0`, which is 0 from then on.
    ClrGpc0,
    /// `conn_cnt`, after it was counted up.
    UpdtConnCnt,
    /// Whether an entry is tracked at all.
    Tracked,
    /// How many connections and requests track the entry.
    Trackers,
}

/// Where the entry comes from that a fetch asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryName {
    /// `sc_...(N)`: it is tracked under a number in the parentheses.
    Numbered,
    /// `sc0_...` to `sc2_...`: it is tracked under this number.
    Tracked(u8),
    /// `src_...`: that of the client's address.
    Source,
}

/// How many entries a connection can track.
pub const COUNTERS: u8 = 3;

const fn row(name: &'static str, takes: Takes, method: MatchMethod, since: Version) -> Criterion {
    Criterion {
        name,
        // The name says all that there is to it.
        fetch: name,
        takes,
        method,
        needs: Needs::Nothing,
        since,
        status: crate::keyword::Status::Works,
    }
}

macro_rules! entry_facts {
    (
        both: $($name:literal $fact:expr, $since:ident;)*
        tracked: $($own:literal $own_fact:expr, $method:ident;)*
        source: $($of_source:literal $source_fact:expr;)*
        table: $($of_table:literal;)*
    ) => {
        /// The fetches about entries and tables, which are criteria of ACLs as well.
        pub const FETCHES: &[Criterion] = &[
            $(
                row(concat!("sc_", $name), Takes::Counter, MatchMethod::Integer, version::$since),
                row(concat!("sc0_", $name), Takes::OtherTable, MatchMethod::Integer, version::$since),
                row(concat!("sc1_", $name), Takes::OtherTable, MatchMethod::Integer, version::$since),
                row(concat!("sc2_", $name), Takes::OtherTable, MatchMethod::Integer, version::$since),
                row(concat!("src_", $name), Takes::Table, MatchMethod::Integer, version::$since),
            )*
            $(
                row(concat!("sc_", $own), Takes::Counter, MatchMethod::$method, version::V1_5),
                row(concat!("sc0_", $own), Takes::OtherTable, MatchMethod::$method, version::V1_5),
                row(concat!("sc1_", $own), Takes::OtherTable, MatchMethod::$method, version::V1_5),
                row(concat!("sc2_", $own), Takes::OtherTable, MatchMethod::$method, version::V1_5),
            )*
            $(row(concat!("src_", $of_source), Takes::Table, MatchMethod::Integer, version::V1_5),)*
            $(row($of_table, Takes::Table, MatchMethod::Integer, version::V1_5),)*
        ];

        /// What a fetch asks about an entry, and which one; `None` for other fetches.
        pub fn fetch(name: &str) -> Option<(EntryName, EntryFact)> {
            let (entry, fact) = name.split_once('_')?;
            let entry = match entry {
                "sc" => EntryName::Numbered,
                "sc0" => EntryName::Tracked(0),
                "sc1" => EntryName::Tracked(1),
                "sc2" => EntryName::Tracked(2),
                "src" => EntryName::Source,
                _ => return None,
            };
            let fact = match (entry, fact) {
                $((_, $name) => $fact,)*
                $((EntryName::Source, $of_source) => $source_fact,)*
                (EntryName::Source, _) => return None,
                $((_, $own) => $own_fact,)*
                _ => return None,
            };
            Some((entry, fact))
        }
    };
}

entry_facts! {
    both:
    "bytes_in_rate" EntryFact::Data(DataType::BytesInRate), V1_5;
    "bytes_out_rate" EntryFact::Data(DataType::BytesOutRate), V1_5;
    "clr_gpc0" EntryFact::ClrGpc0, V1_5;
    "conn_cnt" EntryFact::Data(DataType::ConnCnt), V1_5;
    "conn_cur" EntryFact::Data(DataType::ConnCur), V1_5;
    "conn_rate" EntryFact::Data(DataType::ConnRate), V1_5;
    "get_gpc0" EntryFact::Data(DataType::Gpc0), V1_5;
    "get_gpt0" EntryFact::Data(DataType::Gpt0), V1_8;
    "gpc0_rate" EntryFact::Data(DataType::Gpc0Rate), V1_5;
    "http_err_cnt" EntryFact::Data(DataType::HttpErrCnt), V1_5;
    "http_err_rate" EntryFact::Data(DataType::HttpErrRate), V1_5;
    "http_req_cnt" EntryFact::Data(DataType::HttpReqCnt), V1_5;
    "http_req_rate" EntryFact::Data(DataType::HttpReqRate), V1_5;
    "inc_gpc0" EntryFact::IncGpc0, V1_5;
    "kbytes_in" EntryFact::Kilobytes(DataType::BytesInCnt), V1_5;
    "kbytes_out" EntryFact::Kilobytes(DataType::BytesOutCnt), V1_5;
    "sess_cnt" EntryFact::Data(DataType::SessCnt), V1_5;
    "sess_rate" EntryFact::Data(DataType::SessRate), V1_5;
    tracked:
    "tracked" EntryFact::Tracked, Bool;
    "trackers" EntryFact::Trackers, Integer;
    source:
    "updt_conn_cnt" EntryFact::UpdtConnCnt;
    table:
    "table_avl";
    "table_cnt";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fetch_about_an_entry_is_one() {
        for criterion in FETCHES.iter().filter(|c| !c.name.starts_with("table_")) {
            assert!(fetch(criterion.name).is_some(), "{}", criterion.name);
        }
        for (name, expected) in [
            (
                "sc_conn_cur",
                Some((EntryName::Numbered, EntryFact::Data(DataType::ConnCur))),
            ),
            (
                "sc2_trackers",
                Some((EntryName::Tracked(2), EntryFact::Trackers)),
            ),
            (
                "src_updt_conn_cnt",
                Some((EntryName::Source, EntryFact::UpdtConnCnt)),
            ),
            ("src_trackers", None),
            ("sc3_conn_cur", None),
            ("sc0_updt_conn_cnt", None),
            ("src_port", None),
        ] {
            assert_eq!(fetch(name), expected, "{name}");
        }
    }

    #[test]
    fn rates_have_a_period() {
        let rates = DataType::ALL.iter().filter(|data| data.is_rate());
        assert_eq!(rates.count(), 7);
        assert_eq!(DataType::find("gpc0"), Some(DataType::Gpc0));
        assert_eq!(DataType::find("gpc1"), None);
    }
}
