//! Where a server is: what the file says, unless an administrator has moved it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Server;
use crate::plan::{self, ServerAddress, ServerPort, UnixAddress};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An address of the network.
    Internet(ServerAddress),
    /// A Unix socket.
    Unix(Arc<UnixAddress>),
}

/// Where a server was when somebody looked, and how often it had moved by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// Where it was.
    pub(crate) place: Place,
    /// How often it had moved; it may have moved once more since that was looked at.
    moves: u32,
}

impl Whereabouts {
    /// Those of something that never moves.
    pub(crate) fn fixed(place: Place) -> Self {
        Self { place, moves: 0 }
    }
}

/// Where an administrator has moved a server: what the file said, and what holds instead for as
/// long as it does.
#[derive(Debug, Default)]
pub(super) struct Moved {
    address: Option<(Place, ServerAddress)>,
    check_port: Option<(u16, u16)>,
}

impl Moved {
    /// What a plan says, with what was changed.
    pub(super) fn apply(&mut self, server: &plan::Server) -> plan::Server {
        let mut settings = server.clone();
        let place = place(server);
        self.address = self.address.take().filter(|(file, _)| *file == place);
        if let Some((_, now)) = &self.address {
            settings.address = *now;
            settings.socket = None;
        }
        let Some(check) = &mut settings.check else {
            self.check_port = None;
            return settings;
        };
        self.check_port = self.check_port.filter(|(file, _)| *file == check.port);
        if let Some((_, now)) = self.check_port {
            check.port = now;
        }
        settings
    }
}

impl Server {
    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        place(&self.settings.load())
    }

    /// Where it is, for a connection that may be used again for as long as it stays there.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        // In this order: should it move meanwhile, the connection is not used again.
        let moves = self.moves.load(Ordering::Acquire);
        Whereabouts {
            place: self.place(),
            moves,
        }
    }

    /// Whether it is still where it was then.
    pub(crate) fn is_still_at(&self, at: &Whereabouts) -> bool {
        self.moves.load(Ordering::Acquire) == at.moves
    }

    /// Notes that it has moved, once it can be seen where to.
    pub(super) fn note_move(&self) {
        self.moves.fetch_add(1, Ordering::Release);
    }

    /// Its address in the network.
    pub(crate) fn address(&self) -> ServerAddress {
        self.settings.load().address
    }

    /// Moves it to another address, until the file names another one itself.
    pub(crate) fn set_address(&self, address: ServerAddress) {
        let mut moved = self.moved.lock();
        let old = self.settings.load_full();
        let file = moved
            .address
            .take()
            .map_or_else(|| place(&old), |(file, _)| file);
        moved.address = Some((file, address));
        let mut settings = plan::Server::clone(&old);
        settings.address = address;
        settings.socket = None;
        // Checks go where the traffic goes, unless the file says something else.
        if let Some(check) = &mut settings.check
            && let (ServerPort::Fixed(before), ServerPort::Fixed(after)) =
                (old.address.port, address.port)
            && check.port == before
            && before != after
        {
            let file = moved.check_port.map_or(before, |(file, _)| file);
            moved.check_port = Some((file, after));
            check.port = after;
        }
        self.settings.store(Arc::new(settings));
        self.note_move();
    }

    /// Has it checked on another port, until the file names another one itself.
    pub(crate) fn set_check_port(&self, port: u16) {
        let mut moved = self.moved.lock();
        let mut settings = plan::Server::clone(&self.settings.load());
        let Some(check) = &mut settings.check else {
            return;
        };
        let file = moved.check_port.map_or(check.port, |(file, _)| file);
        moved.check_port = Some((file, port));
        check.port = port;
        self.settings.store(Arc::new(settings));
    }
}

/// Where the file says that a server is.
pub(super) fn place(server: &plan::Server) -> Place {
    match &server.socket {
        Some(socket) => Place::Unix(Arc::clone(socket)),
        None => Place::Internet(server.address),
    }
}
