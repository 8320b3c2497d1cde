//! ACLs and conditions as written. Names of ACLs are looked up when the configuration is
//! resolved.

use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::nearest;
use crate::keywords::later;
use crate::value::converter::{self, ValueType};
use crate::value::criterion::{self, Criterion};
use crate::value::expression::{self, Call};
use crate::value::pattern::{self, MatchMethod, PatternSyntax};
use crate::{Dialect, Span, Word};

/// A criterion with its flags and patterns.
#[derive(Clone, Debug)]
pub struct AclSyntax {
    /// The criterion.
    pub criterion: &'static Criterion,
    /// Its argument.
    pub argument: Option<Vec<u8>>,
    /// Converters (since 1.5).
    pub converters: Vec<Call>,
    /// `-i`.
    pub ignore_case: bool,
    /// How it compares: the criterion's own way, or `-m`.
    pub method: MatchMethod,
    /// The patterns on the line.
    pub patterns: Vec<PatternSyntax>,
    /// The words of the patterns, for messages.
    pub pattern_spans: Vec<Span>,
    /// The patterns as the statistics socket shows them: as written, with operators made ranges.
    pub written: Vec<Box<[u8]>>,
    /// The criterion with its arguments, as written.
    pub written_criterion: String,
    /// `-u`: the number of the list of patterns (since 1.5).
    pub number: Option<u32>,
    /// `-f`: files of patterns.
    pub files: Vec<PatternFile>,
    /// Where the criterion is.
    pub span: Span,
    /// Something that is hardly meant.
    pub warning: Option<Diagnostic>,
}

/// `-f`.
#[derive(Clone, Debug)]
pub struct PatternFile {
    /// Its name.
    pub name: Word,
    /// `-i` stands before it. A file is read when its name is seen: later flags are not for it.
    pub ignore_case: bool,
    /// `-M` stands before it: it is a map, and its keys are the patterns.
    pub is_map: bool,
}

/// `if` or `unless`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// The rule applies when the condition holds.
    If,
    /// The rule applies when it does not.
    Unless,
}

/// A condition: alternatives of terms that must all hold.
#[derive(Clone, Debug)]
pub struct ConditionSyntax {
    /// `if` or `unless`.
    pub polarity: Polarity,
    /// The parts between `or`.
    pub any: Vec<Vec<TermSyntax>>,
    /// The whole of it.
    pub span: Span,
}

impl ConditionSyntax {
    /// What holds whatever comes.
    pub fn always(span: Span) -> Self {
        Self {
            polarity: Polarity::If,
            any: vec![Vec::new()],
            span,
        }
    }
}

/// One term.
#[derive(Clone, Debug)]
pub struct TermSyntax {
    /// `!` before it.
    pub negated: bool,
    /// What is asked.
    pub what: TermKind,
}

/// What a term asks.
#[derive(Clone, Debug)]
pub enum TermKind {
    /// An ACL by name.
    Named(Word),
    /// `{ criterion patterns }`.
    Anonymous(Box<AclSyntax>),
}

/// Reads a criterion, flags and patterns.
pub fn acl(words: &[Word], dialect: Dialect) -> Result<AclSyntax, Diagnostic> {
    let Some((first, rest)) = words.split_first() else {
        return Err(Diagnostic::new(
            Code::BadAcl,
            Span::default(),
            "an ACL needs a criterion",
        ));
    };
    if dialect == Dialect::V1_4 && expression::is_unclosed(&first.bytes) {
        return Err(Diagnostic::new(
            Code::BadAcl,
            first.span,
            format!("'{}' has no closing parenthesis", first.shown()),
        )
        .help("write the criterion and its argument without blanks: hdr(host)"));
    }
    let (call, converters) = if dialect == Dialect::V1_4 {
        (expression::parse_v1_4(&first.bytes), Vec::new())
    } else {
        match expression::parse(&first.bytes) {
            Some(e) => (e.fetch, e.converters),
            None => {
                return Err(Diagnostic::new(
                    Code::BadAcl,
                    first.span,
                    format!("'{}' is not a sample expression", first.shown()),
                )
                .help(
                    "write a fetch, its arguments in parentheses, then converters after commas",
                ));
            }
        }
    };
    let criterion = match criterion::find(&call.name) {
        Some(criterion) if dialect.knows(criterion.since, None) => criterion,
        Some(criterion) => {
            return Err(Diagnostic::new(
                Code::UnknownFetch,
                first.span,
                format!(
                    "the criterion '{}' came with HAProxy {}; the dialect is {}",
                    call.name,
                    criterion.since,
                    dialect.name()
                ),
            ));
        }
        None => return Err(unknown_criterion(first, &call.name)),
    };
    if dialect != Dialect::V1_4
        && let Some(why) = criterion.takes.refuse(&call.arguments(), dialect)
    {
        return Err(Diagnostic::new(
            Code::BadAcl,
            first.span,
            format!("the argument of '{}' is wrong: {why}", call.name),
        ));
    }
    let call_has_no_argument = call.argument.is_none();
    // What comes out of a converter is compared as its type says, whatever the criterion.
    let output = converter::output(&converters);
    let mut syntax = AclSyntax {
        warning: None,
        criterion,
        argument: call.argument,
        converters,
        ignore_case: false,
        method: output.map_or(criterion.method, ValueType::method),
        patterns: Vec::new(),
        pattern_spans: Vec::new(),
        written: Vec::new(),
        written_criterion: first.shown(),
        number: None,
        files: Vec::new(),
        span: first.span,
    };
    let mut rest = rest;
    let mut look_up_names = true;
    let mut is_map = false;
    while let Some((word, after)) = rest.split_first() {
        match word.text() {
            "--" => {
                rest = after;
                break;
            }
            "-i" => {
                syntax.ignore_case = true;
                rest = after;
            }
            "-f" => {
                let Some((file, after)) = after.split_first() else {
                    return Err(Diagnostic::new(
                        Code::MissingArgument,
                        word.span,
                        "'-f' needs the name of a file",
                    ));
                };
                syntax.files.push(PatternFile {
                    name: file.clone(),
                    ignore_case: syntax.ignore_case,
                    is_map,
                });
                rest = after;
            }
            "-m" if dialect != Dialect::V1_4 => {
                let method = after.first().and_then(|w| method_of(w.text()));
                let (Some(method), Some((_, after))) = (method, after.split_first()) else {
                    return Err(Diagnostic::new(
                        Code::BadAcl,
                        after.first().map_or(word.span, |w| w.span),
                        "'-m' needs a match method",
                    )
                    .help(
                        "one of: found, bool, int, ip, bin, len, str, beg, end, sub, dir, dom, reg",
                    ));
                };
                if !can_compare(criterion, output, method, dialect) {
                    return Err(Diagnostic::new(
                        Code::BadAcl,
                        word.span,
                        format!(
                            "'{}' has no values that '-m' could compare so",
                            criterion.name
                        ),
                    ));
                }
                syntax.method = method;
                rest = after;
            }
            "-M" if dialect != Dialect::V1_4 => {
                is_map = true;
                rest = after;
            }
            "-n" if dialect != Dialect::V1_4 => {
                look_up_names = false;
                rest = after;
            }
            "-u" if dialect != Dialect::V1_4 => {
                let number = after.first().and_then(|w| w.text().parse::<u32>().ok());
                let (Some(number), Some((_, after))) = (number, after.split_first()) else {
                    return Err(Diagnostic::new(
                        Code::BadAcl,
                        after.first().map_or(word.span, |w| w.span),
                        "'-u' needs a number, from 0 on",
                    ));
                };
                syntax.number = Some(number);
                rest = after;
            }
            text if dialect == Dialect::V1_8 && text.starts_with('-') => {
                return Err(Diagnostic::new(
                    Code::BadAcl,
                    word.span,
                    format!("'{}' is not a flag of ACLs", word.shown()),
                )
                .help("write -- before a pattern that begins with '-'"));
            }
            _ => break,
        }
    }
    if !can_compare(criterion, output, syntax.method, dialect) && output.is_some() {
        return Err(Diagnostic::new(
            Code::BadAcl,
            first.span,
            format!(
                "'{}' gives addresses that nothing can be compared with",
                first.shown()
            ),
        )
        .help("write -m found, to ask whether the map has an entry"));
    }
    let spaced =
        call_has_no_argument && words.get(1).is_some_and(|w| w.bytes.first() == Some(&b'('));
    if spaced && let Some(word) = words.get(1) {
        syntax.warning = Some(
            Diagnostic::whole(
                Code::BadAcl,
                Some(word.span),
                format!(
                    "'{}' is a pattern here, for there is a blank before it",
                    word.shown()
                ),
            )
            .severity(crate::Severity::Warning)
            .help("delete the blank, or write -- before the pattern"),
        );
    }
    let parsed =
        pattern::parse_all(syntax.method, rest, dialect).and_then(|patterns| {
            match patterns
                .iter()
                .position(|p| !look_up_names && p.pattern.is_name())
            {
                Some(at) => Err(rest.get(at).unwrap_or(first)),
                None => Ok(patterns),
            }
        });
    match parsed {
        Ok(patterns) => {
            for found in patterns {
                syntax.pattern_spans.push(found.span);
                syntax.written.push(found.written);
                syntax.patterns.push(found.pattern);
            }
        }
        Err(word) => {
            return Err(Diagnostic::new(
                Code::BadAcl,
                word.span,
                format!(
                    "'{}' is not what '{}' compares with: it takes {}",
                    word.shown(),
                    criterion.name,
                    expected(syntax.method)
                ),
            ));
        }
    }
    let empty = syntax.patterns.is_empty() && syntax.files.is_empty();
    if empty && criterion.method == MatchMethod::Group {
        return Err(Diagnostic::new(
            Code::MissingArgument,
            first.span,
            format!("'{}' needs the names of groups", criterion.name),
        ));
    }
    let needs_patterns = !matches!(syntax.method, MatchMethod::Bool | MatchMethod::Found);
    if empty
        && words.len() == 1
        && needs_patterns
        && dialect != Dialect::V1_4
        && syntax.warning.is_none()
    {
        syntax.warning = Some(
            Diagnostic::whole(
                Code::BadAcl,
                Some(syntax.span),
                format!(
                    "'{}' never matches without a value to compare with",
                    criterion.name
                ),
            )
            .severity(crate::Severity::Warning)
            .help("add a value, or -m found to ask whether there is one"),
        );
    }
    Ok(syntax)
}

/// Whether the values of a criterion can be compared that way: a method is a name, a truth is no
/// address, and groups are compared as groups.
fn can_compare(
    criterion: &Criterion,
    output: Option<ValueType>,
    method: MatchMethod,
    dialect: Dialect,
) -> bool {
    match output {
        None => {}
        Some(ValueType::MappedAddress) if dialect == Dialect::V1_8 => {
            return method == MatchMethod::Found;
        }
        Some(ValueType::Bool) => {
            return !matches!(method, MatchMethod::Address | MatchMethod::Binary);
        }
        Some(_) => return true,
    }
    match criterion.method {
        MatchMethod::Group => false,
        MatchMethod::Bool => !matches!(method, MatchMethod::Address | MatchMethod::Binary),
        _ if criterion.fetch == "method" => !matches!(
            method,
            MatchMethod::Integer | MatchMethod::Address | MatchMethod::Bool
        ),
        _ => true,
    }
}

fn expected(method: MatchMethod) -> &'static str {
    match method {
        MatchMethod::Binary => "bytes as pairs of hexadecimal digits",
        MatchMethod::Integer | MatchMethod::Length => {
            "integers, ranges as 10:20, and the operators eq, ge, gt, le, lt"
        }
        MatchMethod::Version => "versions as 3.1, ranges, and the operators eq, ge, gt, le, lt",
        MatchMethod::Address => "addresses, networks as 10.0.0.0/8, and host names",
        _ => "strings",
    }
}

fn method_of(name: &str) -> Option<MatchMethod> {
    Some(match name {
        "found" => MatchMethod::Found,
        "bool" => MatchMethod::Bool,
        "int" => MatchMethod::Integer,
        "ip" => MatchMethod::Address,
        "len" => MatchMethod::Length,
        "bin" => MatchMethod::Binary,
        "str" => MatchMethod::Exact,
        "beg" => MatchMethod::Prefix,
        "end" => MatchMethod::Suffix,
        "sub" => MatchMethod::Substring,
        "dir" => MatchMethod::Directory,
        "dom" => MatchMethod::Domain,
        "reg" => MatchMethod::Regex,
        _ => return None,
    })
}

fn unknown_criterion(word: &Word, name: &str) -> Diagnostic {
    if let Some(row) = later::find(later::FETCHES, name) {
        return row.refusal(word.span, "");
    }
    let diagnostic = Diagnostic::new(
        Code::UnknownFetch,
        word.span,
        format!("there is no criterion '{name}'"),
    );
    match nearest(name, criterion::all().map(|c| c.name)) {
        Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
        None => diagnostic.help("hapax keywords lists them all"),
    }
}

/// Reads `if ...` or `unless ...` up to the end of the line.
pub fn condition(words: &[Word], dialect: Dialect) -> Result<ConditionSyntax, Diagnostic> {
    let Some((first, mut rest)) = words.split_first() else {
        return Err(Diagnostic::new(
            Code::BadCondition,
            Span::default(),
            "a condition is missing",
        ));
    };
    let polarity = match first.text() {
        "if" => Polarity::If,
        "unless" => Polarity::Unless,
        _ => {
            return Err(Diagnostic::new(
                Code::BadCondition,
                first.span,
                format!("expected 'if' or 'unless', not '{}'", first.shown()),
            ));
        }
    };
    let span = words.last().map_or(first.span, |l| first.span.to(l.span));
    let mut any = Vec::new();
    let mut terms = Vec::new();
    let mut negated = false;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        let mut text: &[u8] = &word.bytes;
        while let Some(stripped) = text.strip_prefix(b"!") {
            negated = !negated;
            text = stripped;
        }
        if text.is_empty() {
            continue;
        }
        let or = matches!(text, b"or" | b"OR" | b"||");
        if or {
            any.push(std::mem::take(&mut terms));
            negated = false;
            continue;
        }
        let what = if text == b"{" {
            let Some(end) = rest.iter().position(|w| w.is("}")) else {
                return Err(Diagnostic::new(
                    Code::BadCondition,
                    word.span,
                    "this '{' has no '}' after it, with blanks on both sides",
                )
                .help("write { criterion patterns } with blanks inside the braces"));
            };
            let acl = acl(&rest[..end], dialect).map_err(|d| place(d, word.span))?;
            rest = &rest[end + 1..];
            TermKind::Anonymous(Box::new(acl))
        } else {
            let name = Word {
                span: word.span,
                bytes: text.into(),
            };
            TermKind::Named(name)
        };
        terms.push(TermSyntax { negated, what });
        negated = false;
    }
    any.push(terms);
    Ok(ConditionSyntax {
        polarity,
        any,
        span,
    })
}

fn place(mut diagnostic: Diagnostic, span: Span) -> Diagnostic {
    if diagnostic.span == Some(Span::default()) {
        diagnostic.span = Some(span);
    }
    diagnostic
}
