//! Listens on the socket and talks to whoever connects.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::command::{Answer, Client, Context, SeverityOutput, execute};
use super::line;
use crate::engine::live::{Counter, Pace};
use crate::engine::worker::Shared;
use crate::plan::{AccessLevel, StatsSocket};

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} the statistics socket {path}: {cause}")]
pub struct SocketError {
    step: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// Opens a socket. It is bound under another name and then moved to its place, so that whoever
/// held that name before answers until the last moment.
///
/// # Errors
/// When the folder does not let it, or owner and permissions cannot be set.
pub(crate) fn open(socket: &StatsSocket) -> Result<net::UnixListener, SocketError> {
    let path = &socket.path;
    let fail = |step: &'static str| {
        move |cause: io::Error| SocketError {
            step,
            path: path.clone(),
            cause,
        }
    };
    let temporary = beside(path);
    // What a process of the same number has left behind.
    let _ = fs::remove_file(&temporary);
    let listener = net::UnixListener::bind(&temporary).map_err(fail("bind"))?;
    let prepared = prepare(&temporary, socket, &listener)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(fail("prepare"));
    if prepared.is_err() {
        // The first mistake is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    prepared.map(|()| listener)
}

fn prepare(at: &Path, socket: &StatsSocket, listener: &net::UnixListener) -> io::Result<()> {
    if let Some(mode) = socket.mode {
        fs::set_permissions(at, fs::Permissions::from_mode(mode))?;
    }
    if socket.uid.is_some() || socket.gid.is_some() {
        std::os::unix::fs::chown(at, socket.uid, socket.gid)?;
    }
    listener.set_nonblocking(true)
}

/// The name under which a socket is made ready.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    name.into()
}

/// Accepts until dropped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: net::UnixListener, socket: StatsSocket) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot watch the statistics socket");
            return;
        }
    };
    let gate = Arc::clone(&shared.cli);
    let level = socket.level;
    loop {
        let limit = shared.current.load().plan.global.stats_maxconn;
        let entered = gate.enter(limit).await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::task::spawn_local(async move {
                    // A client that is gone needs no answer.
                    let _ = converse(&shared, stream, level).await;
                    drop(entered);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the statistics socket");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// How long accepting rests when the process has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Longest line.
const MAX_LINE: usize = 16384;

/// Serves one connection to its end.
async fn converse(
    shared: &Arc<Shared>,
    mut stream: UnixStream,
    level: AccessLevel,
) -> io::Result<()> {
    let registry = &shared.registry;
    let outside = registry.counting() - 1;
    let plan = Arc::clone(&shared.current.load().plan);
    let v1_4 = plan.dialect == Dialect::V1_4;
    // 1.4 counts it among the connections of clients.
    let _counted = if v1_4 {
        Some(registry.process.join())
    } else {
        let now = tokio::time::Instant::now();
        registry.counters.count(outside, Counter::Sessions);
        registry.counters.tick(outside, Pace::Sessions, now);
        None
    };
    let _present = shared.clients.enter();
    let mut client = Client {
        prompt: false,
        timeout: Some(plan.global.stats_timeout).filter(|t| !t.is_zero()),
        severity: SeverityOutput::default(),
    };
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk);
        let n = match client.timeout {
            Some(limit) => match timeout(limit, read).await {
                Ok(n) => n?,
                Err(_) => return Ok(()),
            },
            None => read.await?,
        };
        if n == 0 {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..n]);
        let mut answered = false;
        while let Some(end) = received.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = received.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]);
            answered = true;
            registry.counters.count(outside, Counter::Requests);
            if !answer(shared, &mut stream, level, &mut client, &line).await? {
                return Ok(());
            }
        }
        // 1.4 does not wait for the rest of a line that comes in pieces.
        let in_pieces = v1_4 && !received.is_empty();
        if !client.prompt && (answered || in_pieces) {
            return Ok(());
        }
        if received.len() >= MAX_LINE {
            return Ok(());
        }
    }
}

/// Answers the commands of one line. `false` when the connection ends.
async fn answer(
    shared: &Arc<Shared>,
    stream: &mut UnixStream,
    level: AccessLevel,
    client: &mut Client,
    line: &str,
) -> io::Result<bool> {
    let escapes = shared.current.load().plan.dialect != Dialect::V1_4;
    for command in line::commands(line, escapes) {
        let words = line::words(command, escapes);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut context = Context {
            shared,
            generation: shared.current.load_full(),
            level,
            client,
        };
        let mut text = match execute(&mut context, &words) {
            Answer::Text(text) => text,
            Answer::Told(gravity, text) => format!("{}{text}", gravity.prefix(client.severity)),
            Answer::Later(text) => text.await,
            Answer::Quit => return Ok(false),
        };
        text.push('\n');
        if client.prompt {
            text.push_str("> ");
        }
        let send = stream.write_all(text.as_bytes());
        match client.timeout {
            Some(limit) => timeout(limit, send)
                .await
                .map_err(|_| io::ErrorKind::TimedOut)??,
            None => send.await?,
        }
    }
    Ok(true)
}
