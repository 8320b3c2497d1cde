//! The `global` section. Manual 1.4, section 3.

use std::time::Duration;

use haproxy_cfg_grammar::keywords::global::{
    GlobalStatement, Level, Number, SeverityOutput as SeveritySyntax,
    StatsSocket as StatsSocketSyntax, Switch, Text, UnixBind,
};
use haproxy_cfg_grammar::value::number::to_int;
use haproxy_cfg_grammar::{
    Code, Diagnostic, Dialect, Document, Section, Severity, Span, Statement, Word,
};

use super::draft::{self, Drafts};
use super::environment::Environment;
use super::listeners;
use crate::plan::{AccessLevel, Global, SeverityOutput, StatsSocket, Tune};

/// What holds when the section says nothing.
pub(super) fn built_in(dialect: Dialect) -> Global {
    Global {
        maxconn: 2000,
        connection_rate: 0,
        session_rate: 0,
        memory_mb: None,
        workers: None,
        daemon: false,
        debug: false,
        quiet: false,
        pidfile: None,
        chroot: None,
        uid: None,
        gid: None,
        ulimit_n: None,
        node: None,
        description: None,
        log_targets: Vec::new(),
        log_tag: "haproxy".to_owned(),
        log_send_hostname: None,
        spread_checks: 0,
        nosplice: false,
        maxpipes: 0,
        hard_stop_after: None,
        stats_sockets: Vec::new(),
        stats_timeout: Duration::from_secs(10),
        stats_maxconn: 10,
        metrics: Vec::new(),
        tune: Tune {
            bufsize: 16384,
            maxrewrite: if dialect == Dialect::V1_4 { 8192 } else { 1024 },
            chksize: 16384,
            maxaccept: None,
            maxpollevents: None,
            client_rcvbuf: None,
            client_sndbuf: None,
            server_rcvbuf: None,
            server_sndbuf: None,
        },
    }
}

/// Reads a section. Several of them add up.
pub(super) fn read(document: &Document, section: &Section, drafts: &mut Drafts<'_>) {
    for line in document.body(section) {
        if let Some(Statement::Global(statement)) = &line.statement {
            let span = line.words_span();
            apply(statement, span, drafts);
        }
    }
}

fn apply(statement: &GlobalStatement, span: Span, drafts: &mut Drafts<'_>) {
    let global = &mut drafts.global;
    match statement {
        GlobalStatement::Switch(switch) => match switch {
            Switch::Daemon => global.daemon = true,
            Switch::Debug => global.debug = true,
            Switch::Quiet => global.quiet = true,
            Switch::NoSplice => global.nosplice = true,
            Switch::Poller => {}
        },
        GlobalStatement::Number(which, value) => number(*which, *value, span, drafts),
        GlobalStatement::Text(which, word) => text(*which, word, span, drafts),
        GlobalStatement::Description(text) => {
            global.description = Some(String::from_utf8_lossy(text).into_owned());
        }
        GlobalStatement::Log(target) => {
            let too_many = global.log_targets.len() >= 2 && drafts.dialect == Dialect::V1_4;
            match draft::log_target(target, drafts.environment) {
                Ok(_) if too_many => drafts.report(
                    Diagnostic::new(
                        Code::Conflict,
                        span,
                        "HAProxy 1.4 takes two log targets at most",
                    )
                    .help("let the syslog server copy the lines"),
                ),
                Ok(target) => global.log_targets.push(target),
                Err(diagnostic) => drafts.report(diagnostic),
            }
        }
        GlobalStatement::LogSendHostname(name) => {
            let again = global.log_send_hostname.is_some();
            global.log_send_hostname = Some(name.as_ref().map(Word::shown).unwrap_or_default());
            if again {
                drafts.report(
                    Diagnostic::new(
                        Code::AlreadyDefined,
                        span,
                        "'log-send-hostname' was given before",
                    )
                    .severity(Severity::Alert),
                );
            }
        }
        GlobalStatement::HardStopAfter(time) => {
            global.hard_stop_after = Some(Duration::from_millis(time.0.into()));
        }
        GlobalStatement::StatsTimeout(time) => {
            drafts.stats_settings = true;
            global.stats_timeout = Duration::from_millis(time.0.into());
        }
        GlobalStatement::StatsSocket(socket) => {
            match stats_sockets(socket, drafts.environment, drafts.dialect) {
                Ok(sockets) => {
                    let again = !global.stats_sockets.is_empty();
                    global.stats_sockets.extend(sockets);
                    if again && drafts.dialect == Dialect::V1_4 {
                        drafts.report(Diagnostic::new(
                            Code::AlreadyDefined,
                            span,
                            "HAProxy 1.4 has one 'stats socket' only",
                        ));
                    }
                }
                Err(diagnostic) => drafts.report(diagnostic),
            }
        }
        GlobalStatement::MetricsBind(address) => {
            if !global.metrics.contains(address) {
                global.metrics.push(*address);
            }
        }
        GlobalStatement::UnixBind(unix) => unix_bind(unix, drafts),
        GlobalStatement::StatsBindProcess(_) => drafts.stats_settings = true,
    }
}

fn number(which: Number, value: i64, span: Span, drafts: &mut Drafts<'_>) {
    // Negative numbers count as none, as in HAProxy.
    let given = to_int(value) != 0;
    let value = u32::try_from(to_int(value)).unwrap_or(0);
    let some = (value != 0).then_some(value);
    let global = &mut drafts.global;
    let name = match which {
        Number::Maxconn => {
            global.maxconn = if value == 0 { 2000 } else { value };
            drafts.maxconn_set = value != 0;
            "maxconn"
        }
        Number::Maxconnrate => {
            global.connection_rate = value;
            "maxconnrate"
        }
        Number::Maxsessrate => {
            global.session_rate = value;
            "maxsessrate"
        }
        Number::Maxpipes => {
            global.maxpipes = value;
            "maxpipes"
        }
        Number::Nbproc | Number::Nbthread => {
            global.workers = u16::try_from(value).ok().filter(|n| *n > 0);
            "nbproc"
        }
        Number::Uid => {
            global.uid = some;
            "uid"
        }
        Number::Gid => {
            global.gid = some;
            "gid"
        }
        Number::UlimitN => {
            global.ulimit_n = some;
            "ulimit-n"
        }
        Number::SpreadChecks => {
            global.spread_checks = u8::try_from(value).unwrap_or(50);
            "spread-checks"
        }
        Number::StatsMaxconn => {
            global.stats_maxconn = value;
            drafts.stats_settings = true;
            "stats maxconn"
        }
        Number::Bufsize => {
            global.tune.bufsize = value;
            "tune.bufsize"
        }
        Number::Chksize => {
            global.tune.chksize = value;
            "tune.chksize"
        }
        Number::Maxaccept => {
            global.tune.maxaccept = some;
            "tune.maxaccept"
        }
        Number::Maxpollevents => {
            global.tune.maxpollevents = some;
            "tune.maxpollevents"
        }
        Number::Maxrewrite => {
            global.tune.maxrewrite = value;
            drafts.maxrewrite_set = true;
            "tune.maxrewrite"
        }
        Number::ClientRcvbuf => {
            global.tune.client_rcvbuf = some;
            "tune.rcvbuf.client"
        }
        Number::ClientSndbuf => {
            global.tune.client_sndbuf = some;
            "tune.sndbuf.client"
        }
        Number::ServerRcvbuf => {
            global.tune.server_rcvbuf = some;
            "tune.rcvbuf.server"
        }
        Number::ServerSndbuf => {
            global.tune.server_sndbuf = some;
            "tune.sndbuf.server"
        }
    };
    let once = matches!(
        which,
        Number::Maxconn
            | Number::Maxconnrate
            | Number::Maxsessrate
            | Number::Maxpipes
            | Number::Nbproc
            | Number::Uid
            | Number::Gid
            | Number::UlimitN
            | Number::SpreadChecks
            | Number::Maxaccept
            | Number::Maxpollevents
            | Number::ClientRcvbuf
            | Number::ClientSndbuf
            | Number::ServerRcvbuf
            | Number::ServerSndbuf
    );
    let once = once && !(which == Number::Nbproc && drafts.dialect == Dialect::V1_8);
    if once {
        // A zero is as if nothing had been said, but it cannot take back what was.
        note_once(name, span, given, drafts);
    } else {
        drafts.global_provenance.push((name, span));
    }
}

/// Notes a setting of which HAProxy says that it was given twice, and goes on.
fn note_once(name: &'static str, span: Span, counts: bool, drafts: &mut Drafts<'_>) {
    let first = drafts.global_provenance.iter().find(|(n, _)| *n == name);
    if let Some((_, first)) = first.copied() {
        drafts.report(
            Diagnostic::new(
                Code::AlreadyDefined,
                span,
                format!("'{name}' was given before"),
            )
            .severity(Severity::Alert)
            .related(first, "here")
            .help("delete one of them"),
        );
    }
    if counts {
        drafts.global_provenance.push((name, span));
    }
}

fn text(which: Text, word: &Word, span: Span, drafts: &mut Drafts<'_>) {
    let value = word.shown();
    let global = &mut drafts.global;
    let (name, unknown) = match which {
        Text::Chroot => {
            global.chroot = Some(value.into());
            ("chroot", None)
        }
        Text::Pidfile => {
            global.pidfile = Some(value.into());
            ("pidfile", None)
        }
        Text::Node => {
            global.node = Some(value);
            ("node", None)
        }
        Text::LogTag => {
            global.log_tag = value;
            ("log-tag", None)
        }
        Text::User => match drafts.environment.users.get(&value) {
            Some(Some(id)) => {
                global.uid = Some(*id);
                ("user", None)
            }
            _ => ("user", Some(("user", value))),
        },
        Text::Group => match drafts.environment.groups.get(&value) {
            Some(Some(id)) => {
                global.gid = Some(*id);
                ("group", None)
            }
            _ => ("group", Some(("group", value))),
        },
    };
    if let Some((what, value)) = unknown {
        drafts.report(Diagnostic::new(
            Code::UnknownUser,
            word.span,
            format!("the system has no {what} '{value}'"),
        ));
    }
    match which {
        Text::Chroot | Text::Pidfile => note_once(name, span, true, drafts),
        _ => drafts.global_provenance.push((name, span)),
    }
}

fn unix_bind(unix: &UnixBind, drafts: &mut Drafts<'_>) {
    if let Some(span) = unix.again {
        let text = "'prefix' was given before";
        let diagnostic = Diagnostic::new(Code::AlreadyDefined, span, text);
        drafts.report(diagnostic.severity(Severity::Alert));
    }
    if let Some(prefix) = &unix.prefix {
        drafts.unix.prefix = prefix.shown();
    }
    match listeners::file(&unix.file, drafts.environment) {
        Ok(file) => drafts.unix.file = file.or(drafts.unix.file),
        Err(diagnostic) => drafts.report(diagnostic),
    }
}

/// One for each address.
fn stats_sockets(
    socket: &StatsSocketSyntax,
    environment: &Environment,
    dialect: Dialect,
) -> Result<Vec<StatsSocket>, Diagnostic> {
    let file = listeners::file(&socket.file, environment)?;
    let level = match socket.level {
        Level::User => AccessLevel::User,
        Level::Operator => AccessLevel::Operator,
        Level::Admin => AccessLevel::Admin,
    };
    let severity = match socket.severity {
        SeveritySyntax::None => SeverityOutput::None,
        SeveritySyntax::Number => SeverityOutput::Number,
        SeveritySyntax::String => SeverityOutput::Words,
    };
    let mut sockets = Vec::new();
    for (endpoint, span) in &socket.addresses {
        let addresses = listeners::listen_addresses(endpoint, *span, "", environment, dialect)?;
        sockets.extend(addresses.into_iter().map(|address| StatsSocket {
            address,
            file,
            level,
            severity,
        }));
    }
    Ok(sockets)
}

/// Puts the sizes in order once everything is known.
pub(super) fn finish(drafts: &mut Drafts<'_>) {
    drafts.global.memory_mb = drafts.environment.memory_mb;
    if let Some(maxconn) = drafts.environment.global_maxconn {
        drafts.global.maxconn = maxconn;
    } else if let Some(memory) = drafts.global.memory_mb
        && !drafts.maxconn_set
        && drafts.dialect != Dialect::V1_4
    {
        drafts.global.maxconn = what_fits(memory);
    }
    let tune = &mut drafts.global.tune;
    if !drafts.maxrewrite_set && drafts.dialect == Dialect::V1_4 {
        tune.maxrewrite = tune.bufsize / 2;
    }
    // Half of a buffer at least is for what was received.
    if tune.maxrewrite >= tune.bufsize / 2 {
        tune.maxrewrite = tune.bufsize / 2;
    }
}

/// How many connections 1.5 to 1.8 allow in so many megabytes when nobody says how many: as measured,
/// each is taken to need 36,720 bytes, and what comes out is rounded down to two digits.
fn what_fits(megabytes: u32) -> u32 {
    let mut fits = (u64::from(megabytes) << 20) / 36_720;
    let mut scale = 1;
    while fits >= 100 {
        fits /= 10;
        scale *= 10;
    }
    u32::try_from(fits * scale).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::what_fits;

    #[test]
    fn connections_for_memory() {
        for (megabytes, connections) in [
            (10, 280),
            (30, 850),
            (34, 970),
            (35, 990),
            (36, 1000),
            (39, 1100),
            (300, 8500),
            (1000, 28_000),
        ] {
            assert_eq!(what_fits(megabytes), connections, "{megabytes} MB");
        }
    }
}
