//! Scripted origin servers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::framing::{has_head_end, request_end};
use super::stage::{Play, Stage};
use super::suite::{OriginStep, Side};
use crate::connection::{Connection, PeerEnd, Seen};
use crate::text::to_bytes;

/// One connection that an origin accepted for a case.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) connection: Rc<Connection>,
    name: String,
    /// The number of this connection in its case, from 1.
    number: usize,
    progress: RefCell<Progress>,
}

/// How far the script of a connection has come.
#[derive(Debug, Default)]
struct Progress {
    phase: Phase,
    /// Bytes of the current answer.
    sent: usize,
    requests: usize,
    /// Where the next request starts in what was received.
    position: usize,
    /// A request was answered before all of it came.
    owed: bool,
    /// When the proxy ended the connection, in terms of the script; set once.
    moment: Option<Moment>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Waiting,
    Answering,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    BeforeRequest,
    BeforeResponse,
    DuringResponse,
    AfterResponse,
    AfterOriginClose,
}

/// What a script does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    GoesOn,
    IsOver,
}

/// Accepts connections of one origin for as long as the stage stands.
pub(super) async fn accept(stage: Rc<Stage>, name: String, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                spawn_local(serve(Rc::clone(&stage), name.clone(), stream));
            }
            Err(_) => sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn serve(stage: Rc<Stage>, name: String, stream: TcpStream) {
    let connection = Connection::start(stream);
    let owner = |seen: &Seen| stage.owner(&name, &seen.received);
    connection
        .wait(
            |seen| owner(seen).is_some() || seen.ended() || has_head_end(&seen.received),
            TAG_PATIENCE,
        )
        .await;
    let play = owner(&connection.seen());
    match play {
        None => answer_untagged(&stage, &connection).await,
        // A connection after the end of the case says nothing.
        Some(play) if play.frozen.get() => {}
        Some(play) => {
            let origin = Origin::attach(&play, name, Rc::clone(&connection));
            origin.perform(&stage, &play).await;
        }
    }
    connection.close();
}

async fn answer_untagged(stage: &Stage, connection: &Connection) {
    if !connection.seen().received.is_empty() {
        connection
            .send(&stage.places.expand(&stage.suite.untagged))
            .await;
    }
    connection.half_close();
    connection.wait(|seen| seen.ended(), UNTAGGED_LINGER).await;
}

impl Origin {
    fn attach(play: &Play, name: String, connection: Rc<Connection>) -> Rc<Self> {
        let mut origins = play.origins.borrow_mut();
        let origin = Rc::new(Self {
            connection,
            name,
            number: origins.len() + 1,
            progress: RefCell::default(),
        });
        origins.push(Rc::clone(&origin));
        spawn_local(Rc::clone(&origin).note_end());
        origin
    }

    /// Notes in which phase the proxy ends the connection, once the script had the time to take
    /// in what came just before.
    async fn note_end(self: Rc<Self>) {
        self.connection.wait_for_end().await;
        if self.connection.seen().gone {
            return;
        }
        sleep(END_SETTLE).await;
        self.settle_moment();
    }

    fn settle_moment(&self) {
        let half_closed = self.connection.seen().half_closed;
        let mut progress = self.progress.borrow_mut();
        let moment = if half_closed {
            Moment::AfterOriginClose
        } else {
            match progress.phase {
                Phase::Waiting if progress.requests == 0 => Moment::BeforeRequest,
                Phase::Answering if progress.sent == 0 => Moment::BeforeResponse,
                Phase::Answering => Moment::DuringResponse,
                Phase::Waiting | Phase::Done => Moment::AfterResponse,
            }
        };
        progress.moment.get_or_insert(moment);
    }

    async fn perform(&self, stage: &Stage, play: &Play) {
        let scripts = if play.case.origin.is_empty() {
            &stage.suite.origin
        } else {
            &play.case.origin
        };
        let script = scripts.get(self.number - 1).or_else(|| scripts.last());
        self.play(stage, play, script.map_or(&[], Vec::as_slice))
            .await;
        {
            let mut progress = self.progress.borrow_mut();
            if progress.phase != Phase::Answering || progress.sent > 0 {
                progress.phase = Phase::Done;
            }
        }
        self.connection.wait_until_gone().await;
    }

    async fn play(&self, stage: &Stage, play: &Play, script: &[OriginStep]) -> Script {
        for step in script {
            if play.frozen.get() || self.connection.seen().gone {
                return Script::IsOver;
            }
            match step {
                OriginStep::Each { each } => return self.play_each(stage, play, each).await,
                OriginStep::Requests { count } => {
                    if !self.next_requests(*count).await {
                        return Script::IsOver;
                    }
                }
                OriginStep::Until { until } => {
                    if !self.until(&to_bytes(until)).await {
                        return Script::IsOver;
                    }
                }
                OriginStep::Send { send } => self.send(stage, send).await,
                OriginStep::Sleep { ms } => sleep(Duration::from_millis(*ms)).await,
                OriginStep::HalfClose { .. } => self.connection.half_close(),
                OriginStep::HardClose { .. } => {
                    self.progress
                        .borrow_mut()
                        .moment
                        .get_or_insert(Moment::AfterOriginClose);
                    self.connection.close();
                    return Script::IsOver;
                }
                OriginStep::Reset { .. } => {
                    self.progress
                        .borrow_mut()
                        .moment
                        .get_or_insert(Moment::AfterOriginClose);
                    self.connection.reset();
                    return Script::IsOver;
                }
            }
        }
        Script::GoesOn
    }

    /// Plays the steps once per request.
    async fn play_each(&self, stage: &Stage, play: &Play, each: &[OriginStep]) -> Script {
        while self.next_requests(1).await {
            if Box::pin(self.play(stage, play, each)).await == Script::IsOver {
                return Script::IsOver;
            }
            let seen = self.connection.seen();
            if seen.half_closed || seen.gone || seen.peer_end == Some(PeerEnd::Reset) {
                break;
            }
        }
        let mut progress = self.progress.borrow_mut();
        if progress.phase == Phase::Answering {
            progress.phase = Phase::Done;
        }
        Script::GoesOn
    }

    /// Waits for whole requests; `false` when the connection ends or nothing comes.
    async fn next_requests(&self, count: usize) -> bool {
        let owed = usize::from(self.progress.borrow().owed);
        for _ in 0..count + owed {
            self.progress.borrow_mut().phase = Phase::Waiting;
            let position = self.progress.borrow().position;
            let whole = |seen: &Seen| request_end(&seen.received, position);
            let in_time = self
                .connection
                .wait(|seen| whole(seen).is_some() || seen.ended(), STEP_PATIENCE)
                .await;
            let end = whole(&self.connection.seen());
            let (true, Some(end)) = (in_time, end) else {
                return false;
            };
            let mut progress = self.progress.borrow_mut();
            progress.position = end;
            if progress.owed {
                progress.owed = false;
            } else {
                progress.requests += 1;
            }
        }
        let mut progress = self.progress.borrow_mut();
        progress.phase = Phase::Answering;
        progress.sent = 0;
        true
    }

    /// Waits for a text; what comes after it is a request answered early.
    async fn until(&self, wanted: &[u8]) -> bool {
        self.connection
            .wait(|seen| seen.contains(wanted) || seen.ended(), STEP_PATIENCE)
            .await;
        let seen = self.connection.seen();
        if !seen.contains(wanted) {
            return false;
        }
        let mut progress = self.progress.borrow_mut();
        if !progress.owed {
            progress.requests += 1;
            progress.sent = 0;
        }
        let end = request_end(&seen.received, progress.position);
        progress.owed = end.is_none();
        progress.position = end.unwrap_or(progress.position);
        progress.phase = Phase::Answering;
        true
    }

    /// Sends a text, `%c` in it the number of the connection and `%n` that of the request.
    async fn send(&self, stage: &Stage, text: &str) {
        let requests = self.progress.borrow().requests;
        let text = text
            .replace("%c", &self.number.to_string())
            .replace("%n", &requests.to_string());
        let bytes = stage.places.expand(&text);
        self.connection.send(&bytes).await;
        self.progress.borrow_mut().sent += bytes.len();
    }

    /// The connection as a result.
    pub(super) fn side(&self, stage: &Stage, play: &Play) -> Side {
        if self.connection.seen().ended() {
            self.settle_moment();
        }
        let reset = self.connection.was_reset();
        let seen = self.connection.seen();
        let moment = self.progress.borrow().moment;
        let when = moment.map_or("", Moment::text);
        let end = if seen.gone && seen.peer_end.is_none() {
            "closed by origin".to_owned()
        } else if reset && moment != Some(Moment::AfterOriginClose) {
            format!("reset {when}")
        } else if seen.peer_end.is_some() {
            format!("closed {when}")
        } else if seen.half_closed {
            "open after origin close".to_owned()
        } else {
            "open".to_owned()
        };
        Side {
            port: Some(self.name.clone()),
            rx: stage.normalised(&seen.received),
            end,
            notes: Vec::new(),
            at: stage.rounded(seen.peer_ended_at, play.base.get()),
        }
    }
}

impl Moment {
    fn text(self) -> &'static str {
        match self {
            Self::BeforeRequest => "before request",
            Self::BeforeResponse => "before response",
            Self::DuringResponse => "during response",
            Self::AfterResponse => "after response",
            Self::AfterOriginClose => "after origin close",
        }
    }
}

const ACCEPT_AGAIN: Duration = Duration::from_millis(10);
const TAG_PATIENCE: Duration = Duration::from_secs(10);
const UNTAGGED_LINGER: Duration = Duration::from_secs(2);
const END_SETTLE: Duration = Duration::from_millis(10);
const STEP_PATIENCE: Duration = Duration::from_secs(30);
