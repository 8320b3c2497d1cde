//! What clients leave in a stick table that counts them, while they are still there.

use super::{Finding, Stage, until};

/// Which stick table.
const TABLE: &str = "counted";

/// The lines of a configuration that count the clients of a frontend.
pub(super) const RULES: &str = "    tcp-request connection track-sc0 src table counted\n    \
    http-request set-header X-Count %[sc0_inc_gpc0]\n";

/// The section with the table.
pub(super) const SECTION: &str = "backend counted\n    \
    stick-table type ip size 1k expire 30m store gpc0,conn_cur,http_req_cnt\n";

/// An entry that nobody counts in: an administrator made it.
pub(super) const BY_HAND: &str = "set table counted key 192.0.2.1 data.gpc0 7";

/// The entries, without where they lie in memory and for how long.
pub(super) fn look(stage: &Stage) -> String {
    let shown = stage.ask(&format!("show table {TABLE}"));
    let mut entries: Vec<String> = shown
        .lines()
        .filter(|line| line.contains("key="))
        .map(|line| {
            let facts = line.split(' ').skip(1).filter(|fact| {
                ["key=", "gpc0=", "conn_cur=", "http_req_cnt="]
                    .iter()
                    .any(|name| fact.starts_with(name))
            });
            facts.collect::<Vec<_>>().join(" ")
        })
        .collect();
    entries.sort();
    if entries.is_empty() {
        super::NOTHING.to_owned()
    } else {
        entries.join("; ")
    }
}

/// Waits until so many connections are counted.
pub(super) fn expect(stage: &Stage, connections: usize) -> Result<(), String> {
    let entry = format!("key=127.0.0.1 gpc0={connections} conn_cur={connections}");
    until("connections are counted", || look(stage).contains(&entry))
}

/// Once all connections from before are over, and one after them: none is left over in the count.
pub(super) fn over(stage: &Stage, requests: usize) -> Finding {
    let expected =
        format!("key=127.0.0.1 gpc0={requests} conn_cur=0 http_req_cnt={requests}; key=192.0.2.1");
    // What is there in the end is what is shown.
    let _ = until("connections are over", || {
        look(stage).starts_with(&expected)
    });
    let after = look(stage);
    Finding {
        what: "the same entries, once these connections and one more are over",
        before: format!("{requests} connections"),
        kept: after.starts_with(&expected),
        after,
    }
}
