//! Files into lines, lines into sections and statements.

use std::collections::HashSet;

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::{Document, Line, Section};
use crate::keyword::{Keyword, Prefix};
use crate::keywords::{self, Lookup};
use crate::section::{FL, FLB};
use crate::version;
use crate::words::{self, LineStart};
use crate::{Dialect, FileId, SectionKind, SourceSet, Span, Statement, Word};

/// What [`parse`] gives: always a document, and every mistake.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What was read.
    pub document: Document,
    /// The mistakes, in file order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the files of a set. Parsing goes on after mistakes, and never fails.
pub fn parse(sources: &SourceSet, dialect: Dialect) -> Parsed {
    let mut parser = Parser {
        dialect,
        lines: Vec::new(),
        sections: Vec::new(),
        diagnostics: Vec::new(),
        lost: false,
        deprecated: HashSet::new(),
    };
    for (index, file) in sources.files().iter().enumerate() {
        let id = FileId(u32::try_from(index).unwrap_or(u32::MAX));
        parser.file(id, &file.text, sources);
    }
    parser.close_section();
    Parsed {
        document: Document {
            sources: sources.clone(),
            lines: parser.lines,
            sections: parser.sections,
        },
        diagnostics: parser.diagnostics,
    }
}

/// How many bytes 1.4 reads at once, and how many words it takes.
const LINE_LIMIT: usize = 2047;
const WORD_LIMIT: usize = 64;

struct Parser {
    dialect: Dialect,
    lines: Vec<Line>,
    sections: Vec<Section>,
    diagnostics: Vec<Diagnostic>,
    /// The last section line was not understood: what follows belongs nowhere.
    lost: bool,
    /// Old spellings that were seen.
    deprecated: HashSet<&'static str>,
}

impl Parser {
    fn file(&mut self, file: FileId, text: &[u8], sources: &SourceSet) {
        let mut start = 0;
        let mut number = 0;
        // Big files have a million lines: room that growing leaves over adds up.
        self.lines
            .reserve_exact(memchr::memchr_iter(b'\n', text).count() + 1);
        while start < text.len() {
            number += 1;
            let rest = &text[start..];
            let mut length = memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
            let mut too_long = false;
            if self.dialect == Dialect::V1_4 && length >= LINE_LIMIT {
                // What does not fit is read as the next line.
                length = length.min(LINE_LIMIT);
                too_long = rest.get(length - 1) != Some(&b'\n');
            }
            let at = LineStart {
                file,
                number,
                offset: u32::try_from(start).unwrap_or(u32::MAX),
            };
            self.line(&rest[..length], at, too_long, sources);
            start += length;
        }
    }

    fn line(&mut self, raw: &[u8], at: LineStart, too_long: bool, sources: &SourceSet) {
        let end = at
            .offset
            .saturating_add(u32::try_from(raw.len()).unwrap_or(u32::MAX));
        let span = Span {
            file: at.file,
            line: at.number,
            start: at.offset,
            end,
        };
        if too_long {
            self.diagnostics.push(
                Diagnostic::new(
                    Code::LineTooLong,
                    span,
                    format!(
                        "this line is longer than the {LINE_LIMIT} bytes that HAProxy 1.4 reads \
                         at once; the rest is read as another line"
                    ),
                )
                .help("split the line; an ACL may have several lines of the same name"),
            );
        }
        // C strings end at the first NUL.
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let text = match memchr::memchr(0, text) {
            Some(nul) => &text[..nul],
            None => text,
        };
        let (mut words, mistakes) = words::split(text, at, self.dialect, &sources.variables);
        let broken = !mistakes.is_empty();
        self.diagnostics.extend(mistakes);
        if self.dialect != Dialect::Hapax
            && let Some(first) = words.get(WORD_LIMIT)
        {
            let first_span = first.span;
            let last = words.last().map_or(first_span, |w| w.span);
            self.diagnostics.push(
                Diagnostic::new(
                    Code::TooManyWords,
                    first_span.to(last),
                    format!("HAProxy takes {WORD_LIMIT} words from a line; these are too many"),
                )
                .help("split the line, or put the patterns into a file and use -f"),
            );
        }
        let mut prefix = Prefix::None;
        let mut skip = 0;
        if let Some(first) = words.first() {
            if first.is("no") {
                prefix = Prefix::No;
                skip = 1;
            } else if first.is("default") {
                prefix = Prefix::Default;
                skip = 1;
            }
        }
        let limit = match self.dialect {
            Dialect::Hapax => words.len(),
            _ => words.len().min(WORD_LIMIT),
        };
        // Words are borrowed while the line is read, and stored afterwards.
        let taken = std::mem::take(&mut words);
        let mut statement = None;
        let body = taken.get(skip..limit).unwrap_or_default();
        if !broken && !body.is_empty() {
            statement = self.words(body, prefix, span);
        }
        self.lines.push(Line {
            span,
            words: taken,
            prefix,
            statement,
        });
    }

    fn words(&mut self, words: &[Word], prefix: Prefix, span: Span) -> Option<Statement> {
        let first = words.first()?;
        if let Some(kind) = SectionKind::from_word(first.text())
            && (!matches!(kind, SectionKind::Later(..)) || !self.is_keyword_here(words))
        {
            if prefix != Prefix::None {
                self.diagnostics.push(Diagnostic::new(
                    Code::BadPrefix,
                    first.span,
                    format!("'no' and 'default' cannot stand before the section '{kind}'"),
                ));
            }
            self.section(kind, words, span);
            return None;
        }
        let Some(section) = self.sections.last().map(|s| s.kind).filter(|_| !self.lost) else {
            let mut diagnostic = Diagnostic::new(
                Code::OutOfSection,
                first.span,
                format!("'{}' stands before any section", first.shown()),
            )
            .help("begin with 'global', 'defaults', 'frontend', 'listen' or 'backend'");
            if let Some(near) = crate::keyword::nearest(first.text(), SECTION_WORDS.into_iter()) {
                diagnostic = diagnostic.help(format!("did you mean the section '{near}'?"));
            } else if self.lost {
                diagnostic = diagnostic.follows();
            }
            self.lost = true;
            self.diagnostics.push(diagnostic);
            return None;
        };
        match section {
            SectionKind::Ruleset => None,
            // A section that exists in the dialect, though not here: its mistake was reported.
            SectionKind::Later(..) if section.exists_in(self.dialect) => None,
            // HAProxy takes these lines for part of the section before.
            SectionKind::Later(..) => {
                let kinds = self.sections.iter().rev().map(|s| s.kind);
                let before = kinds
                    .into_iter()
                    .find(|k| !matches!(k, SectionKind::Later(..)))?;
                let known = self.diagnostics.len();
                let _ = self.statement(words, prefix, before);
                for diagnostic in self.diagnostics.iter_mut().skip(known) {
                    diagnostic.follows = true;
                }
                None
            }
            _ => self.statement(words, prefix, section),
        }
    }

    /// Whether words that could open a section of a later version are a keyword of this one.
    fn is_keyword_here(&self, words: &[Word]) -> bool {
        self.sections
            .last()
            .is_some_and(|section| matches!(keywords::find(words, section.kind), Lookup::Known(_)))
    }

    fn section(&mut self, kind: SectionKind, words: &[Word], span: Span) {
        self.close_section();
        self.lost = false;
        let first = &words[0];
        let mut broken = false;
        if kind == SectionKind::Ruleset && !kind.exists_in(self.dialect) {
            self.diagnostics.push(Diagnostic::new(
                Code::UnknownSection,
                first.span,
                "'ruleset' sections existed up to 1.5 only, and never had an effect",
            ));
            broken = true;
        }
        if let SectionKind::Later(name, since) = kind {
            self.diagnostics.push(later_section(first, name, since));
            broken = true;
        }
        let mut header = None;
        let mut name = words.get(1).filter(|w| !w.bytes.is_empty()).cloned();
        if FLB.contains(kind) || kind == SectionKind::Userlist {
            match &name {
                None => {
                    let mut diagnostic = Diagnostic::new(
                        Code::MissingArgument,
                        first.span,
                        format!("'{kind}' needs a name"),
                    )
                    .help(format!("write '{kind} NAME'"));
                    diagnostic.stops = self.dialect != Dialect::Hapax;
                    self.diagnostics.push(diagnostic);
                    broken = true;
                }
                Some(word) => {
                    if let Some(byte) = crate::value::name::invalid_char(&word.bytes) {
                        self.diagnostics.push(
                            Diagnostic::new(
                                Code::BadName,
                                word.span,
                                format!(
                                    "'{}' cannot name a {kind}: '{}' is not allowed",
                                    word.shown(),
                                    byte.escape_ascii()
                                ),
                            )
                            .help("use letters, digits, '-', '_', '.' and ':'"),
                        );
                        broken = true;
                    }
                }
            }
            if words.len() > 2 && !broken {
                let mut arguments =
                    Arguments::new(words, 2, kind, self.dialect, &mut self.diagnostics);
                if FL.contains(kind) {
                    match keywords::bind::section_addresses(&mut arguments) {
                        Ok(statement) => header = statement,
                        Err(diagnostic) => {
                            // The section itself is known: what follows is checked as usual.
                            self.diagnostics.push(diagnostic);
                            broken = true;
                        }
                    }
                } else if let Err(diagnostic) = arguments.end(version::V1_8) {
                    self.diagnostics.push(diagnostic);
                }
            }
        } else if words.len() > 1 {
            let skip = if kind == SectionKind::Defaults { 2 } else { 1 };
            if words.len() > skip && !matches!(kind, SectionKind::Later(..)) {
                let mut arguments =
                    Arguments::new(words, skip, kind, self.dialect, &mut self.diagnostics);
                if let Err(diagnostic) = arguments.end(version::V1_8) {
                    self.diagnostics.push(diagnostic);
                }
            }
            if kind != SectionKind::Defaults {
                name = None;
            }
        }
        let _ = span;
        self.sections.push(Section {
            kind,
            name,
            header,
            first_line: self.lines.len(),
            end_line: self.lines.len() + 1,
            broken,
        });
    }

    fn close_section(&mut self) {
        let end = self.lines.len();
        if let Some(section) = self.sections.last_mut() {
            section.end_line = end.max(section.first_line + 1);
        }
    }

    fn statement(
        &mut self,
        words: &[Word],
        prefix: Prefix,
        section: SectionKind,
    ) -> Option<Statement> {
        let keyword = match keywords::find(words, section) {
            Lookup::Known(keyword) => keyword,
            Lookup::Later(later) => {
                self.diagnostics.push(later_keyword(words, later));
                return None;
            }
            Lookup::Unknown => {
                if first_is_unread(words, section) {
                    self.diagnostics.push(Diagnostic::new(
                        Code::WithoutEffect,
                        words[0].span,
                        format!(
                            "'{}' has no effect in a '{section}' section and is ignored",
                            words[0].shown()
                        ),
                    ));
                    return None;
                }
                self.diagnostics
                    .push(keywords::unknown(words, section, prefix, self.dialect));
                return None;
            }
        };
        if self.check_prefix(keyword, words, prefix).is_none() {
            return self.refused_prefix(keyword, words, prefix, section);
        }
        if !keyword.exists_in(self.dialect) {
            let mut diagnostic = other_version(words, keyword, self.dialect);
            diagnostic.stops = stops(keyword, self.dialect) && section != SectionKind::Global;
            self.diagnostics.push(diagnostic);
            return None;
        }
        let span = words[0].span.to(words[keyword.word_count() - 1].span);
        let allowed = keyword.sections_in(self.dialect).contains(section);
        if !allowed && !keyword.ignored_in.contains(section) {
            self.diagnostics.push(
                Diagnostic::new(
                    Code::WrongSection,
                    span,
                    format!("'{}' is not allowed in a '{section}' section", keyword.name),
                )
                .help(format!("it belongs into: {}", keyword.sections)),
            );
            return None;
        }
        if !allowed {
            let what = if keyword.acts_when_ignored {
                format!("is not meant for a '{section}' section, and acts all the same")
            } else {
                format!("has no effect in a '{section}' section and is ignored")
            };
            self.diagnostics.push(
                Diagnostic::new(
                    Code::WithoutEffect,
                    span,
                    format!("'{}' {what}", keyword.name),
                )
                .help(format!("it belongs into: {}", keyword.sections)),
            );
        }
        if !allowed && keyword.unread_when_ignored {
            return None;
        }
        if let Some(instead) = keyword.instead {
            let severity = if self.dialect.version() < keyword.warned_since {
                Severity::Notice
            } else {
                Severity::Warning
            };
            // 1.8 says it once.
            let again = self.dialect == Dialect::V1_8 && !self.deprecated.insert(keyword.name);
            let severity = if again { Severity::Notice } else { severity };
            self.diagnostics.push(
                Diagnostic::new(
                    Code::Deprecated,
                    span,
                    format!("'{}' is the old spelling of '{instead}'", keyword.name),
                )
                .severity(severity)
                .help(format!("write '{instead}'")),
            );
        }
        let mut arguments = Arguments::new(
            words,
            keyword.word_count(),
            section,
            self.dialect,
            &mut self.diagnostics,
        );
        arguments.prefix = prefix;
        match (keyword.parse)(&mut arguments) {
            // Ignored statements are kept: HAProxy checks them all the same.
            Ok(statement) => Some(statement),
            Err(mut diagnostic) => {
                let log = keyword.name == "log" && section != SectionKind::Global;
                diagnostic.stops = (stops(keyword, self.dialect) && section != SectionKind::Global)
                    || (log && diagnostic.code == Code::BadValue && self.dialect == Dialect::V1_4);
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// A line whose prefix was refused: HAProxy reads it all the same, so that what it defines is
    /// there, and trips over some of the keywords after which it reads no further.
    fn refused_prefix(
        &mut self,
        keyword: &'static Keyword,
        words: &[Word],
        prefix: Prefix,
        section: SectionKind,
    ) -> Option<Statement> {
        let known = keyword.sections_in(self.dialect).contains(section);
        if let Some(last) = self.diagnostics.last_mut() {
            last.stops = stops(keyword, self.dialect)
                && (prefix == Prefix::Default || self.dialect == Dialect::V1_4)
                && keyword.name != "description"
                && (known || keyword.ignored_in.contains(section));
        }
        let read = matches!(
            first_word(keyword),
            "acl" | "timeout" | "clitimeout" | "srvtimeout" | "contimeout"
        );
        if !read || !known || !keyword.exists_in(self.dialect) {
            return None;
        }
        let mut unheard = Vec::new();
        let count = keyword.word_count();
        let mut arguments = Arguments::new(words, count, section, self.dialect, &mut unheard);
        (keyword.parse)(&mut arguments).ok()
    }

    fn check_prefix(&mut self, keyword: &Keyword, words: &[Word], prefix: Prefix) -> Option<()> {
        let only_redispatch = self.dialect == Dialect::V1_8 && keyword.name != "option redispatch";
        // 'no log' came with 1.5.
        let log_of_1_4 = self.dialect == Dialect::V1_4 && keyword.name == "log";
        let refused = match prefix {
            Prefix::Default if only_redispatch => true,
            Prefix::No | Prefix::Default if log_of_1_4 => true,
            Prefix::None => return Some(()),
            Prefix::No => !keyword.no_prefix,
            Prefix::Default => !keyword.default_prefix,
        };
        if !refused {
            return Some(());
        }
        let word = if prefix == Prefix::No {
            "no"
        } else {
            "default"
        };
        self.diagnostics.push(
            Diagnostic::new(
                Code::BadPrefix,
                words[0].span,
                format!("'{word}' cannot stand before '{}'", keyword.name),
            )
            .help("only on/off options (and 'log') can be negated"),
        );
        None
    }
}

const SECTION_WORDS: [&str; 6] = [
    "global", "defaults", "frontend", "listen", "backend", "userlist",
];

fn later_section(word: &Word, name: &str, since: crate::Version) -> Diagnostic {
    Diagnostic::new(
        Code::LaterKeyword,
        word.span,
        format!("'{name}' sections came with HAProxy {since}; hapax does not have them"),
    )
    .help("delete the section, or keep it in a file that only a later HAProxy reads")
}

fn first_word(keyword: &Keyword) -> &'static str {
    keyword.name.split(' ').next().unwrap_or(keyword.name)
}

/// Whether HAProxy reads no further after a mistake in this keyword. 1.5 to 1.8 do so with
/// `http-request` alone.
fn stops(keyword: &Keyword, dialect: Dialect) -> bool {
    keyword.stops && (dialect == Dialect::V1_4 || keyword.name.contains("http-request"))
}

/// Whether HAProxy ignores everything that begins with this word here, whatever follows it.
fn first_is_unread(words: &[Word], section: SectionKind) -> bool {
    words[0].is("stick") && section == SectionKind::Frontend
}

fn later_keyword(words: &[Word], later: &crate::keyword::LaterKeyword) -> Diagnostic {
    let count = later.name.split(' ').count();
    let span = words[0].span.to(words[count - 1].span);
    later.refusal(span, "")
}

fn other_version(words: &[Word], keyword: &Keyword, dialect: Dialect) -> Diagnostic {
    let span = words[0].span.to(words[keyword.word_count() - 1].span);
    match keyword.until {
        Some(until) if until <= dialect.version() => Diagnostic::new(
            Code::RemovedKeyword,
            span,
            format!("HAProxy {until} no longer has '{}'", keyword.name),
        )
        .help("--compat 1.4 and the default dialect have it"),
        _ if keyword.since == version::OURS => Diagnostic::new(
            Code::LaterKeyword,
            span,
            format!(
                "'{}' is hapax's own; the dialect is {}",
                keyword.name,
                dialect.name()
            ),
        )
        .help("run without --compat, or say it on the command line"),
        _ => Diagnostic::new(
            Code::LaterKeyword,
            span,
            format!(
                "'{}' came with HAProxy {}; the dialect is {}",
                keyword.name,
                keyword.since,
                dialect.name()
            ),
        )
        .help("run without --compat 1.4, or with --compat 1.8"),
    }
}
