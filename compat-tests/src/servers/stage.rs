//! One case: its process, its peers, its transcript.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::client::Clients;
use super::control::Control;
use super::normalise::Normaliser;
use super::ports::Ports;
use super::server::Server;
use super::suite::{Case, Suite, Transcript};
use crate::process::{Proxy, ProxyCommand};
use crate::recorded::SuiteError;
use crate::replacements::Replacements;
use crate::text::{Places, to_bytes};

/// Plays a case against a fresh process of the proxy.
pub(super) fn perform(
    suite: &Suite,
    case: &std::sync::Arc<Case>,
    command: &ProxyCommand,
    version: &str,
) -> Result<Transcript, SuiteError> {
    let folder = tempfile::Builder::new().prefix("servers-").tempdir()?;
    let mut places = Places::default();
    let folder_name = folder.path().to_string_lossy().into_owned();
    places.insert("dir".to_owned(), folder_name.clone());
    let configuration = configuration(suite, case, version);
    let mut names = Places::names_in(&configuration);
    // What only a step names is needed as well.
    names.extend(Places::names_in(&format!(
        "{:?}{:?}",
        case.steps, case.servers
    )));
    names.sort_unstable();
    names.dedup();
    let ports = Ports::open(case, &names, &mut places)?;
    let file = folder.path().join("proxy.cfg");
    std::fs::write(&file, to_bytes(&places.fill(&configuration)))?;
    if case.verdict {
        return Ok(Transcript::Played(vec![verdict(
            command,
            &file,
            folder.path(),
        )?]));
    }

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Dropping the set ends every peer that still waits for something.
    let tasks = LocalSet::new();
    let played = async {
        let places = Rc::new(places);
        let server = |(name, port): &(String, u16)| {
            let scripts = case.servers.get(name).cloned().unwrap_or_default();
            let server = Server::new(name.clone(), *port, scripts, Rc::clone(&places));
            (name.clone(), server)
        };
        let stage = Rc::new(Stage {
            case: std::sync::Arc::clone(case),
            servers: ports.servers.iter().map(server).collect(),
            places: Rc::clone(&places),
            normaliser: Normaliser {
                replacements: Replacements::new(&case.normalise)?,
                folder: folder_name,
            },
            control: Control::new(folder.path()),
            clients: Clients::default(),
            background: RefCell::default(),
            logs: Rc::default(),
            told: RefCell::default(),
        });
        stage.run(command, &file, folder.path(), ports.log).await
    };
    tasks.block_on(&runtime, played)
}

/// What the peers of one case share.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) case: std::sync::Arc<Case>,
    pub(super) places: Rc<Places>,
    pub(super) servers: BTreeMap<String, Rc<Server>>,
    pub(super) normaliser: Normaliser,
    pub(super) control: Control,
    pub(super) clients: Clients,
    #[expect(clippy::type_complexity, reason = "what a crowd answers")]
    pub(super) background: RefCell<Vec<JoinHandle<(Vec<String>, Vec<String>)>>>,
    /// What came to the syslog port.
    pub(super) logs: Rc<RefCell<Vec<Vec<u8>>>>,
    /// The transcript.
    pub(super) told: RefCell<Vec<String>>,
}

impl Stage {
    async fn run(
        self: Rc<Self>,
        command: &ProxyCommand,
        file: &Path,
        folder: &Path,
        log: Option<std::net::UdpSocket>,
    ) -> Result<Transcript, SuiteError> {
        if let Some(log) = log {
            spawn_local(collect(UdpSocket::from_std(log)?, Rc::clone(&self.logs)));
        }
        for (name, server) in &self.servers {
            if !self.case.stopped.contains(name) {
                server.start()?;
            }
        }
        let mut proxy = Proxy::start(command, file, folder)?;
        let played = match self.answers(&mut proxy).await? {
            Some(trouble) => Err(trouble),
            None => match timeout(CASE_LIMIT, self.play_all()).await {
                Err(_) => Err(format!("took more than {} s", CASE_LIMIT.as_secs())),
                Ok(played) => Ok(played?),
            },
        };
        let end = proxy.stop().await?;
        self.clients.leave();
        Ok(match (played, end.by_itself) {
            (Err(trouble), _) => Transcript::Failed(trouble),
            (Ok(()), None) => Transcript::Played(self.told.take()),
            (Ok(()), Some(status)) => {
                let output = self.normalised(&end.output);
                Transcript::Failed(format!("proxy exited by itself: {status}: {output}"))
            }
        })
    }

    /// Waits for the statistics socket; what is wrong when it does not come.
    async fn answers(&self, proxy: &mut Proxy) -> Result<Option<String>, SuiteError> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Some(status) = proxy.ended()? {
                let output = self.normalised(&proxy.output()?);
                return Ok(Some(format!("proxy exited with {status}: {output}")));
            }
            let answer = self.control.ask("show info").await;
            if answer.is_some_and(|answer| !answer.is_empty()) {
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Ok(Some("the statistics socket never answered".to_owned()));
            }
            sleep(POLL).await;
        }
    }

    async fn play_all(self: &Rc<Self>) -> Result<(), SuiteError> {
        for step in &self.case.steps {
            self.play(step).await?;
        }
        Ok(())
    }
}

async fn collect(socket: UdpSocket, logs: Rc<RefCell<Vec<Vec<u8>>>>) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    while let Ok(size) = socket.recv(&mut buffer).await {
        logs.borrow_mut().push(buffer[..size].to_vec());
    }
}

/// The text of a case's configuration, placeholders in it.
fn configuration(suite: &Suite, case: &Case, version: &str) -> String {
    let prelude = case.prelude.as_ref().unwrap_or(&suite.prelude);
    let mut text = String::new();
    for line in prelude.iter().chain(&case.config) {
        let line = match ONLY_FOR.captures(line) {
            None => line.as_str(),
            Some(found) => {
                let (_, [versions, line]) = found.extract();
                if !versions.split(' ').any(|other| other == version) {
                    continue;
                }
                line
            }
        };
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Whether the configuration is accepted.
fn verdict(command: &ProxyCommand, file: &Path, folder: &Path) -> Result<String, SuiteError> {
    let output = Command::new(&command.binary)
        .args(&command.args)
        .arg("-f")
        .arg(file)
        .arg("-c")
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let verdict = if !output.status.success() {
        "refused"
    } else if WARNING.is_match(&String::from_utf8_lossy(&said)) {
        "accepted with warnings"
    } else {
        "accepted"
    };
    Ok(format!("configuration {verdict}"))
}

const START_PATIENCE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(20);
const CASE_LIMIT: Duration = Duration::from_secs(40);
const MAX_DATAGRAM: usize = 64 * 1024;

static ONLY_FOR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)^\[([\d. ]+)\] ?(.*)$").expect("a constant pattern"));
static WARNING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\[WARNING\]|\[warn").expect("a constant pattern"));
