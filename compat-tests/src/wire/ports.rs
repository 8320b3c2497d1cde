//! Ports for one run: origins listen, the proxy's are held for it, one refuses, one hangs.

use std::io;
use std::net::{TcpListener, UdpSocket};

use crate::ports::{Held, bound, free_port, log_socket};
use crate::recorded::SuiteError;
use crate::text::Places;

/// The sockets behind the placeholders of a suite.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// Scripted origins, by name.
    pub(super) origins: Vec<(String, TcpListener)>,
    /// Where the proxy sends its log lines.
    pub(super) log: Option<UdpSocket>,
    /// What only has to exist.
    held: Held,
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
    ) -> Result<Self, SuiteError> {
        let mut ports = Self::default();
        for name in names {
            let port = match name.as_str() {
                "log" => ports.open_log()?,
                "down" => ports.held.hold()?,
                "hang" => ports.held.hang()?,
                name if name.starts_with("fe_") => {
                    if hold {
                        ports.held.hold()?
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

    fn open_origin(&mut self, name: &str) -> Result<u16, SuiteError> {
        let (socket, port) = bound()?;
        socket.listen(ORIGIN_BACKLOG)?;
        socket.set_nonblocking(true)?;
        self.origins.push((name.to_owned(), socket.into()));
        Ok(port)
    }

    fn open_log(&mut self) -> io::Result<u16> {
        let (socket, port) = log_socket()?;
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
