//! `hapax demo`: the shipped quick start in motion, and what it does on the wire.
//!
//! Two small servers and the proxy run inside this process; the demo sends itself two requests
//! through each connection mode, shows both sides of the proxy next to each other, and goes on
//! serving so that the doors can be tried by hand.
//!
//! Code map: `quickstart` is the configuration, with free ports; `proxy` the
//! engine on it; `origin` are the servers, each
//! connection of theirs kept by `recording`; `client` sends the requests; `exchange` is what was
//! seen, `table` how it is shown.

mod client;
mod exchange;
mod origin;
mod proxy;
mod quickstart;
mod recording;
mod table;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::engine::EngineError;
use crate::engine::signals::{Control, Waiting};
use exchange::{Exchange, Heads, ModeReport, messages};
use origin::Origin;
use proxy::Proxy;
use quickstart::Door;
use recording::Recordings;

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Sockets, threads or the terminal do not work.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The shipped configuration is refused.
    #[error("the shipped example is refused:\n{0}")]
    Configuration(String),
    /// The proxy does not start.
    #[error("the proxy does not start on the shipped example: {0}")]
    Engine(#[from] EngineError),
    /// A request came to nothing.
    #[error("{mode}: {trouble}")]
    Exchange {
        /// The mode.
        mode: &'static str,
        /// What happened.
        trouble: String,
    },
}

/// Shows the five modes on `out`, then serves until a signal ends the process.
///
/// # Errors
/// When the proxy or its servers cannot be started, or a request comes to nothing.
pub fn run(out: &mut dyn Write) -> Result<(), DemoError> {
    let mut waiting = Waiting::new()?;
    let stage = Stage::set()?;
    let proxy = Proxy::start(&stage.configuration)?;
    stage.show(out)?;

    let (stop, stopped) = oneshot::channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            while let Some(control) = waiting.wait() {
                if matches!(control, Control::Stop(_) | Control::SoftStop) {
                    break;
                }
            }
            // Nobody waits any more when the demo ended by itself.
            let _ = stop.send(());
        })?;
    // A sender that went away without a word ends the demo as well.
    let _ = stage.runtime.block_on(stopped);
    drop(proxy);
    Ok(())
}

/// The demo's servers, ready to be proxied.
struct Stage {
    runtime: tokio::runtime::Runtime,
    recordings: Recordings,
    doors: Vec<(Door, u16)>,
    /// The shipped example, on ports that are free.
    configuration: String,
}

impl Stage {
    /// Starts the servers and chooses the ports.
    fn set() -> Result<Self, DemoError> {
        // The demo's peers live on a runtime of their own, as they would on another machine.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let recordings = Recordings::default();
        let mut ports = BTreeMap::new();
        for (name, written) in quickstart::servers() {
            let origin = Origin::bind(name)?;
            ports.insert(written, origin.port()?);
            runtime.spawn(origin.serve(recordings.clone()));
        }
        let mut doors = Vec::new();
        for door in quickstart::doors() {
            let port = quickstart::free_port(door.written_port)?;
            ports.insert(door.written_port, port);
            doors.push((door, port));
        }
        let configuration = quickstart::with_ports(&ports);
        Ok(Self {
            runtime,
            recordings,
            doors,
            configuration,
        })
    }

    /// Sends requests through each mode and shows what they became.
    fn show(&self, out: &mut dyn Write) -> Result<(), DemoError> {
        writeln!(out, "{INTRODUCTION}")?;
        let mut reports = Vec::new();
        for (door, port) in &self.doors {
            let report = self.runtime.block_on(self.try_door(*door, *port))?;
            write!(out, "{}", table::mode(&report))?;
            out.flush()?;
            reports.push(report);
        }
        write!(out, "\nIn short:\n\n{}", table::summary(&reports))?;
        self.invite(out)
    }

    fn invite(&self, out: &mut dyn Write) -> Result<(), DemoError> {
        writeln!(
            out,
            "\nThe proxy goes on serving; try it, each with two requests at once:\n"
        )?;
        for (door, port) in &self.doors {
            let url = format!("http://127.0.0.1:{port}/");
            writeln!(out, "  curl -v {url}a {url}b    # {}", door.name)?;
        }
        writeln!(out, "\nCtrl-C ends it.")?;
        out.flush()?;
        Ok(())
    }

    async fn try_door(&self, door: Door, port: u16) -> Result<ModeReport, DemoError> {
        let failed = |trouble: String| DemoError::Exchange {
            mode: door.name,
            trouble,
        };
        self.recordings.clear();
        let paths = ["/first", "/second"].map(str::to_owned);
        let visit = client::visit(port, &paths)
            .await
            .map_err(|error| failed(error.to_string()))?;
        // The client may know of an end before the servers do.
        sleep(SETTLE).await;
        let connections = self.recordings.list();
        let mut served = Vec::new();
        let mut server_ends = Vec::new();
        for (number, connection) in (1..).zip(&connections) {
            let connection = connection.lock();
            server_ends.push(connection.end);
            let requests = messages(&connection.from_proxy);
            let responses = messages(&connection.to_proxy);
            for (request, response) in requests.into_iter().zip(responses) {
                served.push((number, connection.server.clone(), request, response));
            }
        }
        if served.len() != visit.answered.len() {
            return Err(failed(format!(
                "{} requests were answered, the servers saw {}",
                visit.answered.len(),
                served.len()
            )));
        }
        let exchanges = visit.answered.into_iter().zip(served);
        let exchanges = exchanges.map(|(client, (number, server, request, response))| Exchange {
            client_connection: client.connection,
            server_connection: number,
            server,
            request: Heads {
                client: client.request,
                server: request,
            },
            response: Heads {
                client: client.response,
                server: response,
            },
        });
        Ok(ModeReport {
            name: door.name,
            option: door.option,
            promise: door.promise,
            exchanges: exchanges.collect(),
            client_ends: visit.ends,
            server_ends,
        })
    }
}

const SETTLE: Duration = Duration::from_millis(100);
const INTRODUCTION: &str = "\
hapax demo: one proxy, two servers, five connection modes (examples/quickstart.cfg).

Two requests go through each mode. On the left is what the client sent (>) and received (<),
on the right what the server received and sent. The servers close when they are asked to, but
take their time.";
