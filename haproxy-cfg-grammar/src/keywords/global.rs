//! The `global` section. Manual 1.4, section 3.

use std::net::SocketAddr;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Parser};
use crate::keywords::bind::SocketFile;
use crate::keywords::log::LogTarget;
use crate::section::GLOBAL as SECTION;
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
    /// Where.
    pub path: Word,
    /// `user`.
    pub user: Option<Word>,
    /// `group`.
    pub group: Option<Word>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
    /// `mode`, an octal number.
    pub mode: Option<u32>,
    /// `level`.
    pub level: Level,
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
    let path = arguments.require("a path")?.clone();
    let mut socket = StatsSocket {
        path,
        user: None,
        group: None,
        uid: None,
        gid: None,
        mode: None,
        level: Level::default(),
    };
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "user" => socket.user = Some(arguments.require("a user after 'user'")?.clone()),
            "group" => socket.group = Some(arguments.require("a group after 'group'")?.clone()),
            "uid" => socket.uid = id(arguments)?,
            "gid" => socket.gid = id(arguments)?,
            "mode" => {
                let mode = arguments.require("an octal number after 'mode'")?;
                socket.mode = u32::from_str_radix(mode.text(), 8).ok();
            }
            "level" => {
                let level = arguments.require("a level after 'level'")?;
                socket.level = match level.text() {
                    "user" => Level::User,
                    "operator" => Level::Operator,
                    "admin" => Level::Admin,
                    _ => return Err(arguments.bad(level, "'user', 'operator' or 'admin'")),
                };
            }
            _ => {
                return Err(super::bind::unknown_option(
                    word,
                    "stats socket",
                    ["user", "uid", "group", "gid", "mode", "level"].into_iter(),
                ));
            }
        }
    }
    Ok(Statement::Global(GlobalStatement::StatsSocket(Box::new(
        socket,
    ))))
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

pub(super) fn id(arguments: &mut Arguments<'_>) -> Result<Option<u32>, Diagnostic> {
    Ok(u32::try_from(arguments.lax_integer("a number")?).ok())
}
