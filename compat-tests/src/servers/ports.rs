//! Ports for one case: all are held for it; servers listen on theirs when told to.

use std::collections::BTreeMap;
use std::io;
use std::net::UdpSocket;

use socket2::Socket;

use super::suite::Case;
use crate::ports::{Held, bound, log_socket, loopback, tcp_socket};
use crate::recorded::SuiteError;
use crate::text::Places;

/// The sockets behind the placeholders of a case.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// Where scripted servers may listen, by name.
    pub(super) servers: Vec<(String, u16)>,
    /// Where the proxy sends its log lines.
    pub(super) log: Option<UdpSocket>,
    /// What only has to exist.
    held: Held,
}

impl Ports {
    /// Binds what the placeholders ask for and notes the numbers in `places`.
    pub(super) fn open(
        case: &Case,
        names: &[String],
        places: &mut Places,
    ) -> Result<Self, SuiteError> {
        let mut ports = Self::default();
        let distances = distances(case)?;
        for name in names {
            if case.ports.contains_key(name) || !is_place(name) {
                continue;
            }
            let port = match (name.as_str(), distances.get(name.as_str())) {
                ("log", _) => ports.open_log()?,
                ("hang", _) => ports.held.hang()?,
                (_, None) => ports.held.hold()?,
                (_, Some(others)) => ports.hold_together(others, places)?,
            };
            places.insert(name.clone(), port.to_string());
        }
        let related = case.ports.keys().filter(|name| !names.contains(name));
        for name in names.iter().chain(related) {
            if let (true, Some(port)) = (is_server(name), places.port(name)) {
                ports.servers.push((name.clone(), port));
            }
        }
        Ok(ports)
    }

    /// A port such that those so far from it are free as well.
    fn hold_together(
        &mut self,
        others: &BTreeMap<&str, i32>,
        places: &mut Places,
    ) -> io::Result<u16> {
        for _ in 0..TRIES {
            let (socket, port) = bound()?;
            let mut sockets = vec![socket];
            for (name, distance) in others {
                let other = u16::try_from(i32::from(port) + distance);
                let Some((socket, other)) = other
                    .ok()
                    .and_then(|other| Some((bind(other).ok()?, other)))
                else {
                    break;
                };
                sockets.push(socket);
                places.insert((*name).to_owned(), other.to_string());
            }
            if sockets.len() == others.len() + 1 {
                self.held.0.append(&mut sockets);
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn open_log(&mut self) -> io::Result<u16> {
        let (socket, port) = log_socket()?;
        self.log = Some(socket);
        Ok(port)
    }
}

/// A socket bound to that port.
pub(super) fn bind(port: u16) -> io::Result<Socket> {
    let socket = tcp_socket()?;
    socket.set_reuse_address(true)?;
    socket.bind(&loopback(port))?;
    Ok(socket)
}

/// For each place that others refer to: their names, and how far away they are.
fn distances(case: &Case) -> Result<BTreeMap<&str, BTreeMap<&str, i32>>, SuiteError> {
    let mut distances: BTreeMap<&str, BTreeMap<&str, i32>> = BTreeMap::new();
    for (name, text) in &case.ports {
        let parsed = text.find(['+', '-']).and_then(|sign| {
            let (base, distance) = text.split_at(sign);
            Some((base, distance.parse().ok()?))
        });
        let (base, distance) = parsed
            .ok_or_else(|| SuiteError::in_case(&case.id, format_args!("not a place: {text}")))?;
        distances.entry(base).or_default().insert(name, distance);
    }
    Ok(distances)
}

fn is_place(name: &str) -> bool {
    matches!(name, "log" | "down" | "hang") || name.starts_with("fe_") || is_server(name)
}

/// `s1`, and `c1` for what only gets checks.
fn is_server(name: &str) -> bool {
    name.strip_prefix(['s', 'c']).is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

const TRIES: usize = 1000;
