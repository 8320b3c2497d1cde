//! Where operators come in: statistics sockets and the addresses of metrics. They are served beside
//! the traffic.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;
use tokio_util::sync::CancellationToken;

use super::listening::Opener;
use super::{Engine, EngineError};
use crate::admin;
use crate::admin::socket::StatsListener;
use crate::plan::{ListenAddress, Plan, StatsSocket, UnixAddress};

/// A statistics socket.
#[derive(Debug)]
pub(super) struct Socket {
    settings: StatsSocket,
    listener: StatsListener,
    /// The file that was there when it was opened: its device and number.
    file: Option<(u64, u64)>,
    /// Ends serving.
    stop: CancellationToken,
}

/// Where metrics are served.
#[derive(Debug)]
pub(super) struct Metrics {
    address: SocketAddr,
    /// Ends serving.
    stop: CancellationToken,
}

/// Open, and not served yet.
#[derive(Debug, Default)]
pub(super) struct Doors {
    stats: Vec<(StatsSocket, StatsListener)>,
    metrics: Vec<(SocketAddr, TcpListener)>,
}

/// The file of a Unix socket.
fn path(socket: &StatsSocket) -> Option<&Path> {
    match &socket.address {
        ListenAddress::Unix(UnixAddress::Path(path)) => Some(path),
        _ => None,
    }
}

impl Doors {
    /// Opens them for a plan.
    pub(super) fn open(
        opener: &mut dyn Opener,
        plan: &Plan,
        sockets: Vec<StatsSocket>,
        addresses: Vec<SocketAddr>,
    ) -> Result<Self, EngineError> {
        let stats = opener.open_stats(plan, &sockets)?;
        let metrics = opener.open_metrics(plan, &addresses)?;
        Ok(Self {
            stats: sockets.into_iter().zip(stats).collect(),
            metrics: addresses.into_iter().zip(metrics).collect(),
        })
    }
}

impl Engine {
    /// Opens those of a plan that are not served yet.
    pub(super) fn missing_doors(&mut self, plan: &Plan) -> Result<Doors, EngineError> {
        let mut sockets = plan.global.stats_sockets.clone();
        sockets.retain(|wanted| self.sockets.iter().all(|known| known.settings != *wanted));
        let mut addresses = plan.global.metrics.clone();
        addresses.retain(|wanted| self.metrics.iter().all(|known| known.address != *wanted));
        Doors::open(&mut *self.opener, plan, sockets, addresses)
    }

    /// Serves them from now on.
    pub(super) fn open_doors(&mut self, doors: Doors) {
        for (settings, listener) in doors.stats {
            self.add_socket(settings, listener);
        }
        for (address, listener) in doors.metrics {
            self.add_metrics(address, listener);
        }
    }

    /// Ends those that a plan does not have.
    pub(super) fn close_unwanted_doors(&mut self, plan: &Plan) {
        let unwanted = |socket: &mut Socket| !plan.global.stats_sockets.contains(&socket.settings);
        for socket in self.sockets.extract_if(.., unwanted) {
            socket.stop.cancel();
        }
        let unwanted = |metrics: &mut Metrics| !plan.global.metrics.contains(&metrics.address);
        for metrics in self.metrics.extract_if(.., unwanted) {
            metrics.stop.cancel();
        }
    }

    /// Serves nobody for a while, where statistics sockets are frontends. Clients are let in by the
    /// system, and answered later.
    pub(super) fn pause_doors(&mut self) {
        if self.sockets_are_frontends() {
            for socket in &mut self.sockets {
                std::mem::take(&mut socket.stop).cancel();
            }
        }
    }

    /// Goes on after [`Engine::pause_doors`].
    pub(super) fn resume_doors(&self) {
        if self.sockets_are_frontends() {
            for socket in &self.sockets {
                self.serve_socket(socket);
            }
        }
    }

    /// Ends what ends with the frontends of a process.
    pub(super) fn close_doors_softly(&mut self) {
        if self.sockets_are_frontends() {
            // The file stays, and refuses.
            for socket in self.sockets.drain(..) {
                socket.stop.cancel();
            }
        }
        // Whoever takes over serves them on the same address.
        for metrics in self.metrics.drain(..) {
            metrics.stop.cancel();
        }
    }

    fn add_socket(&mut self, settings: StatsSocket, listener: StatsListener) {
        let file = path(&settings).and_then(|path| std::fs::metadata(path).ok());
        let socket = Socket {
            listener,
            file: file.map(|file| (file.dev(), file.ino())),
            stop: CancellationToken::new(),
            settings,
        };
        self.serve_socket(&socket);
        self.sockets.push(socket);
    }

    fn add_metrics(&mut self, address: SocketAddr, listener: TcpListener) {
        let stop = CancellationToken::new();
        let shared = Arc::clone(&self.shared);
        self.aside.spawn(stop.clone(), move || {
            admin::metrics::serve(shared, listener)
        });
        self.metrics.push(Metrics { address, stop });
    }

    fn serve_socket(&self, socket: &Socket) {
        let shared = Arc::clone(&self.shared);
        let settings = socket.settings.clone();
        match socket.listener.try_clone() {
            Ok(listener) => self.aside.spawn(socket.stop.clone(), move || {
                admin::socket::serve(shared, listener, settings)
            }),
            Err(error) => tracing::error!(%error, "cannot serve a statistics socket"),
        }
    }

    /// Whether statistics sockets are paused and stopped like frontends. HAProxy 1.4 serves them as
    /// long as the process lives.
    fn sockets_are_frontends(&self) -> bool {
        self.plan().dialect != Dialect::V1_4
    }

    /// Lets no more clients in on the statistics sockets. HAProxy 1.4 removes their files in the end,
    /// but for those that another process has put in their place.
    pub fn close_sockets(&mut self) {
        let remove = !self.sockets_are_frontends();
        for socket in self.sockets.drain(..) {
            socket.stop.cancel();
            let Some(path) = path(&socket.settings) else {
                continue;
            };
            let there = std::fs::metadata(path).ok();
            let there = there.map(|file| (file.dev(), file.ino()));
            if remove && there.is_some() && there == socket.file {
                // A file that stays is in nobody's way.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}
