//! `bind`, and addresses on `listen` and `frontend` lines. Manual 1.4, section 4.2 "bind".

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::keyword::{Keyword, Setting};
use crate::keywords::later;
pub use crate::keywords::socket_file::SocketFile;
use crate::section::{BACKEND, FL};
use crate::value::address::{self, Endpoint, Host, PortRules};
use crate::value::number;
use crate::value::time::Milliseconds;
use crate::{Dialect, Span, Statement, Word};

/// Addresses to listen on, and what holds for all of them.
#[derive(Clone, Debug, Default)]
pub struct BindStatement {
    /// The comma-separated addresses.
    pub addresses: Vec<(Endpoint, Span)>,
    /// `id`.
    pub id: Option<u32>,
    /// `name`.
    pub name: Option<Word>,
    /// `interface`.
    pub interface: Option<Word>,
    /// `mss`.
    pub mss: Option<u16>,
    /// `transparent`.
    pub transparent: bool,
    /// `defer-accept`.
    pub defer_accept: bool,
    /// `accept-proxy` (1.5 and later, as all that follow): clients are announced by a header.
    pub accept_proxy: bool,
    /// `backlog`.
    pub backlog: Option<u32>,
    /// `maxconn`.
    pub maxconn: Option<u32>,
    /// `process`: one bit for each process, 0 is all.
    pub process: u64,
    /// `tcp-ut`: how long sent bytes may go without acknowledgement.
    pub tcp_ut: Option<Milliseconds>,
    /// `tfo`: TCP fast open.
    pub tfo: bool,
    /// `v4v6` (`false`) or `v6only` (`true`): whether an IPv6 socket leaves IPv4 alone.
    pub v6only: Option<bool>,
    /// Who may use the file of a Unix socket.
    pub file: SocketFile,
}

/// The options of `bind` that came with 1.5 and later.
pub const OPTIONS_SINCE_1_5: &[Setting] = &[
    Setting::works("accept-proxy", "none"),
    Setting::works("backlog", "positive integer"),
    Setting::works("expose-fd", "listeners"),
    Setting::works("gid", "integer"),
    Setting::works("group", "group name"),
    Setting::works("level", "user|operator|admin"),
    Setting::works("maxconn", "positive integer"),
    Setting::works("mode", "octal number"),
    Setting::works("process", "all|odd|even|number[-number]"),
    Setting::works("severity-output", "none|number|string"),
    Setting::works("tcp-ut", "time"),
    Setting::works("tfo", "none"),
    Setting::works("uid", "integer"),
    Setting::works("user", "user name"),
    Setting::works("v4v6", "none"),
    Setting::works("v6only", "none"),
];

/// The options of `bind`.
pub const OPTIONS: &[Setting] = &[
    Setting::works("defer-accept", "none"),
    Setting::works("id", "positive integer"),
    Setting::works("interface", "interface name"),
    Setting::works("mss", "integer"),
    Setting::works("name", "string"),
    Setting::works("transparent", "none"),
];

/// The family.
pub const BIND: &[Keyword] = &[Keyword {
    ignored_in: BACKEND,
    arguments: "[addr]:port[-port][,...] [options]",
    accepts: &[
        "bind :80",
        "bind 10.0.0.1:8080,10.0.0.2:8080",
        "bind :8081-8090 name range",
        "bind :::80",
        "bind *:443 mss 1400 interface lo",
    ],
    refuses: &[
        "bind",
        "bind 10.0.0.1",
        "bind :0",
        "bind :80 bogus",
        "bind :80 id 0",
        "bind :80 mss",
    ],
    ..Keyword::new("bind", FL, bind)
}];

fn bind(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let word = arguments.require("an address and a port, as 10.0.0.1:80 or :80")?;
    let mut bind = BindStatement {
        addresses: addresses(arguments, word)?,
        ..BindStatement::default()
    };
    while let Some(option) = arguments.next_word() {
        match option.text() {
            "id" => {
                let value = arguments.require("a number after 'id'")?;
                let id = number::atol(&value.bytes).0;
                bind.id = Some(super::mode::positive_id(id, value.span)?);
            }
            "name" if arguments.dialect == Dialect::V1_8 => {
                bind.name = Some(arguments.require("a name after 'name'")?.clone());
            }
            "name" => bind.name = arguments.next_word().cloned(),
            "interface" => {
                bind.interface = Some(arguments.require("an interface after 'interface'")?.clone());
            }
            "mss" => {
                let value = arguments.require("a size after 'mss'")?;
                let mss = number::atol(&value.bytes).0;
                bind.mss = match u16::try_from(mss).ok().filter(|m| *m > 0) {
                    Some(mss) => Some(mss),
                    None => {
                        return Err(Diagnostic::new(
                            Code::OutOfRange,
                            value.span,
                            format!("'{}' is not a segment size from 1 to 65535", value.shown()),
                        ));
                    }
                };
            }
            "transparent" => bind.transparent = true,
            "defer-accept" => bind.defer_accept = true,
            _ if arguments.dialect != Dialect::V1_4
                && later_option(arguments, &mut bind, option)? => {}
            text => {
                return Err(match later::find(later::BIND_OPTIONS, text) {
                    Some(row) => row.refusal(option.span, ""),
                    None => unknown_option(option, "bind", OPTIONS.iter().map(|o| o.name)),
                });
            }
        }
    }
    Ok(Statement::Bind(Box::new(bind)))
}

/// Reads one option of 1.5 and later and its value; false when there is no such option.
fn later_option(
    arguments: &mut Arguments<'_>,
    bind: &mut BindStatement,
    option: &Word,
) -> Result<bool, Diagnostic> {
    match option.text() {
        "accept-proxy" => bind.accept_proxy = true,
        "backlog" => bind.backlog = Some(positive(arguments)?),
        "maxconn" => bind.maxconn = Some(positive(arguments)?),
        "tfo" => bind.tfo = true,
        "v4v6" => bind.v6only = Some(false),
        "v6only" => bind.v6only = Some(true),
        "process" => bind.process = super::process::of_listener(arguments)?,
        "tcp-ut" => bind.tcp_ut = Some(super::server::positive_time(arguments)?),
        // For statistics sockets; here they are read and mean nothing, as in HAProxy.
        "level" => one_of(arguments, &["user", "operator", "admin"])?,
        "severity-output" => one_of(arguments, &["none", "number", "string"])?,
        "expose-fd" => one_of(arguments, &["listeners"])?,
        name => return bind.file.option(arguments, name),
    }
    Ok(true)
}

fn positive(arguments: &mut Arguments<'_>) -> Result<u32, Diagnostic> {
    let word = arguments.require("a number greater than 0")?;
    match u32::try_from(number::to_int(number::atol(&word.bytes).0)) {
        Ok(value) if value > 0 => Ok(value),
        _ => Err(arguments.bad(word, "a number greater than 0")),
    }
}

fn one_of(arguments: &mut Arguments<'_>, words: &[&str]) -> Result<(), Diagnostic> {
    let what = words.join("', '");
    let word = arguments.require(&format!("'{what}'"))?;
    if words.iter().any(|known| word.is(known)) {
        Ok(())
    } else {
        Err(arguments.bad(word, &format!("'{what}'")))
    }
}

/// An option that a keyword does not have.
pub(crate) fn unknown_option(
    word: &Word,
    keyword: &str,
    options: impl Iterator<Item = &'static str> + Clone,
) -> Diagnostic {
    let shown = word.shown();
    let diagnostic = Diagnostic::new(
        Code::UnknownKeyword,
        word.span,
        format!("'{keyword}' has no option '{shown}'"),
    );
    match crate::keyword::nearest(&shown, options.clone()) {
        Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
        None => {
            let list: Vec<_> = options.collect();
            diagnostic.help(format!("one of: {}", list.join(", ")))
        }
    }
}

/// The addresses on a section line.
pub(crate) fn section_addresses(
    arguments: &mut Arguments<'_>,
) -> Result<Option<Statement>, Diagnostic> {
    let Some(word) = arguments.next_word() else {
        return Ok(None);
    };
    if arguments.dialect == Dialect::V1_8 {
        return Err(Diagnostic::new(
            Code::ExtraArgument,
            word.span,
            "HAProxy 1.5 and later take no address on the section line",
        )
        .help(format!(
            "write 'bind {}' on a line of its own",
            word.shown()
        )));
    }
    let addresses = addresses(arguments, word).map_err(|mut diagnostic| {
        diagnostic.place = Place::Whole;
        diagnostic
    })?;
    arguments.ignore_rest();
    Ok(Some(Statement::Bind(Box::new(BindStatement {
        addresses,
        ..BindStatement::default()
    }))))
}

pub(super) fn addresses(
    arguments: &Arguments<'_>,
    word: &Word,
) -> Result<Vec<(Endpoint, Span)>, Diagnostic> {
    // Without any colon 1.4 takes the word for something else altogether and names the line.
    let has_port = memchr::memchr(b':', &word.bytes).is_some();
    let mut addresses = Vec::new();
    for piece in word.bytes.split(|b| *b == b',') {
        let endpoint = if arguments.dialect == Dialect::V1_4 {
            address::listen_v1_4(piece)
        } else {
            let rules = PortRules {
                mandatory: true,
                range: true,
                offset: false,
            };
            match address::endpoint(piece, rules) {
                Err(address::AddressError::MissingPort)
                    if [&b"/"[..], b"unix@", b"abns@"]
                        .iter()
                        .any(|kind| piece.starts_with(kind)) =>
                {
                    address::endpoint(piece, PortRules::default())
                }
                other => other,
            }
        };
        match endpoint {
            Ok(endpoint) => addresses.push((endpoint, word.span)),
            Err(error) => {
                let mut diagnostic = Diagnostic::new(
                    Code::BadAddress,
                    word.span,
                    format!(
                        "cannot listen on '{}': {error}",
                        String::from_utf8_lossy(piece)
                    ),
                )
                .help("write [address]:port, as 10.0.0.1:80, *:80 or :80");
                if has_port && arguments.dialect == Dialect::V1_4 {
                    diagnostic.place = Place::Whole;
                }
                return Err(diagnostic);
            }
        }
    }
    if let Some((
        Endpoint {
            host: Host::Unix(_),
            ..
        },
        span,
    )) = addresses.first()
        && arguments.dialect == Dialect::V1_4
    {
        return Err(Diagnostic::new(
            Code::BadAddress,
            *span,
            "HAProxy 1.4 cannot listen on a Unix socket",
        ));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use crate::{Dialect, Severity, SourceSet, parse};

    #[test]
    fn options_of_later_versions() {
        for (options, fine) in [
            (":80 accept-proxy maxconn 100 backlog 1000 tfo", true),
            (":80 process 1-2", true),
            (":80 process all/2", true),
            (":80 process 65", false),
            (":::80 v4v6 tcp-ut 10s", true),
            (":::80 v6only", true),
            ("unix@/run/hapax.sock mode 660 uid 0 gid 0", true),
            ("/run/hapax.sock user root group root", true),
            (":80 mode 9", false),
            ("abns@hapax level admin severity-output none", true),
            (":80 level none", false),
            (":80 expose-fd listeners", true),
            (":80 expose-fd", false),
            (":80 backlog 0", false),
            (":80 maxconn x", false),
            (":80 tfo 5", false),
        ] {
            let refused = |dialect| {
                let text = format!("frontend f\n    bind {options}\n");
                let parsed = parse(&SourceSet::from_text("x.cfg", text), dialect);
                parsed
                    .diagnostics
                    .iter()
                    .any(|d| d.severity == Severity::Error)
            };
            assert_eq!(refused(Dialect::V1_8), !fine, "{options}");
            assert_eq!(refused(Dialect::Hapax), !fine, "{options}");
            assert!(refused(Dialect::V1_4), "{options}");
        }
    }
}
