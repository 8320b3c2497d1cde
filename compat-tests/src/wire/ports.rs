//! Ports for one run: origins listen, the proxy's are held for it, one refuses, one hangs.

use std::net::{TcpListener, UdpSocket};

use socket2::{Domain, Socket, Type};

use super::WireError;
use crate::ports::{bound, free_port, loopback, tcp_socket};
use crate::text::Places;

/// The sockets behind the placeholders of a suite.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// Scripted origins, by name.
    pub(super) origins: Vec<(String, TcpListener)>,
    /// Where the proxy sends its log lines.
    pub(super) log: Option<UdpSocket>,
    /// Sockets that only have to exist.
    held: Vec<Socket>,
}

impl Ports {
    /// Opens what the placeholders ask for and notes their numbers in `places`.
    ///
    /// With `hold`, the proxy's ports stay bound without listening, so that no other run takes
    /// them; the proxy can bind them all the same since both sides set `SO_REUSEADDR`.
    pub(super) fn open(
        names: &[String],
        places: &mut Places,
        hold: bool,
    ) -> Result<Self, WireError> {
        let mut ports = Self::default();
        for name in names {
            let port = match name.as_str() {
                "log" => ports.open_log()?,
                "down" => ports.hold()?,
                "hang" => ports.open_hanging()?,
                name if name.starts_with("fe_") => {
                    if hold {
                        ports.hold()?
                    } else {
                        free_port()?
                    }
                }
                name if is_origin(name) => ports.open_origin(name)?,
                _ => continue,
            };
            places.insert(name.clone(), port.to_string());
        }
        Ok(ports)
    }

    fn hold(&mut self) -> Result<u16, WireError> {
        let (socket, port) = bound()?;
        self.held.push(socket);
        Ok(port)
    }

    fn open_origin(&mut self, name: &str) -> Result<u16, WireError> {
        let (socket, port) = bound()?;
        socket.listen(ORIGIN_BACKLOG)?;
        socket.set_nonblocking(true)?;
        self.origins.push((name.to_owned(), socket.into()));
        Ok(port)
    }

    /// A listener whose queue is full: connections to it are neither accepted nor refused.
    fn open_hanging(&mut self) -> Result<u16, WireError> {
        let (socket, port) = bound()?;
        socket.listen(0)?;
        self.held.push(socket);
        for _ in 0..HANGING_CONNECTIONS {
            let filler = tcp_socket()?;
            filler.set_nonblocking(true)?;
            // Connects in the background, or waits for ever: both fill the queue.
            let _ = filler.connect(&loopback(port));
            self.held.push(filler);
        }
        Ok(port)
    }

    fn open_log(&mut self) -> Result<u16, WireError> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        socket.set_recv_buffer_size(LOG_BUFFER)?;
        socket.bind(&loopback(0))?;
        socket.set_nonblocking(true)?;
        let socket: UdpSocket = socket.into();
        let port = socket.local_addr()?.port();
        self.log = Some(socket);
        Ok(port)
    }
}

fn is_origin(name: &str) -> bool {
    name.strip_prefix('s').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

const ORIGIN_BACKLOG: i32 = 256;
const HANGING_CONNECTIONS: usize = 3;
const LOG_BUFFER: usize = 1 << 20;
