//! One case: its folder, what stands behind its placeholders, its steps in order, its transcript.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::Socket;
use tempfile::TempDir;

use super::client::Client;
use super::normalise::{Normaliser, visible};
use super::origin::Origin;
use super::pause;
use super::processes::Started;
use super::suite::{Case, Step, Suite};
use crate::ports::bound;
use crate::process::ProxyCommand;
use crate::recorded::SuiteError;
use crate::text::{Places, to_bytes};

/// Plays a case; the lines of its transcript.
pub(super) fn perform(
    suite: &Suite,
    case: &Case,
    command: &ProxyCommand,
) -> Result<Vec<String>, SuiteError> {
    let mut stage = Stage::prepare(suite, case, command)?;
    let setup = case.setup.as_ref().and_then(|name| suite.setups.get(name));
    let limit = Instant::now() + CASE_LIMIT;
    for step in setup.into_iter().flatten().chain(&case.steps) {
        if Instant::now() > limit {
            stage.say("case time limit");
            break;
        }
        stage.step(step)?;
    }
    Ok(std::mem::take(&mut stage.told))
}

/// What a case consists of while it is played; everything ends when it is dropped.
pub(super) struct Stage<'s> {
    pub(super) suite: &'s Suite,
    pub(super) case: &'s Case,
    pub(super) command: &'s ProxyCommand,
    pub(super) folder: TempDir,
    pub(super) places: Places,
    pub(super) normaliser: Normaliser,
    pub(super) origins: BTreeMap<String, Arc<Origin>>,
    pub(super) processes: BTreeMap<String, Started>,
    pub(super) clients: BTreeMap<String, Client>,
    /// Where log lines arrive, by name.
    pub(super) logs: BTreeMap<String, Log>,
    /// Ports that nobody else may get.
    held: Vec<Socket>,
    told: Vec<String>,
}

/// A socket for log lines, with what has arrived and was not shown yet.
pub(super) struct Log {
    pub(super) socket: LogSocket,
    pub(super) arrived: Vec<Vec<u8>>,
}

/// Either kind of socket.
pub(super) enum LogSocket {
    Udp(UdpSocket),
    Unix(std::os::unix::net::UnixDatagram),
}

impl<'s> Stage<'s> {
    fn prepare(
        suite: &'s Suite,
        case: &'s Case,
        command: &'s ProxyCommand,
    ) -> Result<Self, SuiteError> {
        let folder = tempfile::Builder::new().prefix("ops-").tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        let name = folder.path().to_string_lossy().into_owned();
        let normaliser = Normaliser::new(
            &name,
            &command.binary,
            suite.normalise.iter().chain(&case.normalise),
        )?;
        let mut stage = Self {
            suite,
            case,
            command,
            folder,
            places: Places::default(),
            normaliser,
            origins: BTreeMap::new(),
            processes: BTreeMap::new(),
            clients: BTreeMap::new(),
            logs: BTreeMap::new(),
            held: Vec::new(),
            told: Vec::new(),
        };
        stage.places.insert("dir".to_owned(), name);
        stage.open_ports()?;
        stage.write_files()?;
        Ok(stage)
    }

    fn open_ports(&mut self) -> Result<(), SuiteError> {
        let written = serde_json::json!([
            self.suite.configs,
            self.suite.files,
            self.suite.traffic,
            self.case
        ]);
        for name in Places::names_in(&written.to_string()) {
            let port = if name.starts_with("fe_") || name == "down" {
                let (socket, port) = bound()?;
                self.held.push(socket);
                port
            } else if is_numbered(&name, "s", 1) {
                let own = self.case.origins.get(&name);
                let mode = own.or_else(|| self.suite.origins.get(&name));
                let mode = mode.map_or("http", String::as_str);
                let raw = self.suite.raw.iter();
                let raw = raw.map(|(name, text)| (name.clone(), self.places.expand(text)));
                let origin = Origin::new(&name, mode, bound()?, raw.collect());
                if mode != "down" {
                    origin.listen()?;
                }
                self.origins.insert(name.clone(), Arc::clone(&origin));
                origin.port
            } else if is_numbered(&name, "log", 0) {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                let port = socket.local_addr()?.port();
                self.logs
                    .insert(name.clone(), Log::new(LogSocket::Udp(socket)));
                port
            } else {
                continue;
            };
            self.places.insert(name, port.to_string());
        }
        Ok(())
    }

    fn write_files(&self) -> Result<(), SuiteError> {
        let configs = self.suite.configs.iter();
        let own = self.case.configs.iter();
        // Those of the case come last, so that they win.
        for (name, lines) in configs.chain(own) {
            let mut text = lines.join("\n");
            if !lines.is_empty() {
                text.push('\n');
            }
            let file = self.path(&format!("{name}.cfg"));
            std::fs::write(file, to_bytes(&self.places.fill(&text)))?;
        }
        for (name, text) in self.suite.files.iter().chain(&self.case.files) {
            std::fs::write(self.path(name), self.places.expand(text))?;
        }
        Ok(())
    }

    /// A file of the case's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that a step names.
    pub(super) fn named(&self, name: &str) -> PathBuf {
        PathBuf::from(self.places.fill(name))
    }

    /// A line of the transcript.
    pub(super) fn say(&mut self, line: impl Into<String>) {
        self.told.push(line.into());
    }

    /// A text as it is compared.
    pub(super) fn norm(&self, text: &str) -> String {
        self.normaliser.text(text, &self.places)
    }

    /// A text of several lines: each is one of the transcript.
    pub(super) fn block(&mut self, text: &str) {
        let text = self.norm(text);
        if text.is_empty() {
            self.say("| (nothing)");
            return;
        }
        let mut lines: Vec<&str> = text.split('\n').collect();
        let last = lines.pop().unwrap_or("");
        for line in lines {
            let line = format!("| {}", visible(line));
            self.told.push(line);
        }
        if !last.is_empty() {
            self.say(format!("| {} (no newline)", visible(last)));
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), SuiteError> {
        if let Some(words) = &step.run {
            self.run(step, words)
        } else if let Some(name) = &step.start {
            self.start(step, name)
        } else if let Some(signal) = &step.signal {
            self.signal(step, signal)
        } else if let Some(name) = &step.exit {
            self.exit(step, name)
        } else if let Some(name) = &step.alive {
            self.alive(name)
        } else if let Some(name) = &step.stderr {
            self.messages(step, name)
        } else if let Some(name) = &step.pidfile {
            self.pid_file(name)
        } else if let Some(name) = &step.fs {
            self.file(step, name)
        } else if let Some(name) = &step.chmod {
            let mode = step.mode.as_ref().and_then(|mode| mode.as_str());
            let mode = mode.and_then(|mode| u32::from_str_radix(mode, 8).ok());
            let mode = PermissionsExt::from_mode(mode.unwrap_or(0));
            Ok(std::fs::set_permissions(self.named(name), mode)?)
        } else if let Some(name) = &step.mkdir {
            Ok(std::fs::create_dir(self.named(name))?)
        } else if let Some(millis) = step.sleep {
            pause(millis);
            Ok(())
        } else if let Some(name) = &step.traffic {
            let suite = self.suite;
            let steps = suite.traffic.get(name).map_or(&[][..], Vec::as_slice);
            for _ in 0..step.times.unwrap_or(1) {
                steps.iter().try_for_each(|step| self.step(step))?;
            }
            Ok(())
        } else if let Some(place) = &step.connect {
            self.connect(step, place)
        } else if let Some(name) = &step.on {
            self.talk(step, name)
        } else if let Some(place) = &step.get {
            self.get(step, place)
        } else if let Some(command) = &step.cli {
            self.ask(step, command, "all")
        } else if let Some(command) = &step.csv {
            pause(80);
            let command = if command.is_empty() {
                "show stat"
            } else {
                command
            };
            self.ask(step, command, "csv")
        } else if step.until.is_some() {
            self.until(step)
        } else if let Some(name) = &step.origin {
            self.origin(step, name)
        } else if let Some(name) = &step.unixlog {
            self.unix_log(step, name)
        } else if let Some(name) = &step.logs {
            self.log_lines(step, name)
        } else if let Some(name) = &step.flush {
            self.flush(step, name)
        } else {
            Err(SuiteError::Script(format!("unknown step {step:?}")))
        }
    }
}

impl Log {
    pub(super) fn new(socket: LogSocket) -> Self {
        Self {
            socket,
            arrived: Vec::new(),
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.end_processes();
        for origin in self.origins.values() {
            origin.stop();
        }
    }
}

/// Whether a name is a word with so many digits or more behind it, of which one at most.
fn is_numbered(name: &str, word: &str, at_least: usize) -> bool {
    name.strip_prefix(word).is_some_and(|digits| {
        (at_least..=1).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

const CASE_LIMIT: Duration = Duration::from_secs(40);
