//! `timeout ...`. Manual 1.4, section 4.2.

use std::time::Duration;

use serde::Serialize;

/// Inactivity limits; `None` waits for ever. All in milliseconds in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// `timeout client`.
    pub client: Option<Duration>,
    /// `timeout server`.
    pub server: Option<Duration>,
    /// `timeout connect`.
    pub connect: Option<Duration>,
    /// `timeout queue`; falls back to `connect`.
    pub queue: Option<Duration>,
    /// `timeout http-request`: the whole request head; falls back to `client`.
    pub http_request: Option<Duration>,
    /// `timeout http-keep-alive`: the wait for the next request; falls back to `http-request`,
    /// then `client`.
    pub http_keep_alive: Option<Duration>,
    /// `timeout tarpit`; falls back to `connect`.
    pub tarpit: Option<Duration>,
    /// `timeout check`.
    pub check: Option<Duration>,
    /// `timeout tunnel` (1.5 and later): both sides, once nothing is parsed any more.
    pub tunnel: Option<Duration>,
    /// `timeout client-fin` (1.5 and later): the client side, half closed.
    pub client_fin: Option<Duration>,
    /// `timeout server-fin` (1.5 and later): the server side, half closed.
    pub server_fin: Option<Duration>,
}
