//! Where one hapax process can be asked by another: a Unix socket named after the process.
//!
//! The next process of a binary upgrade (`-sf`) asks for the listening sockets here, so that no
//! connection that waits to be accepted is lost; `hapax reload` asks for a reload. The socket has no
//! file (it is in the abstract name space), so that `chroot` does not hide it. Only root and the user
//! that started the process are answered.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::{Deserialize, Serialize};

use super::keeper::{receive_by_key, send_by_key};
use super::{Message, descriptors};
pub use crate::engine::control::Question;
use crate::engine::{ListenerKey, Sockets};

/// What is answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// Whether it was done.
    pub done: bool,
    /// What happened, for people.
    pub text: String,
    /// To [`Question::Sockets`].
    pub(super) sockets: Sockets,
}

/// An [`Answer`] on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    done: bool,
    text: String,
    sockets: Vec<(ListenerKey, usize)>,
}

/// How long an asking process may take to say what it wants, and to read.
const HURRY: Duration = Duration::from_secs(5);
/// How long a reload may take, host names included.
const PATIENCE: Duration = Duration::from_secs(120);

fn address(pid: u32) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("hapax/{pid}"))
}

/// Asks the process of that number.
///
/// # Errors
/// When there is none that answers.
pub fn ask(pid: u32, question: Question) -> io::Result<Answer> {
    let mut stream = UnixStream::connect_addr(&address(pid)?)?;
    let peer = getsockopt(&stream, PeerCredentials)?;
    if u32::try_from(peer.pid()) != Ok(pid) {
        // Anybody can take a name in the abstract name space.
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    stream.set_write_timeout(Some(HURRY))?;
    stream.set_read_timeout(Some(match question {
        Question::Reload | Question::DryRun => PATIENCE,
        _ => HURRY,
    }))?;
    descriptors::send(&mut stream, &question)?;
    let reply: Reply = descriptors::receive(&mut stream)?;
    Ok(Answer {
        done: reply.done,
        text: reply.text,
        sockets: receive_by_key(&stream, reply.sockets)?,
    })
}

/// The listening end, to be opened before privileges are dropped.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    owner: u32,
}

impl Door {
    /// Opens it for this process and its present user.
    ///
    /// # Errors
    /// When somebody else has taken the name.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self {
            listener: UnixListener::bind_addr(&address(std::process::id())?)?,
            owner: nix::unistd::geteuid().as_raw(),
        })
    }

    /// Passes questions on, one after another, until nobody wants them any more.
    pub(super) fn serve(&self, messages: &mpsc::Sender<Message>) {
        for stream in self.listener.incoming() {
            let Ok(stream) = stream else { continue };
            match self.answer(stream, messages) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return,
                Err(error) => tracing::debug!(%error, "a question was not answered"),
                Ok(()) => {}
            }
        }
    }

    fn answer(&self, mut stream: UnixStream, messages: &mpsc::Sender<Message>) -> io::Result<()> {
        stream.set_read_timeout(Some(HURRY))?;
        stream.set_write_timeout(Some(HURRY))?;
        let peer = getsockopt(&stream, PeerCredentials)?;
        if peer.uid() != 0 && peer.uid() != self.owner {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let question = descriptors::receive(&mut stream)?;
        let (reply, answer) = mpsc::channel();
        messages
            .send(Message::Question(
                question,
                Box::new(move |answer| {
                    // It waits no longer than the asker.
                    let _ = reply.send(answer);
                }),
            ))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        let answer = answer
            .recv()
            .map_err(|_| io::ErrorKind::ConnectionAborted)?;
        let sockets: Vec<_> = answer.sockets.into_iter().collect();
        let reply = Reply {
            done: answer.done,
            text: answer.text,
            sockets: sockets.iter().map(|(k, s)| (k.clone(), s.len())).collect(),
        };
        descriptors::send(&mut stream, &reply)?;
        send_by_key(&stream, &sockets)
    }
}
