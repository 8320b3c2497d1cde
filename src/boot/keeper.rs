//! The privileged half of a process that gives its privileges up.
//!
//! After `chroot` and `setuid` a process can neither read its configuration nor bind port 80. So
//! that it can still reload, a second process stays behind, forked while there was one thread: it
//! reads the files, looks names up, opens sockets, and passes the results over a socket pair. It has
//! no other way in, serves no traffic, and ends when the process that it keeps for does.
//!
//! What is passed is what was read, not what it means: resolving is a function, and the process that
//! serves applies it again. The keeper opens no socket that is not in the files as it has read them
//! last, so that somebody who has taken over the other half gains no port by it.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use haproxy_cfg_grammar::SourceSet;
use nix::unistd::ForkResult;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{OldProcesses, daemon, descriptors};
use crate::admin::socket::StatsListener;
use crate::configuration::{Configuration, Inputs, Origin, Unreadable};
use crate::engine::{EngineError, ListenerKey, Local, Opener, Sockets};
use crate::plan::{Plan, StatsSocket};
use crate::resolve::Environment;

/// What the serving process asks for.
#[derive(Debug, Serialize, Deserialize)]
enum Request {
    /// The configuration, read anew.
    Read,
    /// Sockets of the plan that was read last.
    Open {
        keys: Vec<ListenerKey>,
        workers: usize,
    },
    /// Statistics sockets of the plan that was read last, by their places in it.
    OpenStats(Vec<usize>),
    /// Where metrics are served in the plan that was read last, by their places in it.
    OpenMetrics(Vec<usize>),
    /// To tell the old processes to go.
    SayGoodbye,
    /// To remove the files of Unix sockets of the plan that was read first or last.
    Remove(Vec<ListenerKey>),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// What was read.
    Read(Box<Parcel>),
    /// A file cannot be read, and why.
    Unreadable(String, String),
    /// How many sockets of each key follow.
    Opened(Vec<(ListenerKey, usize)>),
    /// So many sockets follow: of statistics, or for metrics.
    Stats(usize),
    /// Why not.
    Refused(String),
    /// It is done.
    Done,
}

/// [`Inputs`] on their way.
#[derive(Debug, Serialize, Deserialize)]
struct Parcel {
    files: Vec<(String, Arc<[u8]>)>,
    variables: BTreeMap<String, Vec<u8>>,
    environment: Environment,
}

impl From<&Inputs> for Parcel {
    fn from(inputs: &Inputs) -> Self {
        let files = inputs.sources.files().iter();
        Self {
            files: files
                .map(|f| (f.name.clone(), Arc::clone(&f.text)))
                .collect(),
            variables: inputs.sources.variables.clone(),
            environment: inputs.environment.clone(),
        }
    }
}

impl From<Parcel> for Inputs {
    fn from(parcel: Parcel) -> Self {
        let mut sources = SourceSet::default();
        for (name, text) in &parcel.files {
            sources.add(name, &text[..]);
        }
        sources.variables = parcel.variables;
        Self {
            sources,
            environment: parcel.environment,
        }
    }
}

/// The serving process's end of the channel.
#[derive(Clone, Debug)]
pub(super) struct Keeper(Arc<Mutex<UnixStream>>);

impl Keeper {
    /// Forks. Returns in the serving process only; the other one closes `here` and stays behind.
    ///
    /// # Errors
    /// When the system cannot fork.
    pub(super) fn stay_behind<T>(
        origin: &Origin,
        plan: &Plan,
        old: &OldProcesses,
        here: T,
    ) -> io::Result<(Self, T)> {
        let (ours, theirs) = UnixStream::pair()?;
        match daemon::split()? {
            ForkResult::Parent { .. } => {
                drop(theirs);
                Ok((Self(Arc::new(Mutex::new(ours))), here))
            }
            ForkResult::Child => {
                drop(ours);
                // Sockets that it kept open would outlive the process that serves them.
                drop(here);
                let mut known = Known {
                    origin,
                    plan: plan.clone(),
                    first: plan,
                    old,
                };
                let ended = known.serve(theirs);
                std::process::exit(i32::from(ended.is_err()));
            }
        }
    }

    fn ask(&self, request: &Request) -> io::Result<Answer> {
        let mut stream = self.0.lock();
        descriptors::send(&mut stream, request)?;
        descriptors::receive(&mut stream)
    }

    /// The configuration, read with the privileges of the keeper.
    pub(super) fn read(&self, origin: &Origin) -> Result<Configuration, Unreadable> {
        match self.ask(&Request::Read) {
            Ok(Answer::Read(parcel)) => Ok(origin.interpret(Inputs::from(*parcel))),
            Ok(Answer::Unreadable(name, cause)) => Err((name, io::Error::other(cause))),
            Ok(_) => Err(unreadable(origin, io::ErrorKind::InvalidData.into())),
            Err(error) => Err(unreadable(origin, gone(&error))),
        }
    }

    /// Tells the processes that are replaced to go.
    pub(super) fn say_goodbye(&self) {
        if let Err(error) = self.ask(&Request::SayGoodbye) {
            tracing::warn!(%error, "the old processes could not be told to go");
        }
    }
}

fn unreadable(origin: &Origin, cause: io::Error) -> Unreadable {
    (origin.files.join(" "), cause)
}

fn gone(error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "the privileged half of this process is gone ({error}); start again with -sf"
    ))
}

impl Keeper {
    /// Asks for sockets by their places in the plan.
    fn open_some(
        &self,
        places: Vec<usize>,
        request: fn(Vec<usize>) -> Request,
    ) -> Result<Vec<OwnedFd>, EngineError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let broken = |error: io::Error| EngineError::Keeper(error.to_string());
        let mut stream = self.0.lock();
        descriptors::send(&mut stream, &request(places)).map_err(broken)?;
        match descriptors::receive(&mut stream).map_err(broken)? {
            Answer::Stats(count) => descriptors::receive_sockets(&stream, count).map_err(broken),
            Answer::Refused(why) => Err(EngineError::Keeper(why)),
            _ => Err(EngineError::Keeper("it answers something else".to_owned())),
        }
    }
}

impl Opener for Keeper {
    fn open(
        &mut self,
        _: &Plan,
        keys: &[ListenerKey],
        workers: usize,
    ) -> Result<Sockets, EngineError> {
        if keys.is_empty() {
            return Ok(Sockets::new());
        }
        let request = Request::Open {
            keys: keys.to_vec(),
            workers,
        };
        let broken = |error: io::Error| EngineError::Keeper(error.to_string());
        let mut stream = self.0.lock();
        descriptors::send(&mut stream, &request).map_err(broken)?;
        match descriptors::receive(&mut stream).map_err(broken)? {
            Answer::Opened(counts) => receive_by_key(&stream, counts).map_err(broken),
            Answer::Refused(why) => Err(EngineError::Keeper(why)),
            _ => Err(EngineError::Keeper("it answers something else".to_owned())),
        }
    }

    fn open_stats(
        &mut self,
        plan: &Plan,
        sockets: &[StatsSocket],
    ) -> Result<Vec<StatsListener>, EngineError> {
        let all = &plan.global.stats_sockets;
        let places = sockets
            .iter()
            .filter_map(|s| all.iter().position(|a| a == s));
        let opened = self.open_some(places.collect(), Request::OpenStats)?;
        let opened = sockets.iter().zip(opened);
        Ok(opened.map(|(s, fd)| StatsListener::of(s, fd)).collect())
    }

    fn open_metrics(
        &mut self,
        plan: &Plan,
        addresses: &[SocketAddr],
    ) -> Result<Vec<TcpListener>, EngineError> {
        let all = &plan.global.metrics;
        let places = addresses
            .iter()
            .filter_map(|a| all.iter().position(|known| known == a));
        let sockets = self.open_some(places.collect(), Request::OpenMetrics)?;
        Ok(sockets.into_iter().map(TcpListener::from).collect())
    }

    fn remove(&mut self, keys: &[ListenerKey]) {
        if !keys.is_empty() {
            // A file that stays is in nobody's way: the next start replaces it.
            let _ = self.ask(&Request::Remove(keys.to_vec()));
        }
    }
}

/// Takes sockets over, as many of each key as were announced.
///
/// # Errors
/// What the system says; also when fewer come.
pub(super) fn receive_by_key(
    stream: &UnixStream,
    counts: Vec<(ListenerKey, usize)>,
) -> io::Result<Sockets> {
    let mut sockets = Sockets::new();
    for (key, count) in counts {
        let some = descriptors::receive_sockets(stream, count)?;
        sockets.insert(key, some.into_iter().map(Arc::new).collect());
    }
    Ok(sockets)
}

/// Passes sockets on after an answer that announces them, in the same order.
///
/// # Errors
/// What the system says.
pub(super) fn send_by_key(
    stream: &UnixStream,
    sockets: &[(ListenerKey, Vec<Arc<OwnedFd>>)],
) -> io::Result<()> {
    for (_, some) in sockets {
        descriptors::send_sockets(stream, some)?;
    }
    Ok(())
}

/// What the keeper knows.
struct Known<'a> {
    origin: &'a Origin,
    /// As read last.
    plan: Plan,
    /// As read at the start.
    first: &'a Plan,
    old: &'a OldProcesses,
}

impl Known<'_> {
    /// Answers until the other half ends.
    fn serve(&mut self, mut stream: UnixStream) -> io::Result<()> {
        be_quiet()?;
        loop {
            let request = match descriptors::receive(&mut stream) {
                Ok(request) => request,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            };
            match request {
                Request::Read => {
                    let answer = self.read();
                    descriptors::send(&mut stream, &answer)?;
                }
                Request::Open { keys, workers } => self.open(&mut stream, &keys, workers)?,
                Request::OpenStats(places) => self.open_stats(&mut stream, &places)?,
                Request::OpenMetrics(places) => self.open_metrics(&mut stream, &places)?,
                Request::SayGoodbye => {
                    self.old.say_goodbye();
                    descriptors::send(&mut stream, &Answer::Done)?;
                }
                Request::Remove(keys) => {
                    let known = |key: &&ListenerKey| {
                        [self.first, &self.plan].iter().any(|plan| key.is_of(plan))
                    };
                    let keys: Vec<_> = keys.iter().filter(known).cloned().collect();
                    Local.remove(&keys);
                    descriptors::send(&mut stream, &Answer::Done)?;
                }
            }
        }
    }

    fn read(&mut self) -> Answer {
        let inputs = match self.origin.gather() {
            Ok(inputs) => inputs,
            Err((name, cause)) => return Answer::Unreadable(name, cause.to_string()),
        };
        let parcel = Parcel::from(&inputs);
        if let Some(plan) = self.origin.interpret(inputs).plan {
            self.plan = plan;
        }
        Answer::Read(Box::new(parcel))
    }

    fn open(
        &mut self,
        stream: &mut UnixStream,
        keys: &[ListenerKey],
        workers: usize,
    ) -> io::Result<()> {
        let workers = workers.clamp(1, MOST_WORKERS);
        match Local.open(&self.plan, keys, workers) {
            Ok(sockets) => {
                let sockets: Vec<_> = sockets.into_iter().collect();
                let counts = sockets.iter().map(|(k, s)| (k.clone(), s.len())).collect();
                descriptors::send(stream, &Answer::Opened(counts))?;
                send_by_key(stream, &sockets)
            }
            Err(error) => descriptors::send(stream, &Answer::Refused(error.to_string())),
        }
    }
}

impl Known<'_> {
    fn open_stats(&self, stream: &mut UnixStream, places: &[usize]) -> io::Result<()> {
        let all = &self.plan.global.stats_sockets;
        let sought: Vec<StatsSocket> = places
            .iter()
            .filter_map(|place| all.get(*place).cloned())
            .collect();
        pass_on(stream, Local.open_stats(&self.plan, &sought))
    }

    fn open_metrics(&self, stream: &mut UnixStream, places: &[usize]) -> io::Result<()> {
        let all = &self.plan.global.metrics;
        let sought: Vec<SocketAddr> = places
            .iter()
            .filter_map(|place| all.get(*place).copied())
            .collect();
        pass_on(stream, Local.open_metrics(&self.plan, &sought))
    }
}

/// Passes sockets on, or says why there are none.
fn pass_on<S: AsFd>(
    stream: &mut UnixStream,
    opened: Result<Vec<S>, EngineError>,
) -> io::Result<()> {
    match opened {
        Ok(sockets) => {
            descriptors::send(stream, &Answer::Stats(sockets.len()))?;
            descriptors::send_sockets(stream, &sockets)
        }
        Err(error) => descriptors::send(stream, &Answer::Refused(error.to_string())),
    }
}

/// More threads than that are a mistake of the one who asks.
const MOST_WORKERS: usize = 4096;

/// Signals to the group or by name are for the other half: this one ends with it. Its name tells
/// the two apart in lists of processes.
fn be_quiet() -> io::Result<()> {
    use signal_hook::consts::{
        SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2,
    };
    for signal in [
        SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2,
    ] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    nix::sys::prctl::set_name(c"hapax-keeper")?;
    // Whoever reads what a daemon prints until nobody can print any more must not wait for this.
    daemon::leave_terminal(&daemon::null()?)
}
