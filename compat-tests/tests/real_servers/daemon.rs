//! Servers as Debian packages them, each in a folder of its own and on free ports.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use compat_tests::ports::free_port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `nginx`; the second port speaks TLS.
    Nginx,
    /// `mariadb-server-core`
    MariaDb,
    /// `slapd`
    Slapd,
    /// `exim4-daemon-light`
    Exim,
}

/// A server that runs; ended when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    kind: Kind,
    folder: tempfile::TempDir,
    /// Where it listens.
    pub(crate) ports: [u16; 2],
    child: Option<Child>,
}

impl Daemon {
    /// Starts a server; `None` when it is not installed. With `HAPAX_REQUIRE_REAL_SERVERS` in the
    /// environment that is a failure.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let missing = kind.programs().iter().find(|name| find(name).is_none());
        if let Some(missing) = missing {
            assert!(
                std::env::var_os("HAPAX_REQUIRE_REAL_SERVERS").is_none(),
                "there is no {missing}, and HAPAX_REQUIRE_REAL_SERVERS asks for it"
            );
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let ports = [(); 2].map(|()| free_port().expect("a free port"));
        let mut daemon = Self {
            kind,
            folder,
            ports,
            child: None,
        };
        daemon.prepare().expect("its files can be written");
        daemon.run();
        Some(daemon)
    }

    /// Starts it again, on the same ports.
    pub(crate) fn run(&mut self) {
        let log = File::create(self.path("output")).expect("a file");
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            .current_dir(self.folder.path());
        let child = command.spawn().expect("it can be started");
        let child = self.child.insert(child);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[0])).is_err() {
            let ended = child.try_wait().expect("our own child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{:?} does not listen ({ended:?}): {}",
                self.kind,
                fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
            );
            park_timeout(POLL);
        }
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Its children end with it.
        let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        while let Ok(None) = child.try_wait() {
            if Instant::now() > deadline {
                let _ = child.kill();
            }
            park_timeout(POLL);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let text = text
            .replace("FOLDER", &self.folder.path().to_string_lossy())
            .replace("SECOND", &self.ports[1].to_string())
            .replace("PORT", &self.ports[0].to_string());
        fs::write(self.path(name), text)
    }

    /// Writes what it needs before it can run.
    fn prepare(&self) -> io::Result<()> {
        match self.kind {
            Kind::Nginx => {
                self.write("nginx.conf", NGINX)?;
                succeed(
                    Command::new("openssl")
                        .args([
                            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        ])
                        .args(["-subj", "/CN=localhost", "-keyout", "key", "-out", "crt"])
                        .current_dir(self.folder.path()),
                )
            }
            Kind::MariaDb => {
                self.write(
                    "users.sql",
                    "CREATE USER IF NOT EXISTS 'checker'@'127.0.0.1';\n",
                )?;
                let mut install = Command::new("mariadb-install-db");
                install
                    .args(["--no-defaults", "--auth-root-authentication-method=normal"])
                    .arg("--skip-test-db")
                    .arg(format!("--datadir={}", self.path("data").display()));
                succeed(as_root(&mut install))
            }
            Kind::Slapd => {
                fs::create_dir(self.path("data"))?;
                self.write("slapd.conf", SLAPD)
            }
            Kind::Exim => {
                // It gives up the rights of root.
                open_to_all(self.folder.path())?;
                fs::create_dir(self.path("spool"))?;
                open_to_all(&self.path("spool"))?;
                self.write("exim.conf", EXIM)
            }
        }
    }

    fn command(&self) -> Command {
        let [first, _] = self.ports;
        match self.kind {
            Kind::Nginx => {
                let mut command = Command::new(program("nginx"));
                command.arg("-e").arg(self.path("error.log"));
                command.arg("-c").arg(self.path("nginx.conf"));
                command
            }
            Kind::MariaDb => {
                let mut command = Command::new(program("mariadbd"));
                command
                    .args(["--no-defaults", "--bind-address=127.0.0.1"])
                    .args(["--skip-name-resolve", "--max-connect-errors=1000000"])
                    .arg(format!("--port={first}"))
                    .arg(format!("--datadir={}", self.path("data").display()))
                    .arg(format!("--socket={}", self.path("sock").display()))
                    .arg(format!("--pid-file={}", self.path("pid").display()))
                    .arg(format!("--init-file={}", self.path("users.sql").display()));
                as_root(&mut command);
                command
            }
            Kind::Slapd => {
                let mut command = Command::new(program("slapd"));
                command
                    .args(["-d", "0", "-f"])
                    .arg(self.path("slapd.conf"))
                    .args(["-h", &format!("ldap://127.0.0.1:{first}")]);
                command
            }
            Kind::Exim => {
                let mut command = Command::new(program("exim4"));
                command.arg("-bdf").arg("-C").arg(self.path("exim.conf"));
                command.args(["-oX", &format!("127.0.0.1.{first}"), "-oP"]);
                command.arg(self.path("pid"));
                command
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Kind {
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx", "openssl"],
            Self::MariaDb => &["mariadbd", "mariadb-install-db"],
            Self::Slapd => &["slapd"],
            Self::Exim => &["exim4"],
        }
    }
}

/// Where a program is. Daemons are not in the `PATH` of everybody.
fn find(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

fn program(name: &str) -> PathBuf {
    find(name).expect("it was there a moment ago")
}

/// MariaDB wants to be told that root is meant.
fn as_root(command: &mut Command) -> &mut Command {
    if geteuid().is_root() {
        command.arg("--user=root");
    }
    command
}

fn open_to_all(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
}

fn succeed(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

const NGINX: &str = r#"
daemon off;
worker_processes 1;
pid FOLDER/pid;
error_log FOLDER/error.log;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server {
        listen 127.0.0.1:PORT;
        listen 127.0.0.1:SECOND ssl;
        ssl_certificate FOLDER/crt;
        ssl_certificate_key FOLDER/key;
        location = /state { return 200 "$http_x_haproxy_server_state"; }
        location = /hello { return 200 "hello, all is well"; }
        location = /gone { return 404; }
        location = /broken { return 503; }
        location / { return 200 "ok"; }
    }
}
"#;

const SLAPD: &str = "\
pidfile FOLDER/pid
database ldif
directory FOLDER/data
suffix \"\"
";

const EXIM: &str = "\
primary_hostname = mail.test
spool_directory = FOLDER/spool
log_file_path = FOLDER/spool/%slog
acl_smtp_rcpt = deny
";

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
