//! Plays scenarios against a proxy, with a handful of threads and blocking sockets.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use socket2::SockAddr;

use super::scenario::{Scenario, WEIGHTS};
use crate::ports::{free_port, loopback, tcp_socket};
use crate::process::{Proxy, ProxyCommand};
use crate::text::to_bytes;

/// The servers chosen, a digit per request, by the name of the scenario.
pub type Choices = BTreeMap<String, String>;

/// Starts the proxy, plays everything, stops it.
///
/// # Errors
/// The proxy does not start or an answer is not one.
pub fn drive(command: &ProxyCommand, scenarios: &[Scenario]) -> io::Result<Choices> {
    let servers: Vec<u16> = (0..WEIGHTS.len()).map(serve).collect::<Result<_, _>>()?;
    let folder = tempfile::Builder::new().prefix("placement-").tempdir()?;
    let mut text = HEAD.to_owned();
    let mut work = Vec::new();
    for (number, scenario) in scenarios.iter().enumerate() {
        let port = free_port()?;
        text.push_str(&scenario.section(number, port, &servers));
        work.push((scenario, port));
    }
    let file = folder.path().join("placement.cfg");
    std::fs::write(&file, text)?;
    let proxy = Proxy::start(command, &file, folder.path())?;
    let first = work.first().map_or(0, |(_, port)| *port);
    let up = until_it_listens(first);

    let choices = Mutex::new(Choices::new());
    let trouble = Mutex::new(up.err());
    let waiting = Mutex::new(work.iter());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while trouble.lock().is_none() {
                    let Some((scenario, port)) = waiting.lock().next() else {
                        return;
                    };
                    match play(scenario, *port) {
                        Ok(chosen) => {
                            choices.lock().insert(scenario.name(), chosen);
                        }
                        Err(error) => {
                            let what = format!("{}: {error}", scenario.name());
                            *trouble.lock() = Some(io::Error::new(error.kind(), what));
                        }
                    }
                }
            });
        }
    });
    let output = proxy.output()?;
    drop(proxy);
    match trouble.into_inner() {
        Some(error) => Err(io::Error::new(error.kind(), format!("{error}\n{output}"))),
        None => Ok(choices.into_inner()),
    }
}

/// A server that says its number to everybody, for as long as this process lives.
fn serve(number: usize) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A connection that has ended already is nobody's loss.
            let _ = stream.and_then(|mut stream| stream.write_all(number.to_string().as_bytes()));
        }
    });
    Ok(port)
}

fn until_it_listens(port: u16) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
}

fn play(scenario: &Scenario, port: u16) -> io::Result<String> {
    (0..scenario.count)
        .map(|number| ask(scenario, port, number))
        .collect()
}

/// A request on a connection of its own: a redirection to a server ends it in any case.
fn ask(scenario: &Scenario, port: u16, number: u32) -> io::Result<char> {
    let socket = tcp_socket()?;
    let from = SocketAddrV4::new(scenario.source(number), 0);
    socket.bind(&SockAddr::from(from))?;
    socket.connect(&loopback(port))?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&to_bytes(&scenario.request(number)))?;
    if scenario.is_tcp() {
        let mut digit = [0];
        stream.read_exact(&mut digit)?;
        return Ok(char::from(digit[0]));
    }
    server_of(&mut BufReader::new(stream))
}

/// The server that the `Location` of an answer names.
fn server_of(answers: &mut impl BufRead) -> io::Result<char> {
    let mut head = String::new();
    let mut server = None;
    loop {
        let start = head.len();
        if answers.read_line(&mut head)? == 0 {
            let what = format!("an answer ends with {head:?}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        let line = head[start..].trim_end();
        if line.is_empty() {
            break;
        }
        if line.to_ascii_lowercase().starts_with("location:") {
            server = line
                .split("//s")
                .nth(1)
                .and_then(|rest| rest.chars().next());
        }
    }
    server.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, head))
}

const HEAD: &str = "global\n    maxconn 5000\ndefaults\n    mode http\n    \
    option http-server-close\n    timeout connect 5s\n    timeout client 20s\n    \
    timeout server 20s\n";
const THREADS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(10);
