//! The least that a proxy can do: move bytes between two connections.
//!
//! One epoll instance, a receive and a send for each message, no protocol, no timeout, nothing
//! counted. What it costs is what the system takes for the calls that no proxy gets around, and so
//! the least that the ratios of the small scenarios can come to on a machine.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// The argument that makes this program the relay, followed by its port and that of the origin.
pub(crate) const ARGUMENT: &str = "--relay-between";

/// Both ports when this process is to be the relay.
pub(crate) fn asked() -> Option<(u16, u16)> {
    let mut words = std::env::args().skip(1);
    (words.next()? == ARGUMENT).then_some(())?;
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Relays until the process is ended.
///
/// # Errors
/// The port is taken, the origin is not there, or a message does not fit into a socket.
pub(crate) fn run(port: u16, origin: u16) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    // Neighbours, from an even place on, are the two ends of one connection.
    let mut ends: Vec<Option<TcpStream>> = Vec::new();
    let mut events: Vec<Event> = Vec::with_capacity(ROUND);
    let mut message = [0; MESSAGE];
    loop {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                LISTENER => accept(&listener, origin, &epoll, &mut ends)?,
                place => pass_on(place as usize, &mut ends, &mut message)?,
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    origin: u16,
    epoll: &OwnedFd,
    ends: &mut Vec<Option<TcpStream>>,
) -> Result<(), Box<dyn Error>> {
    loop {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, origin))?;
        for end in [client, server] {
            end.set_nonblocking(true)?;
            end.set_nodelay(true)?;
            let place = EventData::new_u64(ends.len() as u64);
            epoll::add(epoll, &end, place, EventFlags::IN | EventFlags::ET)?;
            ends.push(Some(end));
        }
    }
}

/// Passes one message on, or the end of a connection.
fn pass_on(
    place: usize,
    ends: &mut [Option<TcpStream>],
    message: &mut [u8],
) -> Result<(), Box<dyn Error>> {
    let Some(from) = &mut ends[place] else {
        return Ok(());
    };
    match from.read(message) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Ok(0) | Err(_) => {
            ends[place] = None;
            ends[place ^ 1] = None;
        }
        Ok(n) => {
            if let Some(to) = &mut ends[place ^ 1] {
                to.write_all(&message[..n])?;
            }
        }
    }
    Ok(())
}

const LISTENER: u64 = u64::MAX;
const ROUND: usize = 256;
const MESSAGE: usize = 4096;
