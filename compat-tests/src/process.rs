//! The proxy under test as a process.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How to start the proxy: `BINARY ARGS -f FILE -db`.
#[derive(Clone, Debug)]
pub struct ProxyCommand {
    /// The haproxy-compatible binary.
    pub binary: PathBuf,
    /// Arguments before `-f`.
    pub args: Vec<String>,
}

/// A running proxy; killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    output: PathBuf,
}

/// How the proxy's process ended.
#[derive(Debug)]
pub struct ProxyEnd {
    /// Its status, when it ended before it was told to.
    pub by_itself: Option<ExitStatus>,
    /// All that it printed.
    pub output: String,
}

impl ProxyEnd {
    /// Whether somebody else ended it.
    pub fn killed(&self) -> bool {
        let signal = self.by_itself.and_then(|status| status.signal());
        [Signal::SIGTERM, Signal::SIGKILL]
            .into_iter()
            .any(|other| signal == Some(other as i32))
    }
}

impl Proxy {
    /// Starts the proxy in `folder`, on a file there; what it prints is kept there too.
    pub fn start(command: &ProxyCommand, configuration: &Path, folder: &Path) -> io::Result<Self> {
        let output = folder.join("output");
        let file = File::create(&output)?;
        let mut arguments: Vec<OsString> = command.args.iter().map(OsString::from).collect();
        arguments.extend(["-f".into(), configuration.into(), "-db".into()]);
        let child = Command::new(&command.binary)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Self { child, output })
    }

    /// Waits until all ports accept connections; `false` when the proxy ended or took too long.
    pub async fn ready(&mut self, ports: impl Iterator<Item = u16>) -> io::Result<bool> {
        let deadline = Instant::now() + START_PATIENCE;
        for port in ports {
            loop {
                if self.child.try_wait()?.is_some() {
                    return Ok(false);
                }
                let attempt = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
                if let Ok(Ok(_)) = timeout(Duration::from_secs(1), attempt).await {
                    break;
                }
                if Instant::now() > deadline {
                    return Ok(false);
                }
                sleep(POLL).await;
            }
        }
        Ok(true)
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), signal)?)
    }

    /// Lets it do nothing until it gets SIGCONT.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        // Its threads go on for a moment after the signal is sent.
        waitpid(
            Pid::from_raw(self.child.id().cast_signed()),
            Some(WaitPidFlag::WUNTRACED),
        )?;
        Ok(())
    }

    /// All that it printed so far.
    pub fn output(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.output)?).into_owned())
    }

    /// Ends the proxy: SIGTERM, and SIGKILL when that does not help.
    pub async fn stop(mut self) -> io::Result<ProxyEnd> {
        let by_itself = self.child.try_wait()?;
        if by_itself.is_none() {
            // Fails only when it has just ended, which is what is wanted.
            let _ = self.signal(Signal::SIGTERM);
            let deadline = Instant::now() + STOP_PATIENCE;
            while self.child.try_wait()?.is_none() && Instant::now() < deadline {
                sleep(POLL).await;
            }
        }
        Ok(ProxyEnd {
            by_itself,
            output: self.output()?,
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // It is our own child and still there, so neither can fail.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

const START_PATIENCE: Duration = Duration::from_secs(8);
const STOP_PATIENCE: Duration = Duration::from_millis(1500);
const POLL: Duration = Duration::from_millis(20);
