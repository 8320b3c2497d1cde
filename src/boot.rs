//! From a plan to a running process, in HAProxy's order: bind, fork, write the pid file, drop
//! privileges, tell old processes to go, start threads, wait for signals.

mod daemon;
pub mod environment;
mod limits;
mod old_processes;
mod pidfile;
mod privileges;

use std::path::PathBuf;
use std::sync::mpsc;

use crate::engine::signals::{Control, Waiting, die_of};
use crate::engine::{Applied, Engine, EngineError, Listeners};
use crate::plan::Plan;
pub use old_processes::OldProcesses;

/// What the command line asks for, over and above the plan.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Detach from the terminal (`-D`, `daemon`; not with `-db` or `-d`).
    pub daemon: bool,
    /// `-p`, or `pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `-sf`, `-st`.
    pub old: OldProcesses,
    /// `-m`: megabytes of address space.
    pub memory_limit: Option<u64>,
}

/// What happens while the process lives, for whoever prints and logs it.
#[derive(Debug)]
pub enum Event<'a> {
    /// Everything is set up and the first connection can come.
    Ready,
    /// A reload was asked for.
    Reloading,
    /// A new plan is in service.
    Reloaded(Applied),
    /// The files have errors, which were shown; the old plan goes on.
    Refused,
    /// The plan could not be put into service; the old one goes on.
    NotReloaded(&'a EngineError),
    /// Listening has stopped, the sessions that are there go on.
    Stopping {
        /// How many.
        sessions: u32,
    },
    /// Something did not work and nothing depends on it.
    Warning(String),
}

/// Why the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing to listen on.
    #[error("no enabled frontend or listen section has an address to listen on")]
    NoListener,
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
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

enum Message {
    Control(Control),
    Drained,
}

/// Runs a plan until a signal ends it.
///
/// `reload` reads the configuration again and answers with a plan, or, after it has
/// shown them, with the lines that say why not; `report` is told what happens.
///
/// # Errors
/// When the process cannot start; it has then changed nothing that lasts.
pub fn run(
    plan: Plan,
    options: &Options,
    mut reload: impl FnMut() -> Result<Plan, Vec<String>>,
    mut report: impl FnMut(&Event<'_>),
) -> Result<(), StartError> {
    let listeners = options.old.make_room_and(|| Listeners::open(&plan))?;
    if listeners.is_empty() {
        return Err(StartError::NoListener);
    }
    for warning in limits::raise(&plan, options.memory_limit) {
        report(&Event::Warning(warning));
    }
    let mut parent = None;
    if options.daemon {
        parent = daemon::detach().map_err(|cause| StartError::step("fork", cause))?;
    }
    if let Some(path) = &options.pidfile {
        pidfile::write(path)
            .map_err(|cause| StartError::step(format!("write {}", path.display()), cause))?;
    }
    if let Some(parent) = parent {
        parent.release();
    }
    privileges::drop(&plan.global)?;
    options.old.say_goodbye();
    // Handlers are in place before there is a thread that a signal could reach without them.
    let mut waiting = Waiting::new().map_err(|cause| StartError::step("catch signals", cause))?;
    let mut engine = Engine::start(plan, listeners)?;
    report(&Event::Ready);

    let (sender, messages) = mpsc::channel();
    let signals = sender.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            while let Some(control) = waiting.wait() {
                if signals.send(Message::Control(control)).is_err() {
                    return;
                }
            }
        })
        .map_err(|cause| StartError::step("start a thread", cause))?;

    while let Ok(message) = messages.recv() {
        match message {
            Message::Drained => break,
            Message::Control(Control::Stop(signal)) => {
                engine.stop();
                die_of(signal);
                return Ok(());
            }
            Message::Control(Control::SoftStop) => {
                let done = sender.clone();
                let sessions = engine.connections();
                report(&Event::Stopping { sessions });
                engine.drain(move || {
                    // Nobody listens any more when the process is stopping anyway.
                    let _ = done.send(Message::Drained);
                });
            }
            Message::Control(Control::Reload) if engine.is_draining() => {}
            Message::Control(Control::Reload) => {
                report(&Event::Reloading);
                let applied = match reload() {
                    Ok(plan) => engine.apply(plan),
                    Err(lines) => {
                        report(&Event::Refused);
                        engine.log("reload refused, the running configuration stays:");
                        for line in &lines {
                            engine.log(line);
                        }
                        continue;
                    }
                };
                match &applied {
                    Ok(applied) => {
                        report(&Event::Reloaded(*applied));
                        engine.log(&applied.to_string());
                    }
                    Err(error) => {
                        report(&Event::NotReloaded(error));
                        engine.log(&format!("reload failed: {error}"));
                    }
                }
            }
            Message::Control(Control::Pause) => engine.pause(),
            Message::Control(Control::Resume) => {
                if let Err(error) = engine.resume() {
                    report(&Event::NotReloaded(&error));
                }
            }
            Message::Control(Control::Report) => {
                let text = format!("{} client connections", engine.connections());
                report(&Event::Warning(text));
            }
        }
    }
    engine.stop();
    Ok(())
}
