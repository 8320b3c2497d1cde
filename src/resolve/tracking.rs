//! `track-sc0` and its like: keys into samples, in every family of rules.

use haproxy_cfg_grammar::keywords::tracking::{self, Stage, TrackingRule};
use haproxy_cfg_grammar::value::criterion::{self, Needs};
use haproxy_cfg_grammar::{Code, Diagnostic, Word};

use super::conditions::{Moment, Reader};
use super::draft::{Draft, PendingTable, TableUse};
use super::fetches;
use super::rules::Family;
use crate::plan::{
    HttpRequestAction, HttpResponseAction, ProxyRef, Rule, TcpAction, Track, TrackingAction,
};

impl Reader<'_> {
    /// Adds the rule to its family. Answers the family where its place among others matters.
    pub(super) fn tracking(
        &self,
        draft: &mut Draft,
        rule: &TrackingRule,
    ) -> Result<Option<Family>, Diagnostic> {
        let moment = match rule.stage {
            Stage::Connection | Stage::Session => Moment::Connection,
            Stage::Content | Stage::Request => Moment::Request,
            Stage::Response => Moment::Response,
        };
        let action = self.tracking_action(draft, &rule.action, moment)?;
        let condition = self.optional(draft, rule.condition.as_ref(), moment)?;
        let (tcp, http) = (&mut draft.proxy.tcp_rules, &mut draft.proxy.http_rules);
        let (rules, family) = match rule.stage {
            Stage::Connection => (&mut tcp.connection, Family::TcpConnection),
            Stage::Session => (&mut tcp.session, Family::TcpSession),
            Stage::Content => (&mut tcp.content, Family::TcpContent),
            Stage::Request => {
                http.http_request.push(Rule {
                    action: HttpRequestAction::Tracking(action),
                    condition,
                });
                return Ok(Some(Family::HttpRequest));
            }
            Stage::Response => {
                http.http_response.push(Rule {
                    action: HttpResponseAction::Tracking(action),
                    condition,
                });
                return Ok(None);
            }
        };
        rules.push(Rule {
            action: TcpAction::Tracking(action),
            condition,
        });
        Ok(Some(family))
    }

    fn tracking_action(
        &self,
        draft: &mut Draft,
        action: &tracking::TrackingAction,
        moment: Moment,
    ) -> Result<TrackingAction, Diagnostic> {
        let (counter, key, span, table) = match action {
            tracking::TrackingAction::Change { counter, change } => {
                return Ok(TrackingAction::Change {
                    counter: *counter,
                    change: *change,
                });
            }
            tracking::TrackingAction::Track {
                counter,
                key,
                span,
                table,
            } => (*counter, key, *span, table),
        };
        let found = criterion::find(&key.fetch.name);
        if found.is_some_and(|found| found.needs == Needs::ServerChosen)
            && moment != Moment::Response
        {
            return Err(Diagnostic::new(
                Code::UnknownFetch,
                span,
                format!(
                    "'{}' asks about what is not chosen yet when this rule runs",
                    key.fetch.name
                ),
            ));
        }
        let mut key = self.sample(draft, key, moment, span)?;
        fetches::one_value(&mut key.fetch);
        draft.pending_tables.push(PendingTable {
            name: table.as_ref().map(Word::shown),
            span,
            used: TableUse::Track,
        });
        Ok(TrackingAction::Track(Track {
            counter,
            key,
            table: ProxyRef {
                name: table.as_ref().map(Word::shown).unwrap_or_default(),
                id: None,
            },
        }))
    }
}
