//! What a request carries for the server that was chosen: `http-send-name-header`, `send-proxy`.

use super::Transaction;
use crate::engine::live::Server;
use crate::engine::session::Session;
use crate::proxy_header;

/// What was put into the bytes that are about to leave, to be taken out again for another server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dress {
    /// Bytes before the request.
    preface: usize,
    /// Where the header with the name stands behind those, and how long it is.
    name: Option<(usize, usize)>,
}

impl Transaction {
    /// Puts in what this server is to see. `fresh` says that the connection is a new one.
    pub(crate) fn dress(&mut self, session: &Session, server: &Server, fresh: bool) {
        if self.dress != Dress::default() {
            self.undress();
        }
        let head = &mut self.up.head;
        if let (Some(name), Some(at)) = (&session.backend().send_name_header, self.name_at) {
            let line = [&name[..], b": ", server.name.as_bytes(), b"\r\n"].concat();
            let at = at.min(head.len());
            head.splice(at..at, line.iter().copied());
            self.dress.name = Some((at, line.len()));
        }
        if fresh && let Some(form) = server.settings().send_proxy {
            let mut preface = Vec::new();
            let between = session.peer.zip(session.destination());
            proxy_header::write(form, between, &mut preface);
            head.splice(0..0, preface.iter().copied());
            self.dress.preface = preface.len();
        }
    }

    /// Takes out what the server before was to see.
    fn undress(&mut self) {
        let head = &mut self.up.head;
        let old = std::mem::take(&mut self.dress);
        head.drain(..old.preface.min(head.len()));
        if let Some((at, len)) = old.name {
            head.drain(at.min(head.len())..(at + len).min(head.len()));
        }
    }
}
