//! `option ...`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Parser};
use crate::section::{BACKEND, DFL, DFLB, DLB, FRONTEND, NOWHERE, Sections};
use crate::value::address::{self, Network};
use crate::{Statement, Word, version};

/// An option with arguments, or an on/off option; `no` stands in the line's prefix.
#[derive(Clone, Debug)]
pub enum OptionStatement {
    /// An option that is on or off.
    Flag(Flag),
    /// `option tcpka`: both `clitcpka` and `srvtcpka`, as far as the section has them.
    TcpKeepAlive,
    /// `option tcplog`.
    TcpLog,
    /// `option httplog [clf]`.
    HttpLog {
        /// In the common log format.
        clf: bool,
    },
    /// `option forwardfor`.
    ForwardFor(AddressHeader),
    /// `option originalto`.
    OriginalTo(AddressHeader),
    /// The way servers are checked.
    Check(Check),
}

/// `option forwardfor`, `option originalto`.
#[derive(Clone, Debug, Default)]
pub struct AddressHeader {
    /// `except`: clients of this network get no header.
    pub except: Option<Network>,
    /// `header`.
    pub header: Option<Word>,
    /// `if-none` (forwardfor only): not when there is one already.
    pub if_none: bool,
}

/// Health checks on a protocol of their own.
#[derive(Clone, Debug)]
pub enum Check {
    /// `option httpchk [[method] uri [version]]`.
    Http {
        /// Default OPTIONS.
        method: Option<Word>,
        /// Default `/`.
        uri: Option<Word>,
        /// Default `HTTP/1.0`; may carry header lines. Several words are joined by blanks.
        version: Vec<Word>,
    },
    /// `option ssl-hello-chk`.
    SslHello,
    /// `option smtpchk [hello domain]`.
    Smtp {
        /// `HELO` or `EHLO`, and the domain.
        hello: Option<(Word, Word)>,
    },
    /// `option mysql-check [user NAME [post-41]]`.
    Mysql {
        /// The user to log in as.
        user: Option<Word>,
        /// `post-41`: as a client of MySQL 4.1 or later does.
        post_41: bool,
    },
    /// `option pgsql-check user NAME` (1.5 and later).
    Pgsql {
        /// The user to log in as.
        user: Word,
    },
    /// `option redis-check` (1.5 and later).
    Redis,
    /// `option ldap-check`.
    Ldap,
    /// `option tcp-check` (1.5 and later).
    Tcp,
}

macro_rules! flags {
    ($($variant:ident $name:literal;)*) => {
        /// The on/off options.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flag {
            $(#[doc = concat!("`option ", $name, "`")] $variant,)*
        }

        impl Flag {
            /// Its name after `option`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

flags! {
    Abortonclose "abortonclose";
    AcceptInvalidHttpRequest "accept-invalid-http-request";
    AcceptInvalidHttpResponse "accept-invalid-http-response";
    Allbackups "allbackups";
    Checkcache "checkcache";
    Clitcpka "clitcpka";
    Contstats "contstats";
    DontlogNormal "dontlog-normal";
    Dontlognull "dontlognull";
    Forceclose "forceclose";
    HttpKeepAlive "http-keep-alive";
    HttpNoDelay "http-no-delay";
    HttpPretendKeepalive "http-pretend-keepalive";
    HttpServerClose "http-server-close";
    HttpTunnel "http-tunnel";
    HttpUseProxyHeader "http-use-proxy-header";
    HttpProxy "http_proxy";
    Httpclose "httpclose";
    IndependantStreams "independant-streams";
    LogHealthChecks "log-health-checks";
    LogSeparateErrors "log-separate-errors";
    Logasap "logasap";
    Nolinger "nolinger";
    Persist "persist";
    PreferLastServer "prefer-last-server";
    Redispatch "redispatch";
    SocketStats "socket-stats";
    SpliceAuto "splice-auto";
    SpliceRequest "splice-request";
    SpliceResponse "splice-response";
    Srvtcpka "srvtcpka";
    TcpSmartAccept "tcp-smart-accept";
    TcpSmartConnect "tcp-smart-connect";
    Transparent "transparent";
    HttpIgnoreProbes "http-ignore-probes";
    HttpBufferRequest "http-buffer-request";
}

const fn flag(
    name: &'static str,
    sections: Sections,
    ignored_in: Sections,
    parse: Parser,
) -> Keyword {
    Keyword {
        ignored_in,
        no_prefix: true,
        default_prefix: true,
        arguments: "none",
        ..Keyword::new(name, sections, parse)
    }
}

const fn later(base: Keyword, since: crate::Version) -> Keyword {
    Keyword {
        since,
        default_prefix: false,
        ..base
    }
}

macro_rules! row {
    ($name:literal, $flag:ident, $sections:expr, $ignored:expr) => {
        Keyword {
            accepts: &[concat!("option ", $name), concat!("no option ", $name)],
            ..flag(concat!("option ", $name), $sections, $ignored, |a| {
                read(a, Flag::$flag)
            })
        }
    };
}

/// The on/off options.
pub const FLAGS: &[Keyword] = &[
    row!("abortonclose", Abortonclose, DLB, FRONTEND),
    row!(
        "accept-invalid-http-request",
        AcceptInvalidHttpRequest,
        DFL,
        BACKEND
    ),
    row!(
        "accept-invalid-http-response",
        AcceptInvalidHttpResponse,
        DLB,
        FRONTEND
    ),
    row!("allbackups", Allbackups, DLB, FRONTEND),
    row!("checkcache", Checkcache, DLB, FRONTEND),
    row!("clitcpka", Clitcpka, DFL, BACKEND),
    row!("contstats", Contstats, DFL, BACKEND),
    row!("dontlog-normal", DontlogNormal, DFL, BACKEND),
    row!("dontlognull", Dontlognull, DFL, BACKEND),
    row!("forceclose", Forceclose, DFLB, NOWHERE),
    later(
        row!("http-buffer-request", HttpBufferRequest, DFLB, NOWHERE),
        version::V1_8,
    ),
    later(
        row!("http-ignore-probes", HttpIgnoreProbes, DFL, BACKEND),
        version::V1_8,
    ),
    later(
        row!("http-keep-alive", HttpKeepAlive, DFLB, NOWHERE),
        version::V1_5,
    ),
    row!("http-no-delay", HttpNoDelay, DFLB, NOWHERE),
    row!(
        "http-pretend-keepalive",
        HttpPretendKeepalive,
        DFLB,
        NOWHERE
    ),
    row!("http-server-close", HttpServerClose, DFLB, NOWHERE),
    later(
        row!("http-tunnel", HttpTunnel, DFLB, NOWHERE),
        version::V1_5,
    ),
    row!("http-use-proxy-header", HttpUseProxyHeader, DFL, BACKEND),
    row!("http_proxy", HttpProxy, DFLB, NOWHERE),
    row!("httpclose", Httpclose, DFLB, NOWHERE),
    row!("independant-streams", IndependantStreams, DFLB, NOWHERE),
    later(
        row!("independent-streams", IndependantStreams, DFLB, NOWHERE),
        version::V1_5,
    ),
    row!("log-health-checks", LogHealthChecks, DLB, FRONTEND),
    row!("log-separate-errors", LogSeparateErrors, DFL, BACKEND),
    row!("logasap", Logasap, DFL, BACKEND),
    row!("nolinger", Nolinger, DFLB, NOWHERE),
    row!("persist", Persist, DLB, FRONTEND),
    later(
        row!("prefer-last-server", PreferLastServer, DLB, FRONTEND),
        version::V1_5,
    ),
    row!("redispatch", Redispatch, DLB, FRONTEND),
    row!("socket-stats", SocketStats, DFL, BACKEND),
    row!("splice-auto", SpliceAuto, DFLB, NOWHERE),
    row!("splice-request", SpliceRequest, DFLB, NOWHERE),
    row!("splice-response", SpliceResponse, DFLB, NOWHERE),
    row!("srvtcpka", Srvtcpka, DLB, FRONTEND),
    row!("tcp-smart-accept", TcpSmartAccept, DFL, BACKEND),
    row!("tcp-smart-connect", TcpSmartConnect, DLB, FRONTEND),
    row!("transparent", Transparent, DLB, FRONTEND),
    Keyword {
        ignored_in: FRONTEND,
        arguments: "none",
        accepts: &["redispatch"],
        instead: Some("option redispatch"),
        ..Keyword::new("redispatch", DLB, |a| read(a, Flag::Redispatch))
    },
    Keyword {
        ignored_in: FRONTEND,
        arguments: "none",
        accepts: &["redisp"],
        instead: Some("option redispatch"),
        ..Keyword::new("redisp", DLB, |a| read(a, Flag::Redispatch))
    },
    Keyword {
        arguments: "none",
        accepts: &["transparent"],
        ..Keyword::new("transparent", DFLB, |a| read(a, Flag::Transparent))
    },
    // 1.4 lists it without any section that could have it: it always warns.
    Keyword {
        ignored_in: DFLB,
        until: Some(version::V1_5),
        no_prefix: true,
        default_prefix: true,
        arguments: "none",
        ..Keyword::new("option keepalive", NOWHERE, |a| {
            a.end(version::V1_8)?;
            Ok(Statement::Nothing)
        })
    },
];

fn read(arguments: &mut Arguments<'_>, flag: Flag) -> Result<Statement, Diagnostic> {
    if flag == Flag::Redispatch {
        // Later versions take an interval; none of them minds other words.
        arguments.ignore_rest();
    }
    arguments.end(version::V1_8)?;
    Ok(Statement::Option(OptionStatement::Flag(flag)))
}

/// The options that take arguments, or that cannot be negated.
pub const WITH_ARGUMENTS: &[Keyword] = &[
    Keyword {
        arguments: "none",
        accepts: &["option tcpka"],
        ..Keyword::new("option tcpka", DFLB, |a| {
            a.end(version::V1_8)?;
            Ok(Statement::Option(OptionStatement::TcpKeepAlive))
        })
    },
    Keyword {
        arguments: "none",
        accepts: &["option tcplog"],
        ..Keyword::new("option tcplog", DFLB, |a| {
            a.end(version::V1_8)?;
            Ok(Statement::Option(OptionStatement::TcpLog))
        })
    },
    Keyword {
        arguments: "[clf]",
        accepts: &["option httplog", "option httplog clf"],
        refuses: &["option httplog json"],
        ..Keyword::new("option httplog", DFLB, httplog)
    },
    Keyword {
        arguments: "[except net] [header name] [if-none]",
        accepts: &[
            "option forwardfor",
            "option forwardfor except 127.0.0.0/8 header X-Client",
        ],
        refuses: &["option forwardfor except", "option forwardfor bogus"],
        ..Keyword::new("option forwardfor", DFLB, |a| {
            address_header(a, true)
                .map(OptionStatement::ForwardFor)
                .map(Statement::Option)
        })
    },
    Keyword {
        arguments: "[except net] [header name]",
        accepts: &["option originalto", "option originalto header X-Client-Dst"],
        refuses: &["option originalto header", "option originalto if-none"],
        ..Keyword::new("option originalto", DFLB, |a| {
            address_header(a, false)
                .map(OptionStatement::OriginalTo)
                .map(Statement::Option)
        })
    },
    check(
        "option httpchk",
        "[method] uri [version]",
        DLB,
        &[
            "option httpchk",
            "option httpchk /alive",
            "option httpchk HEAD /alive HTTP/1.1\\r\\nHost:\\ www",
        ],
    ),
    check(
        "option ssl-hello-chk",
        "none",
        DLB,
        &["option ssl-hello-chk"],
    ),
    check(
        "option smtpchk",
        "[hello domain]",
        DFLB,
        &["option smtpchk", "option smtpchk HELO mydomain.org"],
    ),
    check("option ldap-check", "none", DFLB, &["option ldap-check"]),
    check(
        "option mysql-check",
        "[user name [post-41]]",
        DLB,
        &["option mysql-check", "option mysql-check user haproxy"],
    ),
    Keyword {
        since: version::V1_5,
        ..check(
            "option pgsql-check",
            "user name",
            DLB,
            &["option pgsql-check user haproxy"],
        )
    },
    Keyword {
        since: version::V1_5,
        ..check("option redis-check", "none", DLB, &["option redis-check"])
    },
    Keyword {
        since: version::V1_5,
        ..check("option tcp-check", "none", DLB, &["option tcp-check"])
    },
];

fn httplog(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let clf = match arguments.next_word() {
        None => false,
        Some(word) if word.is("clf") => true,
        Some(word) => return Err(arguments.bad(word, "nothing or 'clf'")),
    };
    arguments.end(version::V1_8)?;
    Ok(Statement::Option(OptionStatement::HttpLog { clf }))
}

fn address_header(
    arguments: &mut Arguments<'_>,
    forwardfor: bool,
) -> Result<AddressHeader, Diagnostic> {
    let mut header = AddressHeader::default();
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "except" => {
                let net = arguments.require("a network after 'except'")?;
                header.except = Some(address::network_v4(&net.bytes).ok_or_else(|| {
                    Diagnostic::new(
                        Code::BadAddress,
                        net.span,
                        format!("'{}' is not an IPv4 network", net.shown()),
                    )
                })?);
            }
            "header" => {
                header.header = Some(arguments.require("a header name after 'header'")?.clone());
            }
            "if-none" if forwardfor => header.if_none = true,
            _ => return Err(arguments.bad(word, "'except' or 'header'")),
        }
    }
    Ok(header)
}

/// A row for a check.
const fn check(
    name: &'static str,
    arguments: &'static str,
    sections: Sections,
    accepts: &'static [&'static str],
) -> Keyword {
    Keyword {
        arguments,
        accepts,
        ignored_in: FRONTEND,
        ..Keyword::new(name, sections, read_check)
    }
}

/// Reads any of the checks, by its name.
fn read_check(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let keyword = arguments.keyword();
    let check = match keyword.as_str() {
        "option httpchk" => httpchk(arguments)?,
        "option smtpchk" => smtpchk(arguments)?,
        "option mysql-check" => mysql(arguments)?,
        "option pgsql-check" => pgsql(arguments)?,
        other => {
            let check = match other {
                "option ssl-hello-chk" => Check::SslHello,
                "option ldap-check" => Check::Ldap,
                "option redis-check" => Check::Redis,
                _ => Check::Tcp,
            };
            arguments.end(version::V1_8)?;
            check
        }
    };
    Ok(Statement::Option(OptionStatement::Check(check)))
}

fn httpchk(arguments: &mut Arguments<'_>) -> Result<Check, Diagnostic> {
    let first = arguments.next_word().cloned();
    let second = arguments.next_word().cloned();
    let version: Vec<Word> = arguments.next_word().cloned().into_iter().collect();
    arguments.end(version::V1_8)?;
    Ok(match (first, second) {
        (uri, None) => Check::Http {
            method: None,
            uri,
            version,
        },
        (method, uri) => Check::Http {
            method,
            uri,
            version,
        },
    })
}

fn smtpchk(arguments: &mut Arguments<'_>) -> Result<Check, Diagnostic> {
    let hello = match (arguments.next_word(), arguments.next_word()) {
        (Some(verb), Some(domain)) => Some((verb.clone(), domain.clone())),
        _ => None,
    };
    arguments.end(version::V1_8)?;
    Ok(Check::Smtp { hello })
}

fn mysql(arguments: &mut Arguments<'_>) -> Result<Check, Diagnostic> {
    let (mut user, mut post_41) = (None, false);
    while let Some(word) = arguments.next_word() {
        if !word.is("user") {
            return Err(arguments.bad(word, "'user NAME'"));
        }
        user = Some(arguments.require("a user name")?.clone());
        if arguments.dialect != crate::Dialect::V1_4 {
            post_41 = arguments.take("post-41").is_some();
        }
    }
    Ok(Check::Mysql { user, post_41 })
}

fn pgsql(arguments: &mut Arguments<'_>) -> Result<Check, Diagnostic> {
    let word = arguments.require("'user NAME'")?;
    if !word.is("user") {
        return Err(arguments.bad(word, "'user NAME'"));
    }
    let user = arguments.require("a user name")?.clone();
    arguments.end(version::V1_8)?;
    Ok(Check::Pgsql { user })
}
