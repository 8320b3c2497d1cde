//! ACLs and conditions: names into indexes, patterns into values.

use haproxy_cfg_grammar::keywords::later;
use haproxy_cfg_grammar::value::condition::{self, AclSyntax, ConditionSyntax, TermKind};
use haproxy_cfg_grammar::value::converter::ValueType;
use haproxy_cfg_grammar::value::criterion::{Needs, PREDEFINED, PREDEFINED_LATER};
use haproxy_cfg_grammar::value::pattern::{self, Operator, PatternSyntax};
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Span, Word};

use super::draft::{self, Draft};
use super::environment::Environment;
use super::fetches;
use crate::pattern_list::file;
use crate::plan::{
    Acl, AclId, ByteString, Condition, Conjunction, Pattern, PatternFile, Polarity, Sample, Term,
    Written,
};
use crate::regular_expression::Regex;

/// Where a condition is used: some criteria have no value there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// In a rule over connections: nothing has come yet.
    Connection,
    /// In a rule over requests.
    Request,
    /// In a rule that chooses a backend.
    Switching,
    /// In a rule over responses.
    Response,
    /// In a rule over requests of which 1.4 does not say so.
    Unchecked,
}

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
        draft.warnings.extend(syntax.warning.clone());
        let mut patterns = Vec::with_capacity(syntax.patterns.len());
        for (n, pattern) in syntax.patterns.iter().enumerate() {
            let span = syntax.pattern_spans.get(n).copied().unwrap_or(syntax.span);
            patterns.push(self.pattern(pattern, syntax.ignore_case, span)?);
        }
        let from = ValueType::of(syntax.criterion);
        let converters = self.converters(draft, &syntax.converters, from, syntax.span)?;
        let mut exact_case = Vec::new();
        let mut files = Vec::with_capacity(syntax.files.len());
        for file in &syntax.files {
            let exact = syntax.ignore_case && !file.ignore_case;
            let into = if exact {
                &mut exact_case
            } else {
                &mut patterns
            };
            let from = into.len();
            draft
                .lists
                .file(&file.name.bytes, file.is_map, file.name.span)?;
            self.file(file, syntax, into)?;
            files.push(PatternFile {
                name: (&*file.name.bytes).into(),
                content: draft::file(&file.name, "the patterns in", self.environment)?.clone(),
                ignore_case: file.ignore_case,
                is_map: file.is_map,
                exact_case: exact,
                from,
                count: into.len() - from,
            });
        }
        let argument = syntax.argument.as_deref().unwrap_or_default();
        let resolving = match self.dialect {
            Dialect::V1_4 => fetches::of_criterion_in_1_4(syntax.criterion, argument),
            Dialect::V1_8 | Dialect::Hapax => fetches::of_criterion(syntax.criterion, argument),
        };
        let Some(resolving) = resolving else {
            return Err(Diagnostic::new(
                Code::UnknownFetch,
                syntax.span,
                format!("hapax does not have the fetch '{}'", syntax.criterion.fetch),
            ));
        };
        let mut sample = Sample {
            fetch: resolving.fetch,
            converters,
        };
        draft.note_names(&mut sample, syntax.span);
        let id = AclId(u32::try_from(draft.proxy.acls.len()).unwrap_or(u32::MAX));
        if let Some(name) = resolving.name {
            draft.pending_acls.push(draft::PendingAcl {
                id,
                name,
                span: syntax.span,
            });
        }
        draft.proxy.acls.push(Acl {
            name,
            sample,
            matching: syntax.method,
            ignore_case: syntax.ignore_case,
            patterns,
            exact_case,
            written: Written {
                criterion: syntax.written_criterion.clone(),
                number: syntax.number,
                patterns: syntax.written.iter().map(|w| (&**w).into()).collect(),
                files,
            },
        });
        draft.lists.acl(id, syntax.span);
        draft.acl_needs.push(syntax.criterion.needs);
        draft.acl_spans.push(syntax.span);
        Ok(id)
    }

    fn pattern(
        &self,
        pattern: &PatternSyntax,
        ignore_case: bool,
        span: Span,
    ) -> Result<Pattern, Diagnostic> {
        Ok(match pattern {
            PatternSyntax::Text(text) => Pattern::Text((&**text).into()),
            PatternSyntax::Regex(text) => Pattern::Regex(regex(text, ignore_case, span)?),
            PatternSyntax::Range { min, max } => Pattern::Range {
                min: *min,
                max: *max,
            },
            PatternSyntax::NetworkV6(network) => Pattern::NetworkV6 {
                address: network.address,
                bits: network.bits,
            },
            PatternSyntax::Network(network) => {
                let (address, mask) = draft::network(network, self.environment, span)?;
                Pattern::Network { address, mask }
            }
        })
    }

    /// The patterns in a file.
    fn file(
        &self,
        condition::PatternFile {
            name,
            ignore_case,
            is_map,
        }: &condition::PatternFile,
        syntax: &AclSyntax,
        patterns: &mut Vec<Pattern>,
    ) -> Result<(), Diagnostic> {
        let content = draft::file(name, "the patterns in", self.environment)?;
        // Lines of files are read less closely than words.
        let files = match self.dialect {
            Dialect::V1_4 => Dialect::V1_4,
            Dialect::V1_8 | Dialect::Hapax => Dialect::Hapax,
        };
        for file::Line { number, key, .. } in file::lines(content, *is_map) {
            let place = |mut diagnostic: Diagnostic| {
                diagnostic.message = format!(
                    "line {} of '{}': {}",
                    number,
                    name.shown(),
                    diagnostic.message
                );
                diagnostic
            };
            let parsed =
                pattern::parse(syntax.method, Operator::Equal, key, files).ok_or_else(|| {
                    place(Diagnostic::new(
                        Code::BadAcl,
                        name.span,
                        format!(
                            "'{}' is not what '{}' compares with",
                            String::from_utf8_lossy(key),
                            syntax.criterion.name,
                        ),
                    ))
                })?;
            patterns.push(
                self.pattern(&parsed, *ignore_case, name.span)
                    .map_err(place)?,
            );
        }
        Ok(())
    }

    /// Reads a condition; the ACLs that it names must have been defined before it. The second
    /// value is a warning about criteria that have no value at that moment.
    pub(super) fn condition(
        &self,
        draft: &mut Draft,
        syntax: &ConditionSyntax,
        moment: Moment,
    ) -> Result<(Condition, Option<Diagnostic>), Diagnostic> {
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
        let condition = Condition {
            polarity: match syntax.polarity {
                condition::Polarity::If => Polarity::If,
                condition::Polarity::Unless => Polarity::Unless,
            },
            any,
        };
        let warning = without_value(draft, &condition, syntax.span, moment, self.dialect);
        Ok((condition, warning))
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
        if let Some(later) = later::find(later::ARGUMENTS, &text) {
            return later.refusal(name.span, "");
        }
        let diagnostic = Diagnostic::new(
            Code::UnknownAcl,
            name.span,
            format!("no ACL named '{text}' is defined above this line in its section"),
        );
        if draft.broken_acls.contains(&text) {
            return diagnostic.follows();
        }
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

/// A regular expression that compiles.
pub(super) fn regex(
    pattern: &[u8],
    ignore_case: bool,
    span: Span,
) -> Result<ByteString, Diagnostic> {
    match Regex::new(pattern, ignore_case) {
        Ok(_) => Ok(pattern.into()),
        Err(why) => Err(Diagnostic::new(
            Code::BadRegex,
            span,
            format!(
                "'{}' is not a regular expression: {why}",
                String::from_utf8_lossy(pattern)
            ),
        )),
    }
}

/// The warning about the first ACL of a condition that can have no value when the rule runs.
fn without_value(
    draft: &Draft,
    condition: &Condition,
    span: Span,
    moment: Moment,
    dialect: Dialect,
) -> Option<Diagnostic> {
    let terms = condition.any.iter().flat_map(|c| &c.all);
    let culprit = terms.flat_map(|t| &t.acls).find(|id| {
        let needs = draft.acl_needs.get(id.0 as usize);
        match moment {
            Moment::Unchecked => false,
            // 1.5 to 1.8 say so of a server or backend that is not chosen yet, too.
            Moment::Request | Moment::Switching
                if dialect == Dialect::V1_8
                    && needs == Some(&Needs::ServerChosen)
                    && (moment == Moment::Switching || draft.proxy.role.is_frontend()) =>
            {
                true
            }
            Moment::Connection => needs != Some(&Needs::Nothing),
            Moment::Request | Moment::Switching => needs == Some(&Needs::Response),
            Moment::Response => {
                matches!(needs, Some(Needs::Request | Needs::RequestBytes))
            }
        }
    })?;
    let name = draft
        .proxy
        .acls
        .get(culprit.0 as usize)
        .map_or("", |acl| acl.name.as_str());
    let name = if name.is_empty() { "{...}" } else { name };
    Some(match moment {
        Moment::Response => Diagnostic::whole(
            Code::AclIgnored,
            Some(span),
            format!("the ACL '{name}' looks at the request, which is gone when this rule runs"),
        ),
        _ => Diagnostic::new(
            Code::AclIgnored,
            span,
            format!(
                "the ACL '{name}' asks for what is not there yet when this rule runs: the \
                 response, or the chosen backend or server"
            ),
        ),
    })
}
