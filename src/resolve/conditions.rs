//! ACLs and conditions: names into indexes, patterns into values.

use haproxy_cfg_grammar::value::condition::{self, AclSyntax, ConditionSyntax, TermKind};
use haproxy_cfg_grammar::value::criterion::{PREDEFINED, PREDEFINED_LATER};
use haproxy_cfg_grammar::value::pattern::{self, Operator, PatternSyntax};
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Span, Word};

use super::draft::{self, Draft};
use super::environment::Environment;
use crate::plan::{Acl, AclId, Condition, Conjunction, Fetch, Pattern, Polarity, Sample, Term};

/// Reads ACLs for one proxy.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) dialect: Dialect,
}

impl Reader<'_> {
    /// Adds a named ACL.
    pub(super) fn define(
        &self,
        draft: &mut Draft,
        name: &Word,
        syntax: &AclSyntax,
    ) -> Result<(), Diagnostic> {
        let id = self.add(draft, name.shown(), syntax)?;
        draft.acl_names.entry(name.shown()).or_default().push(id);
        Ok(())
    }

    fn add(
        &self,
        draft: &mut Draft,
        name: String,
        syntax: &AclSyntax,
    ) -> Result<AclId, Diagnostic> {
        let acl = self.acl(name, syntax)?;
        let id = AclId(u32::try_from(draft.proxy.acls.len()).unwrap_or(u32::MAX));
        draft.proxy.acls.push(acl);
        Ok(id)
    }

    fn acl(&self, name: String, syntax: &AclSyntax) -> Result<Acl, Diagnostic> {
        let mut patterns = Vec::with_capacity(syntax.patterns.len());
        for (n, pattern) in syntax.patterns.iter().enumerate() {
            let span = syntax.pattern_spans.get(n).copied().unwrap_or(syntax.span);
            patterns.push(self.pattern(pattern, span)?);
        }
        for file in &syntax.files {
            self.file(file, syntax, &mut patterns)?;
        }
        Ok(Acl {
            name,
            sample: Sample {
                fetch: fetch(syntax)?,
            },
            matching: syntax.method,
            ignore_case: syntax.ignore_case,
            patterns,
        })
    }

    fn pattern(&self, pattern: &PatternSyntax, span: Span) -> Result<Pattern, Diagnostic> {
        Ok(match pattern {
            PatternSyntax::Text(text) => Pattern::Text((&**text).into()),
            PatternSyntax::Regex(text) => Pattern::Regex((&**text).into()),
            PatternSyntax::Range { min, max } => Pattern::Range {
                min: *min,
                max: *max,
            },
            PatternSyntax::Network(network) => {
                let (address, mask) = draft::network(network, self.environment, span)?;
                Pattern::Network { address, mask }
            }
        })
    }

    /// One pattern for each line of a file; blank lines and lines that begin with `#` are none.
    fn file(
        &self,
        file: &Word,
        syntax: &AclSyntax,
        patterns: &mut Vec<Pattern>,
    ) -> Result<(), Diagnostic> {
        let content = match self.environment.files.get(&file.shown()) {
            Some(Ok(content)) => content,
            found => {
                let why = match found {
                    Some(Err(why)) => why.as_str(),
                    _ => "it was not read",
                };
                return Err(Diagnostic::new(
                    Code::CannotRead,
                    file.span,
                    format!("cannot read the patterns in '{}': {why}", file.shown()),
                ));
            }
        };
        for (number, line) in content.split(|b| *b == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let parsed = pattern::parse(syntax.method, Operator::Equal, line);
            let parsed = parsed.ok_or_else(|| {
                Diagnostic::new(
                    Code::BadAcl,
                    file.span,
                    format!(
                        "line {} of '{}' is not what '{}' compares with: '{}'",
                        number + 1,
                        file.shown(),
                        syntax.criterion.name,
                        String::from_utf8_lossy(line)
                    ),
                )
            })?;
            patterns.push(self.pattern(&parsed, file.span)?);
        }
        Ok(())
    }

    /// Reads a condition; the ACLs that it names must have been defined before it.
    pub(super) fn condition(
        &self,
        draft: &mut Draft,
        syntax: &ConditionSyntax,
    ) -> Result<Condition, Diagnostic> {
        let mut any = Vec::with_capacity(syntax.any.len());
        for terms in &syntax.any {
            let mut all = Vec::with_capacity(terms.len());
            for term in terms {
                let acls = match &term.what {
                    TermKind::Anonymous(acl) => vec![self.add(draft, String::new(), acl)?],
                    TermKind::Named(name) => self.named(draft, name)?,
                };
                all.push(Term {
                    negated: term.negated,
                    acls,
                });
            }
            any.push(Conjunction { all });
        }
        Ok(Condition {
            polarity: match syntax.polarity {
                condition::Polarity::If => Polarity::If,
                condition::Polarity::Unless => Polarity::Unless,
            },
            any,
        })
    }

    fn named(&self, draft: &mut Draft, name: &Word) -> Result<Vec<AclId>, Diagnostic> {
        let text = name.shown();
        if let Some(ids) = draft.acl_names.get(&text) {
            return Ok(ids.clone());
        }
        let found = PREDEFINED
            .iter()
            .find(|(n, ..)| *n == text)
            .map(|(_, criterion, patterns)| (*criterion, *patterns))
            .or_else(|| {
                PREDEFINED_LATER
                    .iter()
                    .find(|(n, since, ..)| *n == text && self.dialect.knows(*since, None))
                    .map(|(_, _, criterion, patterns)| (*criterion, *patterns))
            });
        let Some((criterion, patterns)) = found else {
            return Err(self.unknown(draft, name));
        };
        let words: Vec<Word> = std::iter::once(criterion)
            .chain(patterns.iter().copied())
            .map(|text| Word {
                span: name.span,
                bytes: text.as_bytes().into(),
            })
            .collect();
        let syntax = condition::acl(&words, self.dialect)?;
        let id = self.add(draft, text.clone(), &syntax)?;
        draft.acl_names.insert(text, vec![id]);
        Ok(vec![id])
    }

    fn unknown(&self, draft: &Draft, name: &Word) -> Diagnostic {
        let text = name.shown();
        let diagnostic = Diagnostic::new(
            Code::UnknownAcl,
            name.span,
            format!("no ACL named '{text}' is defined above this line in its section"),
        );
        let names = draft
            .acl_names
            .keys()
            .map(String::as_str)
            .chain(PREDEFINED.iter().map(|(n, ..)| *n));
        match haproxy_cfg_grammar::keyword::nearest(&text, names) {
            Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
            None if text.starts_with('{') => {
                diagnostic.help("braces need blanks around them: { criterion patterns }")
            }
            None => diagnostic.help("define it first: acl NAME criterion patterns"),
        }
    }
}

/// The fetch of a criterion, by the name that it has since 1.5.
fn fetch(syntax: &AclSyntax) -> Result<Fetch, Diagnostic> {
    let argument = syntax.argument.as_deref().unwrap_or_default();
    let first = argument.split(|b| *b == b',').next().unwrap_or_default();
    Ok(match syntax.criterion.fetch {
        "always_true" => Fetch::AlwaysTrue,
        "always_false" => Fetch::AlwaysFalse,
        "method" => Fetch::Method,
        "req.ver" => Fetch::RequestVersion,
        "url" => Fetch::Url,
        "path" => Fetch::Path,
        "req.hdr" => Fetch::RequestHeader { name: first.into() },
        "src" => Fetch::Source,
        "src_port" => Fetch::SourcePort,
        "dst" => Fetch::Destination,
        "dst_port" => Fetch::DestinationPort,
        other => Fetch::Other {
            name: other.to_owned(),
            argument: argument.into(),
        },
    })
}
