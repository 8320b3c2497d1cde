//! `log`, `option tcplog`, `option httplog`. Manual 1.4, sections 4.2 "log" and 8.

use std::net::SocketAddr;
use std::path::PathBuf;

pub use haproxy_cfg_grammar::keywords::log::LogFrame;
use serde::Serialize;

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogAddress {
    /// UDP; port 514 when none is given.
    Udp(SocketAddr),
    /// A Unix datagram socket.
    Unix(PathBuf),
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Syslog facility, as its number in RFC 3164 (0 to 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Facility(pub u8);

/// Syslog severity, from 0 (emerg) to 7 (debug).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Severity(pub u8);

/// One `log` line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct LogTarget {
    /// Where.
    pub address: LogAddress,
    /// Longest line, in bytes, frame and line end included. Default 1024.
    pub len: u32,
    /// What stands around the text.
    pub frame: LogFrame,
    /// The facility of every line.
    pub facility: Facility,
    /// Lines less severe than this are not sent. Default debug.
    pub max_level: Severity,
    /// Lines more severe than this are sent as this. Default emerg.
    pub min_level: Severity,
}

/// What a line says about a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Who connected where, at the start of the session.
    #[default]
    Default,
    /// `option tcplog`.
    Tcp,
    /// `option httplog`.
    Http,
    /// `option httplog clf`.
    Clf,
    /// None was asked for, but captures, for which 1.4 has a place in HTTP lines only: the line of
    /// `option tcplog`, as early as with `option logasap`, and without the server.
    Captures,
}
