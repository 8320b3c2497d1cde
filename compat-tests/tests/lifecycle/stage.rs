//! A folder, processes that were started in it, and ways to look at them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use compat_tests::hapax;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A folder for one test.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Other users must be able to look into it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("it is ours");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file as an editor does, so that nobody reads half of it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let (new, path) = (self.path("new"), self.path(name));
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, &path).expect("moved");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// hapax, to be run in the folder; what it prints goes to the file of that name.
    pub(crate) fn hapax(&self, output: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(hapax::binary());
        let output = File::create(self.path(output)).expect("a file");
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let status = self
            .hapax("said", arguments)
            .status()
            .expect("it can be started");
        (status, self.read("said"))
    }

    /// Starts it in the foreground.
    pub(crate) fn start(&self, output: &str, arguments: &[&str]) -> Running {
        let child = self.hapax(output, arguments).spawn();
        Running {
            output: self.path(output),
            child: child.expect("it can be started"),
        }
    }

    /// The pid in a pid file.
    pub(crate) fn pid(&self, name: &str) -> i32 {
        let text = self.read(name);
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("{text:?} is no pid"))
    }
}

/// A process that ends with the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    output: PathBuf,
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until it listens there.
    pub(crate) fn listens(&mut self, port: u16) {
        until("it listens", || {
            let ended = self.child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "{ended:?}: {}", self.output());
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().expect("it is ours");
            status.is_some()
        });
        status.expect("it has ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A daemon that ends with the test.
pub(crate) struct Daemon(pub(crate) i32);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}

pub(crate) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it runs");
}

/// Looks again and again.
pub(crate) fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happens() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The whole answer to one request on a connection of its own; empty when there is none.
pub(crate) fn get(port: u16) -> String {
    request(port, "GET / HTTP/1.0\r\n\r\n")
}

/// The same for any request.
pub(crate) fn request(port: u16, text: &str) -> String {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return String::new();
    };
    let mut answer = String::new();
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// The answer of a statistics socket.
pub(crate) fn ask(socket: &Path, command: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = UnixStream::connect(socket) {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.write_all(format!("{command}\n").as_bytes());
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}
