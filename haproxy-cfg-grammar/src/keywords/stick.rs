//! `stick`, `stick-table`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::{Keyword, Status, nearest};
use crate::keywords::later;
use crate::keywords::switching::required_condition;
use crate::section::{DFLB, FRONTEND, LB};
use crate::value::condition::ConditionSyntax;
use crate::value::converter;
use crate::value::criterion::{self, Needs};
use crate::value::expression::{self, Call};
use crate::value::stored::DataType;
use crate::value::time::{Milliseconds, Unit};
use crate::value::{number, size};
use crate::{Dialect, Severity, Statement, Word, WordBytes, version};

/// What a rule does with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StickAction {
    /// `match`: look it up.
    Match,
    /// `on`: look it up, and remember the server that is chosen.
    On,
    /// `store-request`: remember the server that is chosen.
    StoreRequest,
    /// `store-response` (1.5 and later): remember it with a key of the response.
    StoreResponse,
}

/// One `stick` line.
#[derive(Clone, Debug)]
pub struct StickRule {
    /// What is done.
    pub action: StickAction,
    /// The key.
    pub fetch: Call,
    /// What is done with the key.
    pub converters: Vec<Call>,
    /// Where the key is written.
    pub span: crate::Span,
    /// `table`: of another proxy.
    pub table: Option<Word>,
    /// When.
    pub condition: Option<ConditionSyntax>,
}

/// The type of a table's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// IPv4 addresses.
    Ip,
    /// IPv6 addresses (1.5 and later).
    Ipv6,
    /// 32-bit integers.
    Integer,
    /// Strings of at most this many bytes. Default 32.
    String(u32),
    /// Bytes, at most this many (1.5 and later).
    Binary(u32),
}

/// One `stick-table` line.
#[derive(Clone, Debug)]
pub struct StickTable {
    /// The type of the keys.
    pub key: KeyType,
    /// How many entries.
    pub size: u32,
    /// `expire`.
    pub expire: Option<Milliseconds>,
    /// `nopurge`: a full table takes no new entries.
    pub nopurge: bool,
    /// `store` (since 1.5): what is stored beside the key, in file order, each type once, with the
    /// period over which a rate is counted.
    pub store: Vec<(DataType, Milliseconds)>,
}

/// The fetches that 1.4 knows here, and whether they can be had of a response.
const FETCHES: [&str; 5] = ["src", "dst", "dst_port", "hdr", "rdp_cookie"];

const fn stick(
    name: &'static str,
    parse: crate::keyword::Parser,
    accepts: &'static [&'static str],
    refuses: &'static [&'static str],
) -> Keyword {
    Keyword {
        ignored_in: FRONTEND,
        unread_when_ignored: true,
        arguments: "pattern [table name] [condition]",
        status: Status::Works,
        accepts,
        refuses,
        ..Keyword::new(name, LB, parse)
    }
}

/// The family.
pub const STICK: &[Keyword] = &[
    stick(
        "stick match",
        |a| rule(a, StickAction::Match),
        &["stick match src table other if TRUE"],
        &["stick match", "stick match bogus"],
    ),
    stick(
        "stick on",
        |a| rule(a, StickAction::On),
        &["stick on src"],
        &["stick on", "stick on src bogus"],
    ),
    stick(
        "stick store-request",
        |a| rule(a, StickAction::StoreRequest),
        &["stick store-request dst"],
        &["stick store-request"],
    ),
    stick(
        "stick store-response",
        |a| rule(a, StickAction::StoreResponse),
        &[],
        &["stick store-response", "stick store-response src"],
    ),
    Keyword {
        arguments: "type t size n [expire t] [nopurge] [store type[(period)],...]",
        status: Status::Works,
        accepts: &[
            "stick-table type ip size 200k expire 30m",
            "stick-table type string len 32 size 1m nopurge",
        ],
        refuses: &[
            "stick-table",
            "stick-table type ip",
            "stick-table size 1k",
            "stick-table type bogus size 1k",
            "stick-table type ip size x",
        ],
        ..Keyword::new("stick-table", DFLB, table)
    },
];

fn rule(arguments: &mut Arguments<'_>, action: StickAction) -> Result<Statement, Diagnostic> {
    let word = arguments.require("what to look at, as 'src'")?;
    let expression = match arguments.dialect {
        Dialect::V1_4 => Some(expression::Expression {
            fetch: expression::parse_v1_4(&word.bytes),
            converters: Vec::new(),
        }),
        _ => expression::parse(&word.bytes),
    };
    let Some(mut expression) = expression else {
        return Err(unknown_fetch(word));
    };
    let known = match arguments.dialect {
        Dialect::V1_4 => FETCHES.contains(&expression.fetch.name.as_str()),
        _ => {
            FETCHES.contains(&expression.fetch.name.as_str())
                || criterion::find(&expression.fetch.name).is_some()
        }
    };
    // Whatever is between the first parenthesis and the last character is the argument.
    let trailing = word.bytes.contains(&b'(') && word.bytes.last() != Some(&b')');
    let strict = arguments.dialect == Dialect::V1_4;
    if !known || (strict && (trailing || expression.fetch.name == "rdp_cookie")) {
        return Err(unknown_fetch(word));
    }
    let in_response = match criterion::find(&expression.fetch.name) {
        Some(criterion) if arguments.dialect != Dialect::V1_4 => {
            !matches!(criterion.needs, Needs::Request | Needs::RequestBytes)
                || expression.fetch.name == "hdr"
        }
        _ => expression.fetch.name.starts_with("res."),
    };
    if action == StickAction::StoreResponse && !in_response {
        return Err(Diagnostic::new(
            Code::UnknownFetch,
            word.span,
            format!("'{}' cannot be had of a response", expression.fetch.name),
        ));
    }
    if arguments.dialect == Dialect::V1_4 {
        while let Some(next) = arguments.peek() {
            let mut call = expression::parse_v1_4(&next.bytes);
            let known = converter::find(&call.name).filter(|c| c.since == version::V1_4);
            let Some(found) = known else { break };
            if found.arguments.is_empty() {
                // 1.4 does not look there.
                call.argument = None;
            }
            if found.read(&call).is_err() {
                return Err(arguments.bad(next, "a mask in parentheses: ipmask(255.255.255.0)"));
            }
            expression.converters.push(call);
            arguments.next_word();
        }
    } else {
        // Later versions read 1.4's way of writing, too.
        while let Some(more) = arguments.peek().and_then(converter_word) {
            expression.converters.extend(more);
            arguments.next_word();
        }
    }
    let mut table = None;
    if arguments.take("table").is_some() {
        table = Some(arguments.next_word().cloned().unwrap_or_else(|| Word {
            span: arguments.here(),
            bytes: WordBytes::default(),
        }));
    }
    let condition = match arguments.peek() {
        None => None,
        Some(word) if word.is("if") || word.is("unless") => Some(required_condition(arguments)?),
        Some(word) => return Err(arguments.bad(word, "'table NAME' or a condition")),
    };
    Ok(Statement::Stick(Box::new(StickRule {
        action,
        fetch: expression.fetch,
        converters: expression.converters,
        span: word.span,
        table,
        condition,
    })))
}

/// A word that begins with the name of a converter.
pub(crate) fn converter_word(word: &Word) -> Option<Vec<Call>> {
    let calls = expression::parse(&word.bytes)?;
    let name = calls.fetch.name.as_str();
    let known = converter::find(name).is_some() || later::find(later::CONVERTERS, name).is_some();
    known.then(|| {
        std::iter::once(calls.fetch)
            .chain(calls.converters)
            .collect()
    })
}

fn unknown_fetch(word: &Word) -> Diagnostic {
    Diagnostic::new(
        Code::UnknownFetch,
        word.span,
        format!("a table cannot be keyed with '{}'", word.shown()),
    )
    .help("one of: src, dst, dst_port, hdr(name)")
}

fn table(arguments: &mut Arguments<'_>) -> Result<Statement, Diagnostic> {
    let lax = arguments.dialect == Dialect::V1_4;
    let (mut key, mut entries, mut expire, mut nopurge) = (None, None, None, false);
    let mut store = Vec::new();
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "type" => key = Some(key_type(arguments)?),
            "size" => {
                let value = arguments.require("a number after 'size'")?;
                entries = Some(size::parse(&value.bytes, lax).ok_or_else(|| {
                    arguments.bad(value, "a number, with k, m or g, after 'size'")
                })?);
            }
            "expire" => expire = Some(arguments.milliseconds("a time after 'expire'")?),
            "nopurge" => nopurge = true,
            "store" if !lax => {
                if let Some(list) = arguments.next_word() {
                    data_types(arguments, list, &mut store)?;
                }
            }
            "store" | "peers" => {
                let why = if lax {
                    "the dialect is 1.4"
                } else {
                    "hapax does not have it"
                };
                return Err(Diagnostic::new(
                    Code::LaterKeyword,
                    word.span,
                    format!(
                        "'{}' of stick tables came with HAProxy 1.5; {why}",
                        word.shown()
                    ),
                ));
            }
            _ => return Err(arguments.bad(word, "'type', 'size', 'expire' or 'nopurge'")),
        }
    }
    let missing = |what: &str| {
        Diagnostic::new(
            Code::MissingArgument,
            arguments.line_span(),
            format!("'stick-table' needs '{what}'"),
        )
    };
    let size = entries.filter(|n| *n > 0).ok_or_else(|| missing("size"))?;
    let key = key.ok_or_else(|| missing("type"))?;
    Ok(Statement::StickTable(StickTable {
        key,
        size,
        expire,
        nopurge,
        store,
    }))
}

/// The list after `store`, as HAProxy takes it: what follows a closing parenthesis up to the next
/// comma does not count.
fn data_types(
    arguments: &mut Arguments<'_>,
    list: &Word,
    store: &mut Vec<(DataType, Milliseconds)>,
) -> Result<(), Diagnostic> {
    let mut rest: &[u8] = &list.bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| matches!(b, b',' | b'('));
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let name = String::from_utf8_lossy(name);
        let mistake =
            |text: String| Diagnostic::new(Code::BadValue, list.span, format!("'store': {text}"));
        let mut period = None;
        rest = after;
        if let Some(inner) = after.strip_prefix(b"(") {
            let Some(end) = inner.iter().position(|b| *b == b')') else {
                return Err(mistake(format!(
                    "the parenthesis of '{name}' is not closed"
                )));
            };
            period = Some(&inner[..end]);
            rest = &inner[end + 1..];
        }
        let next = rest.iter().position(|b| *b == b',').map(|at| at + 1);
        rest = &rest[next.unwrap_or(rest.len())..];
        let Some(data) = DataType::find(&name) else {
            let known = DataType::ALL.iter().map(|data| data.name());
            let diagnostic = mistake(format!("'{name}' is no type of data"));
            return Err(match nearest(&name, known) {
                Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
                None => diagnostic,
            });
        };
        let period = match (data.is_rate(), period) {
            (true, None) => {
                return Err(mistake(format!("'{name}' needs a period: {name}(10s)")));
            }
            (true, Some(period)) => {
                let time = Word {
                    span: list.span,
                    bytes: period.into(),
                };
                arguments.time_of(&time, Unit::Millisecond)?
            }
            (false, None) => Milliseconds::default(),
            (false, Some(_)) => return Err(mistake(format!("'{name}' has no period"))),
        };
        if store.iter().any(|(known, _)| *known == data) {
            arguments.report(
                mistake(format!("'{name}' is stored already; the first one counts"))
                    .severity(Severity::Warning),
            );
            continue;
        }
        store.push((data, period));
    }
    Ok(())
}

fn key_type(arguments: &mut Arguments<'_>) -> Result<KeyType, Diagnostic> {
    let what = "'ip', 'integer' or 'string'";
    let word = arguments.require(what)?;
    let later = arguments.dialect != Dialect::V1_4;
    Ok(match word.text() {
        "ip" => KeyType::Ip,
        "integer" => KeyType::Integer,
        "ipv6" if later => KeyType::Ipv6,
        "string" => KeyType::String(length(arguments)?.unwrap_or(32)),
        "binary" if later => KeyType::Binary(length(arguments)?.unwrap_or(32)),
        _ => return Err(arguments.bad(word, what)),
    })
}

fn length(arguments: &mut Arguments<'_>) -> Result<Option<u32>, Diagnostic> {
    if arguments.take("len").is_none() {
        return Ok(None);
    }
    let word = arguments.require("a length after 'len'")?;
    match u32::try_from(number::atol(&word.bytes).0) {
        Ok(n) if n > 0 => Ok(Some(n)),
        _ => Err(arguments.bad(word, "a length greater than 0 after 'len'")),
    }
}
