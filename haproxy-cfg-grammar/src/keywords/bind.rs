//! `bind`, and addresses on `listen` and `frontend` lines. Manual 1.4, section 4.2 "bind".

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::keyword::{Keyword, Setting};
use crate::keywords::later;
use crate::keywords::socket_file::SocketFile;
use crate::section::{BACKEND, FL};
use crate::value::address::{self, Endpoint, Host, PortRules};
use crate::value::number;
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
    /// `user`, `group`, `uid`, `gid`, `mode` (1.5).
    pub file: SocketFile,
}

/// The options of `bind`.
pub const OPTIONS: &[Setting] = &[
    Setting::works("defer-accept", "none"),
    Setting::works("id", "positive integer"),
    Setting::works("interface", "interface name"),
    Setting::works("mss", "integer"),
    Setting::works("name", "string"),
    Setting::works("transparent", "none"),
];

/// Options of `bind` that came with 1.5, `expose-fd` and `severity-output` with 1.8.
pub const OPTIONS_SINCE_1_5: &[Setting] = &[
    Setting::works("expose-fd", "listeners"),
    Setting::works("gid", "integer"),
    Setting::works("group", "group name"),
    Setting::works("level", "user, operator or admin"),
    Setting::works("mode", "octal number"),
    Setting::works("severity-output", "none, number or string"),
    Setting::works("uid", "integer"),
    Setting::works("user", "user name"),
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
            text if arguments.dialect != Dialect::V1_4
                && (bind.file.option(arguments, text)? || of_sockets(arguments, text)?) => {}
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

/// Options that mean something to statistics sockets alone, and are read everywhere.
fn of_sockets(arguments: &mut Arguments<'_>, name: &str) -> Result<bool, Diagnostic> {
    match name {
        "level" => super::global::level(arguments).map(|_| true),
        "severity-output" => super::global::severity_output(arguments).map(|_| true),
        "expose-fd" => super::global::expose_fd(arguments).map(|()| true),
        _ => Ok(false),
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
                    if piece.starts_with(b"/") || piece.starts_with(b"unix@") =>
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
