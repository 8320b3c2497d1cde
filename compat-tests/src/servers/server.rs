//! A scripted server: what it does with its connections, and what it saw of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::Instant;

use super::ports::bind;
use super::script::{ServerScripts, ServerStep};
use crate::connection::{Connection, Seen};
use crate::recorded::SuiteError;
use crate::text::{Places, from_bytes};

/// What a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Check,
    /// Of a server that does not look at what comes.
    Conn,
    /// Nothing came.
    Empty,
    Traffic,
}

/// One connection to a server.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) connection: Rc<Connection>,
    pub(super) kind: Cell<Kind>,
    pub(super) accepted_at: Instant,
}

/// A server of a case.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    port: u16,
    places: Rc<Places>,
    scripts: RefCell<ServerScripts>,
    /// How many connections of a kind there were since the scripts are these.
    played: RefCell<BTreeMap<Kind, usize>>,
    listening: RefCell<Option<AbortHandle>>,
    pub(super) visitors: RefCell<Vec<Rc<Visitor>>>,
    requests_now: Cell<usize>,
    /// Most requests at once.
    pub(super) peak: Cell<usize>,
    /// In order of arrival.
    pub(super) paths: RefCell<Vec<String>>,
}

impl Server {
    pub(super) fn new(
        name: String,
        port: u16,
        scripts: ServerScripts,
        places: Rc<Places>,
    ) -> Rc<Self> {
        Rc::new(Self {
            name,
            port,
            places,
            scripts: RefCell::new(scripts),
            played: RefCell::default(),
            listening: RefCell::default(),
            visitors: RefCell::default(),
            requests_now: Cell::new(0),
            peak: Cell::new(0),
            paths: RefCell::default(),
        })
    }

    /// New scripts, from their first ones.
    pub(super) fn set(&self, scripts: ServerScripts) {
        *self.scripts.borrow_mut() = scripts;
        self.played.borrow_mut().clear();
    }

    /// Starts to listen; must be called inside a local set.
    pub(super) fn start(self: &Rc<Self>) -> Result<(), SuiteError> {
        if self.listening.borrow().is_some() {
            return Ok(());
        }
        let socket = bind(self.port)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into())?;
        let task = spawn_local(Rc::clone(self).accept(listener));
        *self.listening.borrow_mut() = Some(task.abort_handle());
        Ok(())
    }

    /// Stops listening; connections stay.
    pub(super) async fn stop(&self) {
        if let Some(task) = self.listening.borrow_mut().take() {
            task.abort();
        }
        // The listener is closed when the runtime drops its task.
        tokio::task::yield_now().await;
    }

    async fn accept(self: Rc<Self>, listener: TcpListener) {
        // A connection that is reset before it is taken is none.
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let visitor = Rc::new(Visitor {
                connection: Connection::start(stream),
                kind: Cell::new(Kind::Empty),
                accepted_at: Instant::now(),
            });
            self.visitors.borrow_mut().push(Rc::clone(&visitor));
            spawn_local(Rc::clone(&self).serve(visitor));
        }
    }

    async fn serve(self: Rc<Self>, visitor: Rc<Visitor>) {
        self.answer(&visitor).await;
        let connection = &visitor.connection;
        connection.wait(Seen::ended, LINGER).await;
        connection.close();
    }

    async fn answer(&self, visitor: &Visitor) {
        let connection = &visitor.connection;
        let by_connection = self.scripts.borrow().conn.is_some();
        if by_connection {
            visitor.kind.set(Kind::Conn);
            self.play(connection, &self.next(Kind::Conn)).await;
            return;
        }
        connection.wait(has_request, REQUEST_PATIENCE).await;
        let line = {
            let seen = connection.seen();
            let end = seen.received.iter().position(|b| *b == b'\n');
            from_bytes(&seen.received[..end.unwrap_or(seen.received.len())])
        };
        if line.is_empty() && connection.seen().received.is_empty() {
            return;
        }
        if line.starts_with("OPTIONS") || line.contains("chk") {
            visitor.kind.set(Kind::Check);
            self.play(connection, &self.next(Kind::Check)).await;
            return;
        }
        visitor.kind.set(Kind::Traffic);
        let path = line.split_whitespace().nth(1).unwrap_or_default();
        self.paths.borrow_mut().push(path.to_owned());
        self.requests_now.set(self.requests_now.get() + 1);
        self.peak.set(self.peak.get().max(self.requests_now.get()));
        self.play(connection, &self.next(Kind::Traffic)).await;
        self.requests_now.set(self.requests_now.get() - 1);
    }

    /// The script of the next connection of a kind.
    fn next(&self, kind: Kind) -> Vec<ServerStep> {
        let scripts = self.scripts.borrow();
        let (scripts, default) = match kind {
            Kind::Conn | Kind::Empty => (&scripts.conn, None),
            Kind::Check => (
                &scripts.check,
                Some(ServerStep::Status("200 OK".to_owned())),
            ),
            Kind::Traffic => (&scripts.traffic, Some(ServerStep::Ok)),
        };
        let mut played = self.played.borrow_mut();
        let number = played.entry(kind).or_default();
        *number += 1;
        match scripts.as_deref() {
            None | Some([]) => default.into_iter().collect(),
            Some(scripts) => scripts[(*number).min(scripts.len()) - 1].clone(),
        }
    }

    async fn play(&self, connection: &Connection, script: &[ServerStep]) {
        for step in script {
            match step {
                ServerStep::Request => {
                    connection.wait(has_request, REQUEST_PATIENCE).await;
                }
                ServerStep::Until(text) => {
                    let wanted = self.places.expand(text);
                    connection
                        .wait(|seen| seen.ended() || seen.contains(&wanted), PATIENCE)
                        .await;
                }
                ServerStep::Bytes(count) => {
                    connection
                        .wait(
                            |seen| seen.ended() || seen.received.len() >= *count,
                            PATIENCE,
                        )
                        .await;
                }
                ServerStep::Anything => {
                    connection
                        .wait(|seen| seen.ended() || !seen.received.is_empty(), PATIENCE)
                        .await;
                }
                ServerStep::Send(text) => connection.send(&self.places.expand(text)).await,
                ServerStep::Hex(bytes) => connection.send(bytes).await,
                ServerStep::Ok => {
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nX-S: {}\r\nContent-Length: 2\r\n\
                         Connection: close\r\n\r\nok",
                        self.name
                    );
                    connection.send(answer.as_bytes()).await;
                    connection.half_close();
                }
                ServerStep::Status(status) => {
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nX-S: {}\r\nContent-Length: 0\r\n\
                         Connection: close\r\n\r\n",
                        self.name
                    );
                    connection.send(answer.as_bytes()).await;
                    connection.half_close();
                }
                ServerStep::Sleep(ms) => {
                    connection
                        .wait(Seen::ended, Duration::from_millis(*ms))
                        .await;
                }
                ServerStep::HalfClose => connection.half_close(),
                ServerStep::Close => {
                    connection.close();
                    return;
                }
                ServerStep::Reset => {
                    connection.reset();
                    return;
                }
                ServerStep::Hold => {
                    connection.wait(Seen::ended, REQUEST_PATIENCE).await;
                }
            }
        }
    }
}

fn has_request(seen: &Seen) -> bool {
    seen.ended() || seen.contains(b"\n\r\n") || seen.contains(b"\n\n")
}

const BACKLOG: i32 = 128;
const REQUEST_PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection is kept after its script.
const LINGER: Duration = Duration::from_secs(10);
