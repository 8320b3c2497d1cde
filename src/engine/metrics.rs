//! Takes the numbers of one moment, for the metrics.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::generation::Generation;
use super::listening;
use super::statistics;
use super::worker::Shared;
use crate::plan::{KeyType, ProxyId};
use crate::stats::info;
use crate::stats::metrics::{Process, Query, Scope, Snapshot, Table};

/// After so many rows others of the thread have their turn: health checks above all.
const ROWS_IN_A_ROW: usize = 256;

/// Looks at everything that a query asks for.
pub(crate) async fn snapshot(shared: &Arc<Shared>, query: Query) -> Snapshot {
    let generation = shared.current.load_full();
    let mut snapshot = Snapshot::new(query, process(shared, &generation));
    let rows = [
        Scope::Frontend,
        Scope::Listener,
        Scope::Backend,
        Scope::Server,
    ];
    let (rows, tables) = (query.wants_any(&rows), query.wants(Scope::StickTable));
    let now = Instant::now();
    let mut seen = 0_usize;
    for (index, proxy) in generation.plan.proxies.iter().enumerate() {
        if proxy.disabled {
            continue;
        }
        let id = ProxyId(index as u32);
        if rows {
            for row in statistics::each_row(&generation, id, now) {
                snapshot.add(&row);
                seen += 1;
                if seen.is_multiple_of(ROWS_IN_A_ROW) {
                    tokio::task::yield_now().await;
                }
            }
        }
        if tables && let Some(table) = &generation.handles(id).table {
            snapshot.add_table(Table {
                name: proxy.name.clone(),
                key: key(table.key_type()),
                size: table.size().into(),
                used: table.len().into(),
            });
        }
    }
    snapshot
}

fn process(shared: &Shared, generation: &Generation) -> Process {
    let plan = &generation.plan;
    let info = statistics::info(shared, plan);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let started = since.map_or(0, |now| now.saturating_sub(info.uptime).as_secs());
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Process {
        info,
        version: info::version(plan.dialect),
        dialect: plan.dialect.name(),
        // One of those that count is everybody else.
        threads: count(shared.registry.counting().saturating_sub(1)),
        listeners: count(listening::wanted(plan).len()),
        started,
        stopping: generation.is_retired(),
        reloads: shared.reloads.summary(),
    }
}

/// The type of keys, as the configuration has it.
fn key(key: KeyType) -> &'static str {
    match key {
        KeyType::Ip => "ip",
        KeyType::Ipv6 => "ipv6",
        KeyType::Integer => "integer",
        KeyType::String(_) => "string",
        KeyType::Binary(_) => "binary",
    }
}
