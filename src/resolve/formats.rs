//! Format strings: names of fetches and converters into typed ones.

use haproxy_cfg_grammar::keywords::later;
use haproxy_cfg_grammar::value::converter::ValueType;
use haproxy_cfg_grammar::value::criterion::{self, Needs};
use haproxy_cfg_grammar::value::expression::Expression;
use haproxy_cfg_grammar::value::format::{FormatSyntax, Piece};
use haproxy_cfg_grammar::{Code, Diagnostic, Span};

use super::conditions::{Moment, Reader};
use super::draft::Draft;
use super::fetches;
use crate::plan::{FormatPart, FormatString, Sample};

impl Reader<'_> {
    /// The samples of a format string.
    ///
    /// # Errors
    /// A fetch or converter that is not there, or that has no value at that moment.
    pub(super) fn format(
        &self,
        draft: &mut Draft,
        syntax: &FormatSyntax,
        moment: Moment,
    ) -> Result<FormatString, Diagnostic> {
        let mut parts = Vec::with_capacity(syntax.pieces.len());
        for piece in &syntax.pieces {
            parts.push(match piece {
                Piece::Literal(text) => FormatPart::Literal(text.as_slice().into()),
                Piece::Sample(expression) => {
                    FormatPart::Sample(self.sample(draft, expression, moment, syntax.span)?)
                }
            });
        }
        Ok(FormatString { parts })
    }

    /// A sample expression.
    ///
    /// # Errors
    /// A fetch or converter that is not there, or that has no value at that moment.
    pub(super) fn sample(
        &self,
        draft: &mut Draft,
        expression: &Expression,
        moment: Moment,
        span: Span,
    ) -> Result<Sample, Diagnostic> {
        let call = &expression.fetch;
        let name = &call.name;
        let mistake = |text: String| Diagnostic::new(Code::UnknownFetch, span, text);
        let criterion = criterion::find(name)
            .filter(|found| self.dialect.knows(found.since, None))
            // Criteria that are no fetches (`hdr_beg`) name a way to compare.
            .filter(|found| criterion::is_fetch(found));
        let Some(criterion) = criterion else {
            return Err(match later::find(later::FETCHES, name) {
                Some(row) => row.refusal(span, ""),
                None => mistake(format!("there is no sample fetch '{name}'")),
            });
        };
        if let Some(why) = criterion.takes.refuse(&call.arguments(), self.dialect) {
            return Err(mistake(format!("the argument of '{name}' is wrong: {why}")));
        }
        let missing = match moment {
            Moment::Response => matches!(criterion.needs, Needs::Request | Needs::RequestBytes),
            Moment::Connection => criterion.needs != Needs::Nothing,
            Moment::Switching => {
                matches!(criterion.needs, Needs::Response | Needs::ServerChosen)
            }
            _ => criterion.needs == Needs::Response,
        };
        if missing {
            let what = match (moment, criterion.needs) {
                (Moment::Response, _) => "request, which is gone",
                (Moment::Connection, _) => "request, of which nothing is there yet",
                (_, Needs::ServerChosen) => "backend or server, which is not chosen yet",
                _ => "response, which is not there yet",
            };
            return Err(mistake(format!(
                "'{name}' looks at the {what} when this rule runs"
            )));
        }
        let argument = call.argument.as_deref().unwrap_or_default();
        let resolving = fetches::of_criterion(criterion, argument)
            .filter(|found| found.name.is_none())
            .ok_or_else(|| mistake(format!("'{name}' cannot stand in a format")))?;
        let from = ValueType::of(criterion);
        let mut sample = Sample {
            fetch: resolving.fetch,
            converters: self.converters(draft, &expression.converters, from, span)?,
        };
        draft.note_names(&mut sample, span);
        Ok(sample)
    }
}
