//! Steps about processes: start, run to the end, signals, ends, files that they leave.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use regex::Regex;

use super::pause;
use super::stage::Stage;
use super::suite::Step;
use crate::recorded::SuiteError;
use crate::text::{from_bytes, to_bytes};

/// A process that a step has started.
pub(super) struct Started {
    child: Child,
    /// What its pid file said, for one that went into the background.
    pids: Vec<i32>,
}

impl Started {
    fn targets(&self) -> Vec<i32> {
        if self.pids.is_empty() {
            vec![self.child.id().cast_signed()]
        } else {
            self.pids.clone()
        }
    }
}

impl Stage<'_> {
    fn words(&self, words: &[String]) -> Vec<String> {
        let mut all = Vec::new();
        for word in words {
            if word == "{pids}" {
                all.extend(self.pids_in("pid"));
            } else {
                all.push(from_bytes(&self.places.expand(word)));
            }
        }
        all
    }

    fn pids_in(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn spawn(&self, words: &[String], output: [File; 2], nobody: bool) -> io::Result<Child> {
        let [stdout, stderr] = output;
        let mut command = Command::new(&self.command.binary);
        command
            .args(&self.command.args)
            .args(words.iter().map(|word| os_string(word)))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C");
        if nobody && Uid::effective().is_root() {
            command.gid(NOBODY).uid(NOBODY);
        }
        command.spawn()
    }

    /// Runs to the end, and tells what was said.
    pub(super) fn run(&mut self, step: &Step, words: &[String]) -> Result<(), SuiteError> {
        let words = self.words(words);
        let names = [".o", ".e"].map(|name| self.path(name));
        let files = [File::create(&names[0])?, File::create(&names[1])?];
        let mut child = self.spawn(&words, files, step.user.unwrap_or(false))?;
        let ended = wait(&mut child, step.max.unwrap_or(4000))?;
        if ended.is_none() {
            child.kill()?;
            child.wait()?;
        }
        self.say(format!(
            "run: {}",
            ended.map_or_else(|| "still running".to_owned(), status)
        ));
        for (name, file) in ["stdout", "stderr"].into_iter().zip(names) {
            let text = from_bytes(&std::fs::read(file)?);
            if text.trim().is_empty() {
                self.say(format!("{name}: empty"));
                continue;
            }
            let text = self.norm(&text);
            let mut what = kinds(&text);
            if BANNER.is_match(&text) {
                what.insert(0, "banner".to_owned());
            }
            if USAGE.is_match(&text) {
                what.push("usage".to_owned());
            }
            if VALID.is_match(&text) {
                what.push("valid line".to_owned());
            }
            for pattern in &step.lines {
                what.extend(all(pattern, &text)?);
            }
            let what = what.join("; ");
            let what = if what.is_empty() { "other text" } else { &what };
            self.say(format!("{name}: {what}"));
        }
        Ok(())
    }

    /// Starts, and waits until it listens.
    pub(super) fn start(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let config = step.config.as_deref().unwrap_or("main");
        let config = self.path(&format!("{config}.cfg"));
        self.places
            .insert("cfg".to_owned(), config.to_string_lossy().into_owned());
        let usual = ["-f", "{cfg}", "-db"].map(str::to_owned);
        let words = self.words(step.argv.as_deref().unwrap_or(&usual));
        let output = File::create(self.path(&format!("{name}.err")))?;
        let child = self.spawn(&words, [output.try_clone()?, output], false)?;
        let started = Started {
            child,
            pids: Vec::new(),
        };
        self.processes.insert(name.to_owned(), started);
        if step.nowait {
            return Ok(());
        }
        let ports = self.expected_ports(&config)?;
        let mut daemon = words.iter().any(|word| word == "-D");
        let until = Instant::now() + Duration::from_millis(step.max.unwrap_or(5000));
        while Instant::now() < until {
            let Some(process) = self.processes.get_mut(name) else {
                break;
            };
            let ended = process.child.try_wait()?;
            if daemon {
                if let Some(ended) = ended {
                    daemon = false;
                    self.say(format!("{name}: launched, {}", status(ended)));
                    if !ended.success() {
                        return Ok(());
                    }
                    let pids = self.pids_in(step.pidfile.as_deref().unwrap_or("pid"));
                    let pids = pids.iter().filter_map(|pid| pid.parse().ok()).collect();
                    if let Some(process) = self.processes.get_mut(name) {
                        process.pids = pids;
                    }
                }
            } else if let Some(ended) = ended.filter(|_| process.pids.is_empty()) {
                self.say(format!("{name}: did not start, {}", status(ended)));
                return Ok(());
            } else {
                let have: Vec<_> = process.targets().into_iter().map(listens_on).collect();
                let together: BTreeSet<u16> = have.iter().flatten().copied().collect();
                if ports.is_subset(&together)
                    && have.iter().all(|h| !h.is_empty() || ports.is_empty())
                {
                    pause(60);
                    return Ok(());
                }
            }
            pause(25);
        }
        self.say(format!("{name}: not ready"));
        Ok(())
    }

    /// The ports that a configuration binds.
    fn expected_ports(&self, config: &Path) -> Result<BTreeSet<u16>, SuiteError> {
        let text = from_bytes(&std::fs::read(config)?);
        let lines = text.lines().filter(|line| BINDS.is_match(line));
        let mut ports: BTreeSet<u16> = lines
            .flat_map(|line| PORTS.captures_iter(line))
            .filter_map(|found| found[1].parse().ok())
            .collect();
        for name in &self.suite.never {
            self.places.port(name).map(|port| ports.remove(&port));
        }
        Ok(ports)
    }

    pub(super) fn signal(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let signal = Signal::from_str(&format!("SIG{name}"))
            .map_err(|_| SuiteError::Script(format!("no signal {name}")))?;
        let to = step.to.as_deref().unwrap_or("a");
        let targets = self.process(to)?.targets();
        for pid in targets {
            if kill(Pid::from_raw(pid), signal).is_err() {
                self.say(format!("signal {name}: no such process"));
            }
        }
        pause(step.settle.unwrap_or(60));
        Ok(())
    }

    fn process(&mut self, name: &str) -> Result<&mut Started, SuiteError> {
        let found = self.processes.get_mut(name);
        found.ok_or_else(|| SuiteError::Script(format!("no process {name}")))
    }

    /// Waits for its end.
    pub(super) fn exit(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let patience = step.max.unwrap_or(4000);
        let process = self.process(name)?;
        if process.pids.is_empty() {
            let ended = wait(&mut process.child, patience)?;
            self.say(format!(
                "{name}: {}",
                ended.map_or_else(|| "running".to_owned(), status)
            ));
            return Ok(());
        }
        let pids = process.pids.clone();
        let until = Instant::now() + Duration::from_millis(patience);
        let any = || pids.iter().any(|pid| runs(*pid));
        while any() && Instant::now() < until {
            pause(10);
        }
        self.say(format!(
            "{name}: {}",
            if any() { "running" } else { "gone" }
        ));
        Ok(())
    }

    pub(super) fn alive(&mut self, name: &str) -> Result<(), SuiteError> {
        let process = self.process(name)?;
        // Whoever is not waited for stays in the list of processes.
        process.child.try_wait()?;
        let alive = process.targets().into_iter().any(runs);
        self.say(format!(
            "{name}: {}",
            if alive { "running" } else { "gone" }
        ));
        Ok(())
    }

    /// What it has written so far.
    pub(super) fn messages(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let text = from_bytes(&std::fs::read(self.path(&format!("{name}.err")))?);
        let text = self.norm(&text);
        let mut found = Vec::new();
        for pattern in &step.lines {
            let mut once: Vec<String> = Vec::new();
            for line in all(pattern, &text)? {
                if !once.contains(&line) {
                    once.push(line);
                }
            }
            found.extend(once);
        }
        let found = found.join("; ");
        self.say(match (found.as_str(), text.trim()) {
            ("", "") => "stderr: empty".to_owned(),
            ("", _) => "stderr: other text".to_owned(),
            _ => format!("stderr: {found}"),
        });
        Ok(())
    }

    pub(super) fn pid_file(&mut self, name: &str) -> Result<(), SuiteError> {
        let Ok(text) = std::fs::read_to_string(self.path(name)) else {
            self.say("pid file: none");
            return Ok(());
        };
        let words: BTreeSet<&str> = text.split_whitespace().collect();
        let of: Vec<&str> = self
            .processes
            .iter()
            .filter(|(_, p)| {
                p.targets()
                    .iter()
                    .any(|pid| words.contains(&*pid.to_string()))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        let whose = if of.is_empty() {
            "of none".to_owned()
        } else {
            format!("of {}", of.join("+"))
        };
        let numbers = words.iter().all(|w| w.bytes().all(|b| b.is_ascii_digit()));
        self.say(format!(
            "pid file: {} line(s){}{}, {whose}",
            text.split_whitespace().count(),
            if text.ends_with('\n') {
                ", ends with newline"
            } else {
                ", no final newline"
            },
            if numbers { "" } else { ", not only numbers" },
        ));
        Ok(())
    }

    pub(super) fn file(&mut self, step: &Step, name: &str) -> Result<(), SuiteError> {
        let Ok(found) = std::fs::symlink_metadata(self.named(name)) else {
            self.say(format!("{name}: absent"));
            return Ok(());
        };
        let kind = if found.file_type().is_socket() {
            "socket"
        } else if found.is_file() {
            "file"
        } else {
            "other"
        };
        let mode = match &step.mode {
            Some(_) => format!(" mode {:o}", found.permissions().mode() & 0o7777),
            None => String::new(),
        };
        self.say(format!("{name}: {kind}{mode}"));
        Ok(())
    }

    /// Ends what the case has started, also what went into the background: the case's folder is
    /// among its arguments.
    pub(super) fn end_processes(&mut self) {
        let mut backgrounds = false;
        for process in self.processes.values_mut() {
            if let Ok(None) = process.child.try_wait() {
                let _ = process.child.kill();
            }
            let _ = process.child.wait();
            backgrounds |= !process.pids.is_empty();
        }
        let written = format!("{:?}", self.case.steps);
        if !backgrounds && !written.contains("\"-D\"") && !written.contains("\"-W") {
            return;
        }
        let mine = to_bytes(&format!("{}/", self.folder.path().to_string_lossy()));
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return;
        };
        for entry in entries.flatten() {
            let pid = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            if pid == 0 || pid == std::process::id().cast_signed() {
                continue;
            }
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if arguments.windows(mine.len()).any(|w| w == mine) {
                // It may just have ended.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

fn os_string(word: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(to_bytes(word))
}

fn wait(child: &mut Child, millis: u64) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + Duration::from_millis(millis);
    loop {
        let ended = child.try_wait()?;
        if ended.is_some() || Instant::now() > until {
            return Ok(ended);
        }
        pause(5);
    }
}

fn status(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, signal) => {
            let signal = signal.and_then(|n| Signal::try_from(n).ok());
            let name = signal.map_or("?", Signal::as_str);
            format!("killed by {}", name.trim_start_matches("SIG"))
        }
    }
}

/// Whether a process is there and not only waited for.
fn runs(pid: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = text.rsplit_once(')').map_or("", |(_, rest)| rest.trim());
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}

/// The TCP ports that a process listens on.
fn listens_on(pid: i32) -> BTreeSet<u16> {
    let mut sockets = BTreeSet::new();
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd"));
    for entry in entries.into_iter().flatten().flatten() {
        if let Ok(target) = std::fs::read_link(entry.path())
            && let Some(inode) = target.to_string_lossy().strip_prefix("socket:[")
        {
            sockets.insert(inode.trim_end_matches(']').to_owned());
        }
    }
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [_, local, _, "0A", ..] = words[..]
                && words.get(9).is_some_and(|inode| sockets.contains(*inode))
                && let Some((_, port)) = local.rsplit_once(':')
            {
                ports.extend(u16::from_str_radix(port, 16));
            }
        }
    }
    ports
}

/// Kinds and places of messages, each once.
fn kinds(text: &str) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some(kind) = MESSAGE.captures(line) else {
            continue;
        };
        let mut kind = kind[1].to_owned();
        if let Some(place) = PARSING.captures(line) {
            kind.push_str(&format!(" parsing [{}]", &place[1]));
        }
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// All that a pattern finds; `^` and `$` mean lines.
fn all(pattern: &str, text: &str) -> Result<Vec<String>, SuiteError> {
    let pattern = fancy_regex::Regex::new(&format!("(?m){pattern}")).map_err(Box::new)?;
    let mut found = Vec::new();
    for part in pattern.find_iter(text) {
        found.push(part.map_err(Box::new)?.as_str().to_owned());
    }
    Ok(found)
}

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

const NOBODY: u32 = 65534;
static MESSAGE: LazyLock<Regex> = LazyLock::new(|| constant(r"^\[(ALERT|WARNING)\]"));
static PARSING: LazyLock<Regex> = LazyLock::new(|| constant(r"parsing \[([^\]]+)\]"));
static BANNER: LazyLock<Regex> =
    LazyLock::new(|| constant(r"(?im)^\S*proxy version|^hapax version|^PROGRAM version"));
static USAGE: LazyLock<Regex> = LazyLock::new(|| constant(r"(?im)^\s*usage *:"));
static VALID: LazyLock<Regex> = LazyLock::new(|| constant(r"(?m)^Configuration file is valid$"));
static BINDS: LazyLock<Regex> = LazyLock::new(|| constant(r"^\s*(bind|listen)\b"));
static PORTS: LazyLock<Regex> = LazyLock::new(|| constant(r"127\.0\.0\.1:(\d+)"));
