//! The clients of the statistics sockets, which are shown among the sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::stats::{Party, SessionReport};

/// Who is connected to the statistics sockets.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    next: AtomicU64,
    present: Mutex<BTreeMap<u64, (Instant, SystemTime)>>,
}

/// One of them; it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Present {
    clients: Arc<Clients>,
    id: u64,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.clients.present.lock().remove(&self.id);
    }
}

impl Clients {
    /// Somebody has connected.
    pub(crate) fn enter(self: &Arc<Self>) -> Present {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let now = (Instant::now(), SystemTime::now());
        self.present.lock().insert(id, now);
        Present {
            clients: Arc::clone(self),
            id,
        }
    }

    /// What can be told about them.
    pub(crate) fn reports(&self) -> Vec<SessionReport> {
        let present = self.present.lock();
        let report = |(id, (since, accepted)): (&u64, &(Instant, SystemTime))| SessionReport {
            // No session of a worker has so small a key.
            key: id + 1,
            id: *id,
            peer: None,
            frontend: Party {
                name: "GLOBAL".to_owned(),
                id: 0,
                mode: "tcp",
            },
            listener: 1,
            backend: None,
            server: None,
            accepted: *accepted,
            age: since.elapsed(),
            calls: 1,
            expires: None,
            descriptor: -1,
        };
        present.iter().map(report).collect()
    }
}
