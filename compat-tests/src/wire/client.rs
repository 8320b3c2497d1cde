//! Scripted clients.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep, timeout};

use super::framing::{MessageEnd, response_end};
use super::stage::{LOOPBACK, Play, Stage};
use super::suite::{ClientAction, Side};
use crate::connection::{Connection, PeerEnd};
use crate::recorded::SuiteError;
use crate::text::to_bytes;

/// One connection of a client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) connection: Rc<Connection>,
    /// Where the next response starts, and how each waiting step went.
    reading: RefCell<Reading>,
}

#[derive(Debug, Default)]
struct Reading {
    position: usize,
    notes: Vec<String>,
}

/// Plays the client's steps; tells why when the proxy cannot even be reached.
pub(super) async fn play(stage: &Stage, play: &Rc<Play>) -> Result<Option<String>, SuiteError> {
    let mut by_name: HashMap<String, Rc<Client>> = HashMap::new();
    let mut current: Option<Rc<Client>> = None;
    for step in &play.case.client {
        if let ClientAction::Connect { connect } = &step.action {
            let client = match Client::connect(stage, play, connect).await? {
                Ok(client) => client,
                Err(trouble) => return Ok(Some(trouble)),
            };
            let number = play.clients.borrow().len();
            let name = step.on.clone().unwrap_or_else(|| number.to_string());
            by_name.insert(name, Rc::clone(&client));
            current = Some(client);
            continue;
        }
        if let Some(name) = &step.on {
            current = by_name.get(name).cloned();
        }
        let client = current.as_ref().ok_or_else(|| {
            SuiteError::in_case(&play.case.id, "a step on a connection that was not made")
        })?;
        client.act(stage, play, &step.action).await;
    }
    Ok(None)
}

impl Client {
    async fn connect(
        stage: &Stage,
        play: &Rc<Play>,
        place: &str,
    ) -> Result<Result<Rc<Self>, String>, SuiteError> {
        let port = stage.places.port(place).ok_or_else(|| {
            SuiteError::in_case(&play.case.id, format_args!("no port is named {place}"))
        })?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((LOOPBACK, 0).into())?;
        stage.add_client_port(socket.local_addr()?.port(), play);
        let stream = match timeout(CONNECT_PATIENCE, socket.connect((LOOPBACK, port).into())).await
        {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Ok(Err(format!("connect: {error}"))),
            Err(_) => return Ok(Err("connect: no answer".to_owned())),
        };
        let client = Rc::new(Self {
            connection: Connection::start(stream),
            reading: RefCell::default(),
        });
        play.clients.borrow_mut().push(Rc::clone(&client));
        play.base.set(Instant::now());
        Ok(Ok(client))
    }

    async fn act(&self, stage: &Stage, play: &Play, action: &ClientAction) {
        let connection = &self.connection;
        match action {
            ClientAction::Connect { .. } => unreachable!("handled where connections are named"),
            ClientAction::Send { send } => {
                if connection.seen().ended() {
                    self.note("not sent");
                } else {
                    play.base.set(Instant::now());
                    connection.send(&stage.places.expand(send)).await;
                }
            }
            ClientAction::Responses {
                count,
                head,
                max_ms,
                settle_ms,
            } => {
                let at_most = Duration::from_millis(max_ms.unwrap_or(stage.suite.response_ms));
                for _ in 0..*count {
                    if !self.read_response(*head, at_most).await {
                        break;
                    }
                }
                if !connection.seen().ended() {
                    let settle = Duration::from_millis(*settle_ms);
                    connection.wait(|seen| seen.ended(), settle).await;
                }
            }
            ClientAction::Sleep { ms } => sleep(Duration::from_millis(*ms)).await,
            ClientAction::Idle { ms } => {
                let before = connection.seen().received.len();
                sleep(Duration::from_millis(*ms)).await;
                let seen = connection.seen();
                let quiet = if seen.received.len() == before {
                    "quiet"
                } else {
                    "data"
                };
                let ended = if seen.ended() { ", ended" } else { "" };
                self.note(format!("{quiet}{ended}"));
            }
            ClientAction::Until { until, max_ms } => {
                let wanted = to_bytes(until);
                let at_most = Duration::from_millis(*max_ms);
                connection
                    .wait(|seen| seen.contains(&wanted) || seen.ended(), at_most)
                    .await;
                self.note(if connection.seen().contains(&wanted) {
                    "seen"
                } else {
                    "not seen"
                });
            }
            ClientAction::End { ms } => {
                let ended = connection
                    .wait(|seen| seen.ended(), Duration::from_millis(*ms))
                    .await;
                self.note(if ended { "ended" } else { "not ended" });
            }
            ClientAction::HalfClose { .. } => {
                play.base.set(Instant::now());
                connection.half_close();
            }
            ClientAction::Close { .. } => {
                play.base.set(Instant::now());
                connection.close();
            }
            ClientAction::Reset { .. } => {
                play.base.set(Instant::now());
                connection.reset();
            }
        }
    }

    /// Waits for one response; `false` when the connection ended in place of it.
    async fn read_response(&self, to_head: bool, at_most: Duration) -> bool {
        let position = self.reading.borrow().position;
        let in_time = self
            .connection
            .wait(
                |seen| {
                    let end = response_end(&seen.received, position, to_head);
                    seen.ended() || matches!(end, MessageEnd::At(_))
                },
                at_most,
            )
            .await;
        let seen = self.connection.seen();
        let end = response_end(&seen.received, position, to_head).offset();
        self.reading.borrow_mut().position = end.unwrap_or(seen.received.len());
        self.note(match (end, in_time) {
            (Some(_), _) => "response",
            (None, true) => "end",
            (None, false) => "nothing",
        });
        end.is_some() || !in_time
    }

    fn note(&self, note: impl Into<String>) {
        self.reading.borrow_mut().notes.push(note.into());
    }

    /// The connection as a result.
    pub(super) fn side(&self, stage: &Stage, play: &Play) -> Side {
        let seen = self.connection.seen();
        let end = if seen.gone {
            "closed by client"
        } else if self.connection.was_reset() {
            "reset"
        } else if seen.peer_end == Some(PeerEnd::Closed) {
            "closed"
        } else {
            "open"
        };
        Side {
            port: None,
            rx: stage.normalised(&seen.received),
            end: end.to_owned(),
            notes: self.reading.borrow().notes.clone(),
            at: stage.rounded(seen.peer_ended_at, play.base.get()),
        }
    }
}

const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
