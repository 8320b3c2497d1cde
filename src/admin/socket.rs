//! Listens on the socket and talks to whoever connects.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::time::timeout;

use super::command::{Answer, Client, Context, execute};
use super::line;
use crate::engine::live::Counter;
use crate::engine::trace;
use crate::engine::worker::Shared;
use crate::plan::{AccessLevel, ListenAddress, Plan, SocketFile, StatsSocket};

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} the statistics socket {path}: {cause}")]
pub struct SocketError {
    step: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// A socket that is open: a file, or since 1.5 an address and a port.
#[derive(Debug)]
pub enum StatsListener {
    /// A Unix socket.
    Unix(net::UnixListener),
    /// A TCP port.
    Tcp(TcpListener),
}

impl StatsListener {
    /// What somebody else has opened for these settings.
    pub(crate) fn of(socket: &StatsSocket, opened: OwnedFd) -> Self {
        match socket.address {
            ListenAddress::Unix(_) => Self::Unix(opened.into()),
            ListenAddress::Tcp { .. } => Self::Tcp(opened.into()),
        }
    }

    /// Another handle on the same socket.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
        })
    }
}

impl AsFd for StatsListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Opens a Unix socket. It is bound under another name and then moved to its place, so that whoever
/// held that name before answers until the last moment.
///
/// # Errors
/// When the folder does not let it, or owner and permissions cannot be set.
pub(crate) fn open(path: &Path, file: &SocketFile) -> Result<net::UnixListener, SocketError> {
    let fail = |step: &'static str| {
        move |cause: io::Error| SocketError {
            step,
            path: path.to_owned(),
            cause,
        }
    };
    let temporary = beside(path);
    // What a process of the same number has left behind.
    let _ = fs::remove_file(&temporary);
    let listener = net::UnixListener::bind(&temporary).map_err(fail("bind"))?;
    let prepared = give_away(&temporary, file)
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(fail("prepare"));
    if prepared.is_err() {
        // The first mistake is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    prepared.map(|()| listener)
}

/// Gives the file of a socket its owner and permissions.
///
/// # Errors
/// What the system says.
pub(crate) fn give_away(at: &Path, file: &SocketFile) -> io::Result<()> {
    if let Some(mode) = file.mode {
        fs::set_permissions(at, fs::Permissions::from_mode(mode))?;
    }
    if file.uid.is_some() || file.gid.is_some() {
        std::os::unix::fs::chown(at, file.uid, file.gid)?;
    }
    Ok(())
}

/// The name under which a socket is made ready.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    name.into()
}

/// Accepts until dropped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: StatsListener, socket: StatsSocket) {
    let listener = match Door::new(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot watch the statistics socket");
            return;
        }
    };
    let gate = Arc::clone(&shared.cli);
    let listening = listener.as_raw_fd();
    loop {
        let limit = shared.current.load().plan.global.stats_maxconn;
        let entered = gate.enter(limit).await;
        match listener.accept().await {
            Ok((stream, from)) => {
                let shared = Arc::clone(&shared);
                let socket = socket.clone();
                tokio::task::spawn_local(async move {
                    // A client that is gone needs no answer.
                    let plan = Arc::clone(&shared.current.load().plan);
                    let _traced = shared.trace.as_ref().map(|trace| {
                        let ends = (listening, stream.as_raw_fd());
                        trace.greet(plan.dialect, ends, &socket_client(from, &plan, &socket))
                    });
                    let _ = converse(&shared, stream, &socket).await;
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

/// A listener that is watched.
enum Door {
    Unix(UnixListener),
    Tcp(tokio::net::TcpListener),
}

/// A client, however it has come.
trait Stream: AsyncRead + AsyncWrite + AsRawFd + Unpin {}

impl<S: AsyncRead + AsyncWrite + AsRawFd + Unpin> Stream for S {}

impl Door {
    fn new(listener: StatsListener) -> io::Result<Self> {
        Ok(match listener {
            StatsListener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
            StatsListener::Tcp(listener) => Self::Tcp(tokio::net::TcpListener::from_std(listener)?),
        })
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<SocketAddr>)> {
        Ok(match self {
            Self::Unix(listener) => (Box::new(listener.accept().await?.0), None),
            Self::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                (Box::new(stream), Some(from))
            }
        })
    }

    fn as_raw_fd(&self) -> i32 {
        match self {
            Self::Unix(listener) => listener.as_raw_fd(),
            Self::Tcp(listener) => listener.as_raw_fd(),
        }
    }
}

/// Who has come to a statistics socket, for the trace.
fn socket_client(from: Option<SocketAddr>, plan: &Plan, socket: &StatsSocket) -> trace::From {
    let sockets = &plan.global.stats_sockets;
    let place = sockets.iter().position(|s| s.address == socket.address);
    let number = u32::try_from(place.map_or(0, |place| place + 1)).unwrap_or(0);
    from.map_or(trace::From::Unix(number), trace::From::Address)
}

/// How long accepting rests when the process has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Longest line.
const MAX_LINE: usize = 16384;

/// Serves one connection to its end.
async fn converse(
    shared: &Arc<Shared>,
    mut stream: Box<dyn Stream>,
    socket: &StatsSocket,
) -> io::Result<()> {
    let registry = &shared.registry;
    let outside = registry.counting() - 1;
    let plan = Arc::clone(&shared.current.load().plan);
    let v1_4 = plan.dialect == Dialect::V1_4;
    // 1.4 counts it among the connections of clients.
    let _counted = if v1_4 {
        Some(registry.process.join())
    } else {
        // Later versions count it, and it has no part in rates.
        registry.counters.count(outside, Counter::Sessions);
        None
    };
    let _present = shared.clients.enter();
    let mut client = Client {
        prompt: false,
        timeout: Some(plan.global.stats_timeout).filter(|t| !t.is_zero()),
        severity: socket.severity,
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
            if !answer(shared, &mut *stream, socket.level, &mut client, &line).await? {
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
    stream: &mut dyn Stream,
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
