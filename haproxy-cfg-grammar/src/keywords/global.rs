//! The `global` section. Manual 1.4, section 3.

use std::net::SocketAddr;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Parser};
use crate::keywords::log::LogTarget;
use crate::keywords::socket_file::{self, SocketFile};
use crate::section::GLOBAL as SECTION;
use crate::value::address::{Endpoint, Host, Port};
use crate::value::time::Milliseconds;
use crate::value::{address, number};
use crate::{Dialect, Severity, Span, Statement, Word, version};

/// One line of the section.
#[derive(Clone, Debug)]
pub enum GlobalStatement {
    /// A word that stands alone.
    Switch(Switch),
    /// A number.
    Number(Number, i64),
    /// A name or path.
    Text(Text, Word),
    /// `description`.
    Description(Vec<u8>),
    /// `log`.
    Log(LogTarget),
    /// `log-send-hostname [name]`.
    LogSendHostname(Option<Word>),
    /// `stats timeout`.
    StatsTimeout(Milliseconds),
    /// `hard-stop-after` (1.8).
    HardStopAfter(Milliseconds),
    /// `stats socket`.
    StatsSocket(Box<StatsSocket>),
    /// `stats bind-process`.
    StatsBindProcess(Vec<Word>),
    /// `unix-bind` (1.5).
    UnixBind(Box<UnixBind>),
    /// `metrics bind`, which is hapax's own.
    MetricsBind(SocketAddr),
}

/// `stats socket path [options]`.
#[derive(Clone, Debug)]
pub struct StatsSocket {
    /// Where: a path, since 1.5 also an address and a port, or several.
    pub addresses: Vec<(Endpoint, Span)>,
    /// `user`, `group`, `uid`, `gid`, `mode`.
    pub file: SocketFile,
    /// `level`.
    pub level: Level,
    /// `severity-output` (1.8).
    pub severity: SeverityOutput,
}

/// What stands before messages on the statistics socket to tell how grave they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeverityOutput {
    /// Nothing.
    #[default]
    None,
    /// A number.
    Number,
    /// A word.
    String,
}

/// `unix-bind`: what holds for listeners on Unix sockets that do not say something else.
#[derive(Clone, Debug, Default)]
pub struct UnixBind {
    /// `prefix`: what every path begins with.
    pub prefix: Option<Word>,
    /// `mode`, `user`, `uid`, `group`, `gid`.
    pub file: SocketFile,
    /// Where `prefix` is written a second time.
    pub again: Option<Span>,
}

/// What a client of the statistics socket may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// `user`
    User,
    /// `operator`
    #[default]
    Operator,
    /// `admin`
    Admin,
}

/// Words that stand alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// `daemon`
    Daemon,
    /// `debug`
    Debug,
    /// `quiet`
    Quiet,
    /// `nosplice`
    NoSplice,
    /// `noepoll`, `nopoll`, `nosepoll`, `nokqueue`: which system call waits is not ours to choose.
    Poller,
}

/// Numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `maxconn`
    Maxconn,
    /// `maxconnrate` (1.5)
    Maxconnrate,
    /// `maxsessrate` (1.5)
    Maxsessrate,
    /// `maxpipes`
    Maxpipes,
    /// `nbproc`
    Nbproc,
    /// `nbthread` (1.8)
    Nbthread,
    /// `uid`
    Uid,
    /// `gid`
    Gid,
    /// `ulimit-n`
    UlimitN,
    /// `spread-checks`
    SpreadChecks,
    /// `stats maxconn`
    StatsMaxconn,
    /// `tune.bufsize`
    Bufsize,
    /// `tune.chksize`
    Chksize,
    /// `tune.maxaccept`
    Maxaccept,
    /// `tune.maxpollevents`
    Maxpollevents,
    /// `tune.maxrewrite`
    Maxrewrite,
    /// `tune.rcvbuf.client`
    ClientRcvbuf,
    /// `tune.rcvbuf.server`
    ServerRcvbuf,
    /// `tune.sndbuf.client`
    ClientSndbuf,
    /// `tune.sndbuf.server`
    ServerSndbuf,
}

/// Names and paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// `chroot`
    Chroot,
    /// `pidfile`
    Pidfile,
    /// `user`
    User,
    /// `group`
    Group,
    /// `node`
    Node,
    /// `log-tag`
    LogTag,
}

const fn row(name: &'static str, arguments: &'static str, parse: Parser) -> Keyword {
    Keyword {
        arguments,
        ..Keyword::new(name, SECTION, parse)
    }
}

const fn number(name: &'static str, parse: Parser) -> Keyword {
    row(name, "integer", parse)
}

/// The family.
pub const GLOBAL: &[Keyword] = &[
    row("chroot", "directory", |a| text(a, Text::Chroot)),
    row("daemon", "none", |a| switch(a, Switch::Daemon)),
    row("debug", "none", |a| switch(a, Switch::Debug)),
    row("description", "free text", |a| {
        super::mode::text(a)
            .map(GlobalStatement::Description)
            .map(Statement::Global)
    }),
    number("gid", |a| integer(a, Number::Gid)),
    row("group", "group name", |a| name(a, Text::Group)),
    Keyword {
        since: version::V1_8,
        ..row("hard-stop-after", "time", |a| {
            let time = a.milliseconds("a time")?;
            a.end(version::V1_8)?;
            Ok(Statement::Global(GlobalStatement::HardStopAfter(time)))
        })
    },
    row("log", "addr facility [level [minlevel]]", |a| {
        super::log::target(a)
            .map(GlobalStatement::Log)
            .map(Statement::Global)
    }),
    row("log-send-hostname", "[name]", |a| {
        let name = a.next_word().cloned();
        a.end(version::V1_8)?;
        Ok(Statement::Global(GlobalStatement::LogSendHostname(name)))
    }),
    row("log-tag", "string", |a| text(a, Text::LogTag)),
    number("maxconn", |a| integer(a, Number::Maxconn)),
    Keyword {
        since: version::V1_5,
        accepts: &["maxconnrate 100"],
        refuses: &["maxconnrate"],
        ..number("maxconnrate", |a| integer(a, Number::Maxconnrate))
    },
    Keyword {
        since: version::V1_5,
        accepts: &["maxsessrate 100"],
        refuses: &["maxsessrate"],
        ..number("maxsessrate", |a| integer(a, Number::Maxsessrate))
    },
    number("maxpipes", |a| integer(a, Number::Maxpipes)),
    Keyword {
        since: version::OURS,
        accepts: &[
            "metrics bind 127.0.0.1:9101",
            "metrics bind :9101",
            "metrics bind [::1]:9101",
        ],
        refuses: &[
            "metrics bind",
            "metrics bind 127.0.0.1",
            "metrics bind localhost:9101",
            "metrics bind :0",
        ],
        ..row("metrics bind", "addr:port", metrics_bind)
    },
    number("nbproc", |a| integer(a, Number::Nbproc)),
    Keyword {
        since: version::V1_8,
        ..number("nbthread", nbthread)
    },
    row("node", "name", node),
    row("noepoll", "none", |a| switch(a, Switch::Poller)),
    row("nokqueue", "none", |a| switch(a, Switch::Poller)),
    row("nopoll", "none", |a| switch(a, Switch::Poller)),
    Keyword {
        until: Some(version::V1_5),
        ..row("nosepoll", "none", |a| switch(a, Switch::Poller))
    },
    row("nosplice", "none", |a| switch(a, Switch::NoSplice)),
    row("pidfile", "file", |a| text(a, Text::Pidfile)),
    row("quiet", "none", |a| switch(a, Switch::Quiet)),
    number("spread-checks", spread_checks),
    // The tables of 1.4 list it, but 1.4.25 refuses it.
    Keyword {
        since: version::V1_5,
        ..row("stats bind-process", "process list", |a| {
            let words = a.rest().to_vec();
            Ok(Statement::Global(GlobalStatement::StatsBindProcess(words)))
        })
    },
    number("stats maxconn", stats_maxconn),
    row("stats socket", "path [options]", stats_socket),
    row("stats timeout", "time", |a| {
        let span = a.peek().map(|w| w.span);
        let time = a.milliseconds("a time")?;
        if time.0 == 0 {
            return Err(Diagnostic::new(
                Code::OutOfRange,
                span.unwrap_or_else(|| a.here()),
                "'stats timeout' must be more than 0",
            ));
        }
        a.end(version::V1_8)?;
        Ok(Statement::Global(GlobalStatement::StatsTimeout(time)))
    }),
    number("tune.bufsize", |a| integer(a, Number::Bufsize)),
    number("tune.chksize", |a| integer(a, Number::Chksize)),
    number("tune.maxaccept", |a| integer(a, Number::Maxaccept)),
    number("tune.maxpollevents", |a| integer(a, Number::Maxpollevents)),
    number("tune.maxrewrite", |a| integer(a, Number::Maxrewrite)),
    number("tune.rcvbuf.client", |a| integer(a, Number::ClientRcvbuf)),
    number("tune.rcvbuf.server", |a| integer(a, Number::ServerRcvbuf)),
    number("tune.sndbuf.client", |a| integer(a, Number::ClientSndbuf)),
    number("tune.sndbuf.server", |a| integer(a, Number::ServerSndbuf)),
    number("uid", |a| integer(a, Number::Uid)),
    number("ulimit-n", |a| integer(a, Number::UlimitN)),
    Keyword {
        since: version::V1_5,
        accepts: &[
            "unix-bind",
            "unix-bind prefix /run/hapax mode 660 user root group root",
            "unix-bind uid 0 gid 0",
        ],
        refuses: &["unix-bind prefix", "unix-bind bogus"],
        ..row(
            "unix-bind",
            "[prefix path] [mode octal] [user name] [uid number] [group name] [gid number]",
            unix_bind,
        )
    },
    row("user", "user name", |a| name(a, Text::User)),
];

fn switch(arguments: &mut Arguments<'_>, switch: Switch) -> Result<Statement, Diagnostic> {
    arguments.end(version::V1_8)?;
    Ok(Statement::Global(GlobalStatement::Switch(switch)))
}

fn integer(arguments: &mut Arguments<'_>, which: Number) -> Result<Statement, Diagnostic> {
    let word = arguments.require("a number")?;
    let value = arguments.lax_integer_of(word);
    if arguments.dialect == Dialect::V1_8 {
        as_1_8(arguments, which, word, value)?;
    }
    arguments.end(version::V1_8)?;
    Ok(Statement::Global(GlobalStatement::Number(which, value)))
}

/// 1.8 looks closer at some numbers.
fn as_1_8(
    arguments: &mut Arguments<'_>,
    which: Number,
    word: &Word,
    value: i64,
) -> Result<(), Diagnostic> {
    match which {
        Number::Bufsize if value <= 0 => Err(arguments.bad(word, "a number greater than 0")),
        Number::Nbproc if !(1..=64).contains(&value) => {
            Err(arguments.bad(word, "a number from 1 to 64"))
        }
        Number::Uid | Number::Gid
            if !number::atol(&word.bytes).1 || i32::try_from(value).is_err() =>
        {
            arguments.report(
                Diagnostic::new(
                    Code::BadValue,
                    word.span,
                    format!("'{}' is not a number; {value} is used", word.shown()),
                )
                .severity(Severity::Warning)
                .help("use 'user' and 'group' for names"),
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

fn text(arguments: &mut Arguments<'_>, which: Text) -> Result<Statement, Diagnostic> {
    let word = arguments.require("a value")?.clone();
    arguments.end(version::V1_8)?;
    Ok(Statement::Global(GlobalStatement::Text(which, word)))
}

fn name(arguments: &mut Arguments<'_>, which: Text) -> Result<Statement, Diagnostic> {
    let word = arguments.require("a name of the system's")?.clone();
    arguments.end(version::V1_8)?;
    Ok(Statement::Global(GlobalStatement::Text(which, word)))
}

fn node(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("a name")?;
    let fine = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !word.bytes.iter().all(fine) {
        return Err(arguments.bad(word, "letters, digits, '.', '-' and '_'"));
    }
    arguments.end(version::V1_8)?;
    Ok(Statement::Global(GlobalStatement::Text(
        Text::Node,
        word.clone(),
    )))
}

fn ranged(
    arguments: &mut Arguments<'_>,
    which: Number,
    what: &str,
    fine: impl Fn(i64) -> bool,
) -> Result<Statement, Diagnostic> {
    let word = arguments.require(what)?;
    let value = number::atol(&word.bytes).0;
    if !fine(value) {
        return Err(Diagnostic::new(
            Code::OutOfRange,
            word.span,
            format!(
                "'{}' expects {what}, not '{}'",
                arguments.keyword(),
                word.shown()
            ),
        ));
    }
    arguments.end(version::V1_8)?;
    Ok(Statement::Global(GlobalStatement::Number(which, value)))
}

fn spread_checks(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    ranged(
        arguments,
        Number::SpreadChecks,
        "a percentage from 0 to 50",
        |v| (0..=50).contains(&v),
    )
}

fn stats_maxconn(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    ranged(
        arguments,
        Number::StatsMaxconn,
        "a number greater than 0",
        |v| v > 0,
    )
}

fn nbthread(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    ranged(arguments, Number::Nbthread, "a number from 1 to 64", |v| {
        (1..=64).contains(&v)
    })
}

fn metrics_bind(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("an address and a port")?;
    let Some(address) = address::socket(&word.bytes) else {
        return Err(arguments.bad(word, "an address and a port, as 127.0.0.1:9101 or :9101"));
    };
    arguments.refuse_rest()?;
    Ok(Statement::Global(GlobalStatement::MetricsBind(address)))
}

fn stats_socket(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("a path")?.clone();
    let mut socket = StatsSocket {
        addresses: stats_addresses(arguments, &word)?,
        file: SocketFile::default(),
        level: Level::default(),
        severity: SeverityOutput::default(),
    };
    let later = arguments.dialect != Dialect::V1_4;
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "level" => socket.level = level(arguments)?,
            "severity-output" if later => socket.severity = severity_output(arguments)?,
            "expose-fd" if later => expose_fd(arguments)?,
            // A socket for a few commands has no use for the other options of `bind`.
            "defer-accept" | "tfo" | "transparent" | "v4v6" | "v6only" if later => {}
            "interface" | "mss" | "name" | "nice" | "process" | "tcp-ut" if later => {
                arguments.require("a value")?;
            }
            "backlog" | "id" | "maxconn" if later => {
                let value = arguments.require("a number greater than 0")?;
                if number::atol(&value.bytes).0 <= 0 {
                    return Err(arguments.bad(value, "a number greater than 0"));
                }
            }
            text if socket.file.option(arguments, text)? => {}
            _ => {
                let own = ["level"].into_iter().chain(socket_file::NAMES);
                return Err(super::bind::unknown_option(word, "stats socket", own));
            }
        }
    }
    Ok(Statement::Global(GlobalStatement::StatsSocket(Box::new(
        socket,
    ))))
}

/// 1.4 takes any word for a path; since 1.5 a path has a slash at its beginning, or `unix@`.
fn stats_addresses(
    arguments: &Arguments<'_>,
    word: &Word,
) -> Result<Vec<(Endpoint, Span)>, Diagnostic> {
    let plain = || !word.bytes.iter().any(|b| matches!(b, b':' | b'@' | b'/'));
    let addresses = match arguments.dialect {
        Dialect::V1_4 => vec![path(word)],
        Dialect::Hapax if plain() => vec![path(word)],
        _ => super::bind::addresses(arguments, word)?,
    };
    for (address, span) in &addresses {
        if let Host::Unix(path) = &address.host
            && path.len() > MAX_PATH
        {
            return Err(Diagnostic::new(
                Code::BadAddress,
                *span,
                format!(
                    "the path has {} bytes, and {MAX_PATH} is the most",
                    path.len()
                ),
            ));
        }
    }
    Ok(addresses)
}

/// The system has room for no more.
const MAX_PATH: usize = 107;

fn path(word: &Word) -> (Endpoint, Span) {
    let endpoint = Endpoint {
        host: Host::Unix(word.shown()),
        port: Port::None,
    };
    (endpoint, word.span)
}

/// The value of `level`.
fn level(arguments: &mut Arguments<'_>) -> Result<Level, Diagnostic> {
    let level = arguments.require("a level after 'level'")?;
    Ok(match level.text() {
        "user" => Level::User,
        "operator" => Level::Operator,
        "admin" => Level::Admin,
        _ => return Err(arguments.bad(level, "'user', 'operator' or 'admin'")),
    })
}

/// The value of `severity-output`.
fn severity_output(arguments: &mut Arguments<'_>) -> Result<SeverityOutput, Diagnostic> {
    let output = arguments.require("'none', 'number' or 'string'")?;
    Ok(match output.text() {
        "none" => SeverityOutput::None,
        "number" => SeverityOutput::Number,
        "string" => SeverityOutput::String,
        _ => return Err(arguments.bad(output, "'none', 'number' or 'string'")),
    })
}

/// The value of `expose-fd`: hapax hands its listening sockets to the process that takes over in any
/// case.
fn expose_fd(arguments: &mut Arguments<'_>) -> Result<(), Diagnostic> {
    let what = arguments.require("'listeners' after 'expose-fd'")?;
    match what.text() {
        "listeners" => Ok(()),
        _ => Err(arguments.bad(what, "'listeners'")),
    }
}

fn unix_bind(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let mut unix = UnixBind::default();
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "prefix" => {
                let prefix = arguments.require("a path after 'prefix'")?;
                if unix.prefix.is_some() {
                    unix.again = Some(word.span);
                } else {
                    unix.prefix = Some(prefix.clone());
                }
            }
            "user" => unix.file.user = Some(arguments.require("a user after 'user'")?.clone()),
            "group" => unix.file.group = Some(arguments.require("a group after 'group'")?.clone()),
            // What is no number counts as 0, and nothing as nothing, as in HAProxy.
            "uid" => unix.file.uid = optional(arguments, 10),
            "gid" => unix.file.gid = optional(arguments, 10),
            "mode" => unix.file.mode = optional(arguments, 8),
            _ => {
                return Err(super::bind::unknown_option(
                    word,
                    "unix-bind",
                    ["prefix", "mode", "user", "uid", "group", "gid"].into_iter(),
                ));
            }
        }
    }
    Ok(Statement::Global(GlobalStatement::UnixBind(Box::new(unix))))
}

fn optional(arguments: &mut Arguments<'_>, radix: u32) -> Option<u32> {
    let word = arguments.next_word()?;
    u32::from_str_radix(word.text(), radix).ok()
}
