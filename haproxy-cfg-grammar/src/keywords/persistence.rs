//! `cookie`, `appsession`, `persist`, `force-persist`, `ignore-persist`, `http-send-name-header`.
//! Manual 1.4, section 4.2.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::keywords::later;
use crate::keywords::switching::required_condition;
use crate::section::{DFLB, DLB, FLB, FRONTEND, LB};
use crate::value::time::{self, Milliseconds, Unit};
use crate::value::{name, number};
use crate::{Statement, Word, version};

/// How the proxy deals with its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CookieMode {
    /// None said: it is only read.
    Passive,
    /// `rewrite`: the value that the server sets is replaced.
    Rewrite,
    /// `insert`: the proxy sets it.
    Insert,
    /// `prefix`: the server's name is put before the value.
    Prefix,
}

/// `cookie`.
#[derive(Clone, Debug)]
pub struct CookieStatement {
    /// Its name.
    pub name: Word,
    /// What is done with it.
    pub mode: CookieMode,
    /// `indirect`: the server does not see it.
    pub indirect: bool,
    /// `nocache`.
    pub nocache: bool,
    /// `postonly`.
    pub postonly: bool,
    /// `preserve`.
    pub preserve: bool,
    /// `httponly`.
    pub httponly: bool,
    /// `secure`.
    pub secure: bool,
    /// `domain`, in order.
    pub domains: Vec<Word>,
    /// `maxidle`, in seconds.
    pub maxidle_s: Option<u32>,
    /// `maxlife`, in seconds.
    pub maxlife_s: Option<u32>,
}

/// `appsession`.
#[derive(Clone, Debug)]
pub struct AppSessionStatement {
    /// The cookie.
    pub cookie: Word,
    /// `len`: how many bytes of the value count.
    pub len: u32,
    /// `timeout`.
    pub timeout: Milliseconds,
    /// `request-learn`.
    pub request_learn: bool,
    /// `prefix`.
    pub prefix: bool,
    /// `mode`.
    pub mode: AppSessionMode,
}

/// Where the value is when it is not in a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppSessionMode {
    /// After a semicolon in the path.
    #[default]
    PathParameters,
    /// In the query.
    QueryString,
}

/// The family.
pub const PERSISTENCE: &[Keyword] = &[
    Keyword {
        ignored_in: FRONTEND,
        arguments: "name [mode] [options]",
        accepts: &[
            "cookie SRV",
            "cookie SRV insert indirect nocache",
            "cookie JSESSIONID prefix",
            "cookie SRV insert maxidle 30m maxlife 8h domain .example.com",
        ],
        refuses: &[
            "cookie",
            "cookie SRV bogus",
            "cookie SRV rewrite insert",
            "cookie SRV rewrite indirect",
            "cookie SRV insert maxlife 1y",
        ],
        ..Keyword::new("cookie", DLB, cookie)
    },
    Keyword {
        ignored_in: FRONTEND,
        until: Some(version::V1_8),
        arguments: "cookie len n timeout t [options]",
        accepts: &[
            "appsession JSESSIONID len 52 timeout 3h",
            "appsession SID len 32 timeout 10m request-learn mode query-string",
        ],
        refuses: &[
            "appsession",
            "appsession SID len 52",
            "appsession SID len 52 timeout 3x",
        ],
        ..Keyword::new("appsession", LB, appsession)
    },
    Keyword {
        arguments: "[(name)]",
        accepts: &["persist rdp-cookie", "persist rdp-cookie(msts)"],
        refuses: &["persist rdp-cookie(", "persist bogus", "persist"],
        ..Keyword::new("persist", DFLB, persist)
    },
    Keyword {
        arguments: "if|unless condition",
        accepts: &["force-persist if { src 10.0.0.0/8 }"],
        refuses: &["force-persist"],
        ..Keyword::new("force-persist", FLB, |a| {
            Ok(Statement::ForcePersist(Box::new(required_condition(a)?)))
        })
    },
    Keyword {
        arguments: "if|unless condition",
        accepts: &["ignore-persist if { path_beg /static }"],
        refuses: &["ignore-persist TRUE"],
        ..Keyword::new("ignore-persist", FLB, |a| {
            Ok(Statement::IgnorePersist(Box::new(required_condition(a)?)))
        })
    },
    Keyword {
        ignored_in: FRONTEND,
        arguments: "header name",
        accepts: &["http-send-name-header X-Server"],
        refuses: &["http-send-name-header"],
        ..Keyword::new("http-send-name-header", DLB, |a| {
            let name = a.require("the name of a header")?.clone();
            a.end(version::V3_4)?;
            Ok(Statement::SendNameHeader(name))
        })
    },
    Keyword {
        ignored_in: FRONTEND,
        since: version::V1_8,
        arguments: "never | safe | aggressive | always",
        accepts: &["http-reuse safe"],
        refuses: &["http-reuse", "http-reuse sometimes"],
        ..Keyword::new("http-reuse", DLB, http_reuse)
    },
];

/// `http-reuse`: when a server connection may serve another client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpReuse {
    /// Never.
    #[default]
    Never,
    /// Not for the first request of a client.
    Safe,
    /// For connections that have been reused before.
    Aggressive,
    /// Always.
    Always,
}

fn http_reuse(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let what = "'never', 'safe', 'aggressive' or 'always'";
    let word = arguments.require(what)?;
    let reuse = match word.text() {
        "never" => HttpReuse::Never,
        "safe" => HttpReuse::Safe,
        "aggressive" => HttpReuse::Aggressive,
        "always" => HttpReuse::Always,
        _ => return Err(arguments.bad(word, what)),
    };
    arguments.end(version::V1_8)?;
    Ok(Statement::HttpReuse(reuse))
}

const OPTIONS: &str = "'rewrite', 'insert', 'prefix', 'indirect', 'nocache', 'postonly', \
                       'preserve', 'httponly', 'secure', 'domain', 'maxidle' or 'maxlife'";

fn cookie(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let name = arguments.require("the name of a cookie")?.clone();
    let mut cookie = CookieStatement {
        name,
        mode: CookieMode::Passive,
        indirect: false,
        nocache: false,
        postonly: false,
        preserve: false,
        httponly: false,
        secure: false,
        domains: Vec::new(),
        maxidle_s: None,
        maxlife_s: None,
    };
    let mut modes = 0;
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "rewrite" | "insert" | "prefix" => {
                modes += 1;
                cookie.mode = match word.text() {
                    "rewrite" => CookieMode::Rewrite,
                    "insert" => CookieMode::Insert,
                    _ => CookieMode::Prefix,
                };
            }
            "indirect" => cookie.indirect = true,
            "nocache" => cookie.nocache = true,
            "postonly" => cookie.postonly = true,
            "preserve" => cookie.preserve = true,
            "httponly" => cookie.httponly = true,
            "secure" => cookie.secure = true,
            "domain" => cookie.domains.push(domain(arguments)?),
            "maxidle" => cookie.maxidle_s = Some(seconds(arguments)?),
            "maxlife" => cookie.maxlife_s = Some(seconds(arguments)?),
            _ => return Err(later::argument(arguments, "cookie", word, OPTIONS)),
        }
    }
    let conflict = |what: &str| {
        Diagnostic::new(
            Code::Conflict,
            arguments.line_span(),
            format!("the cookie modes {what} exclude each other"),
        )
        .help("keep one of them")
    };
    if modes > 1 {
        return Err(conflict("'rewrite', 'insert' and 'prefix'"));
    }
    if cookie.mode == CookieMode::Rewrite && (cookie.indirect) {
        return Err(conflict("'rewrite' and 'indirect'"));
    }
    Ok(Statement::Cookie(Box::new(cookie)))
}

fn domain(arguments: &mut Arguments<'_>) -> Result<Word, Diagnostic> {
    let word = arguments.require("a domain after 'domain'")?;
    let dotted = word.bytes.first() == Some(&b'.')
        && word.bytes.get(1..).is_some_and(|rest| rest.contains(&b'.'));
    if !dotted {
        arguments.report(
            Diagnostic::new(
                Code::BadName,
                word.span,
                format!(
                    "'{}' does not begin with a dot and contain another one; browsers may refuse \
                     the cookie",
                    word.shown()
                ),
            )
            .severity(crate::Severity::Warning)
            .help("write it as .example.com"),
        );
    }
    match name::invalid_domain_char(&word.bytes) {
        Some(byte) => Err(Diagnostic::new(
            Code::BadName,
            word.span,
            format!(
                "'{}' is not a domain: '{}' is not allowed",
                word.shown(),
                byte.escape_ascii()
            ),
        )),
        None => Ok(word.clone()),
    }
}

/// A time in seconds.
fn seconds(arguments: &mut Arguments<'_>) -> Result<u32, Diagnostic> {
    let word = arguments.require("a time")?;
    time::parse_seconds(&word.bytes).map_err(|e| {
        Diagnostic::new(
            Code::BadTime,
            word.span,
            format!("'{}' is not a time: {e}", word.shown()),
        )
        .help("write a number with s, m, h or d, as 30m")
    })
}

fn appsession(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let what = "a cookie, then 'len N timeout TIME'";
    let cookie = arguments.require(what)?.clone();
    // The words between are not looked at, as in HAProxy.
    arguments.require(what)?;
    let len = arguments.require(what)?;
    arguments.require(what)?;
    let timeout = arguments.require(what)?;
    let timeout = arguments.time_of(timeout, Unit::Millisecond)?;
    let len = super::limits::count(number::atol(&len.bytes).0);
    let mut statement = AppSessionStatement {
        cookie,
        len,
        timeout,
        request_learn: false,
        prefix: false,
        mode: AppSessionMode::default(),
    };
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "request-learn" => statement.request_learn = true,
            "prefix" => statement.prefix = true,
            "mode" => {
                let mode = arguments.require("a mode after 'mode'")?;
                statement.mode = match mode.text() {
                    "query-string" => AppSessionMode::QueryString,
                    "path-parameters" => AppSessionMode::PathParameters,
                    _ => return Err(arguments.bad(mode, "'query-string' or 'path-parameters'")),
                };
            }
            // 1.4 does not mind other words.
            _ => arguments.report(
                Diagnostic::new(
                    Code::JunkIgnored,
                    word.span,
                    format!("'{}' means nothing here", word.shown()),
                )
                .help("one of: request-learn, prefix, mode"),
            ),
        }
    }
    Ok(Statement::AppSession(Box::new(statement)))
}

fn persist(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let what = "'rdp-cookie' or 'rdp-cookie(name)'";
    let word = arguments.require(what)?;
    let Some(rest) = word.bytes.strip_prefix(b"rdp-cookie") else {
        return Err(arguments.bad(word, what));
    };
    let name = match rest {
        [] => b"msts".to_vec(),
        [b'(', name @ ..] => {
            let end = memchr::memchr(b')', name).unwrap_or(0);
            if end == 0 {
                return Err(arguments.bad(word, what));
            }
            name.get(..end).unwrap_or_default().to_vec()
        }
        _ => return Err(arguments.bad(word, what)),
    };
    arguments.end(version::V1_8)?;
    Ok(Statement::PersistRdpCookie(name))
}
