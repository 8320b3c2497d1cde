//! From a plan to a running process, in HAProxy's order: bind, fork, drop privileges, start threads,
//! write the pid file, tell old processes to go, wait for signals.

mod daemon;
mod descriptors;
pub mod door;
pub mod environment;
mod keeper;
mod life;
pub mod limits;
mod notify;
mod old_processes;
mod pidfile;
mod privileges;
mod reader;

use std::path::PathBuf;
use std::sync::mpsc;

use crate::configuration::{Origin, Written};
use crate::engine::control::Outcome;
use crate::engine::signals::{self, Control, Waiting, die_of};
use crate::engine::{
    Applied, Engine, EngineError, ListenError, Listeners, Local, Opener, nobody_listens,
};
use crate::plan::Plan;
use door::{Answer, Door, Question};
use keeper::Keeper;
use life::{Ended, Life};
use notify::Notifier;
pub use old_processes::OldProcesses;
use reader::Reader;

/// What the command line asks for, over and above the plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the plan was read, to be read again.
    pub origin: Origin,
    /// What is known of the files beside the plan.
    pub written: Written,
    /// Detach from the terminal (`-D`, `daemon`; not with `-db` or `-d`).
    pub daemon: bool,
    /// `-p`, or `pidfile`; `None` when no pid is to be written.
    pub pidfile: Option<PathBuf>,
    /// `-sf`, `-st`; `None` when nobody is replaced, and then nobody else may listen.
    pub old: Option<OldProcesses>,
}

/// What happens while the process lives, for whoever prints and logs it.
#[derive(Debug)]
pub enum Event<'a> {
    /// Everything is set up and the first connection can come.
    Ready,
    /// A reload was asked for.
    Reloading,
    /// The files were read, with these messages in HAProxy's line format.
    Diagnosed(&'a str),
    /// A new plan is in service.
    Reloaded(Applied),
    /// The files have errors, which were shown; the old plan goes on.
    Refused,
    /// The plan could not be put into service; the old one goes on.
    NotReloaded(&'a EngineError),
    /// Something to know: the state of a server, that listening stops, what did not work.
    Warning(String),
    /// Lines for the terminal that are no messages: the report of memory.
    Report(String),
}

/// Why the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another process listens on an address of the plan.
    #[error("{0}; to take over from a running process, name it: -sf PID")]
    Running(ListenError),
    /// One of the steps between binding and serving.
    #[error("cannot {step}: {cause}")]
    Step {
        /// What was tried.
        step: String,
        /// What the system said.
        cause: std::io::Error,
    },
}

impl StartError {
    fn step(step: impl Into<String>, cause: impl Into<std::io::Error>) -> Self {
        Self::Step {
            step: step.into(),
            cause: cause.into(),
        }
    }
}

/// What the control thread is told.
enum Message {
    /// By a signal.
    Control(Control),
    /// By another process, or on the statistics socket.
    Question(Question, Box<dyn FnOnce(Answer) + Send>),
    /// By the workers: the last session has ended.
    Drained,
}

/// Runs a plan until a signal ends it. `report` is told what happens.
///
/// # Errors
/// When the process cannot start; it has then changed nothing that lasts.
pub fn run(
    plan: Plan,
    options: Options,
    mut report: impl FnMut(&Event<'_>),
) -> Result<(), StartError> {
    if options.old.is_none() {
        nobody_listens(&plan).map_err(StartError::Running)?;
    }
    // From the first socket on others take the process for one that runs.
    signals::hold();
    let old = options.old.unwrap_or_default();
    let inherited = old.sockets();
    let listeners = old.make_room_and(|| Listeners::open(&plan, &inherited))?;
    if listeners.is_empty() {
        return Err(EngineError::NoListener.into());
    }
    drop(inherited);
    let pidfile = options.pidfile.as_deref().map(pidfile::open).transpose()?;
    for warning in limits::raise(&plan, listeners.workers()) {
        report(&Event::Warning(warning));
    }
    let mut parent = None;
    if options.daemon {
        parent = daemon::detach().map_err(|cause| StartError::step("fork", cause))?;
    }
    let door = Door::open();
    let notifier = Notifier::from_environment();
    let mut keeper = None;
    let mut listeners = listeners;
    if privileges::are_given_up(&plan.global) {
        let stay = Keeper::stay_behind(&options.origin, &plan, &old, listeners);
        let (started, kept) = stay.map_err(|cause| StartError::step("fork", cause))?;
        listeners = kept;
        keeper = Some(started);
    }
    privileges::drop(&plan.global)?;
    // Handlers are in place before there is a thread that a signal could reach without them.
    let waiting = Waiting::new().map_err(|cause| StartError::step("catch signals", cause))?;
    signals::release();
    let opener: Box<dyn Opener> = match &keeper {
        Some(keeper) => Box::new(keeper.clone()),
        None => Box::new(Local),
    };
    let engine = Engine::start(plan, listeners, opener)?;
    if let Some(mut pidfile) = pidfile {
        pidfile::write(&mut pidfile).map_err(|cause| StartError::step("write the pid", cause))?;
    }
    report(&Event::Ready);
    if let Some(parent) = parent {
        parent
            .release()
            .map_err(|cause| StartError::step("leave the terminal", cause))?;
    }
    match &keeper {
        Some(keeper) => keeper.say_goodbye(),
        None => old.say_goodbye(),
    }

    let (sender, messages) = mpsc::channel();
    spawn("signals", {
        let sender = sender.clone();
        move || pass_on(waiting, &sender)
    })?;
    match door {
        Ok(door) => spawn("door", {
            let sender = sender.clone();
            move || door.serve(&sender)
        })?,
        Err(error) => tracing::warn!(%error, "other processes cannot ask this one"),
    }
    engine.asks({
        let sender = sender.clone();
        move |question, reply| {
            let reply = Box::new(move |answer: Answer| {
                reply(Outcome {
                    done: answer.done,
                    text: answer.text,
                });
            });
            // Without a control thread the process is ending, and the asker with it.
            let _ = sender.send(Message::Question(question, reply));
        }
    });
    let reader = Reader::new(options.origin, keeper);
    let life = Life::new(
        engine,
        reader,
        options.written,
        notifier,
        sender,
        &mut report,
    );
    match life.run(&messages) {
        Ended::Killed(signal) => die_of(signal),
        Ended::Finished => {}
    }
    Ok(())
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
        .map_err(|cause| StartError::step("start a thread", cause))
}

/// Passes signals on. The second one that asks for the end does not wait for the control thread,
/// which may be looking for a host name.
fn pass_on(mut waiting: Waiting, messages: &mpsc::Sender<Message>) {
    let mut stopping = false;
    while let Some(control) = waiting.wait() {
        if let Control::Stop(signal) = control
            && std::mem::replace(&mut stopping, true)
        {
            die_of(signal);
        }
        if messages.send(Message::Control(control)).is_err() {
            return;
        }
    }
}
