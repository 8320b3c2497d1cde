//! Rules over requests and responses, and the warnings about their order.

use haproxy_cfg_grammar::keywords::header_edit;
use haproxy_cfg_grammar::keywords::header_rules::{self, AddLine, Side};
use haproxy_cfg_grammar::keywords::http_request::{HttpAction, HttpRequestRule};
use haproxy_cfg_grammar::keywords::redirect::RedirectRule;
use haproxy_cfg_grammar::keywords::stick::{self, StickAction};
use haproxy_cfg_grammar::keywords::tcp_request::{self, TcpRule};
use haproxy_cfg_grammar::keywords::tracking::Stage;
use haproxy_cfg_grammar::value::condition::ConditionSyntax;
use haproxy_cfg_grammar::value::converter::ValueType;
use haproxy_cfg_grammar::value::criterion;
use haproxy_cfg_grammar::{Code, Diagnostic, Dialect, Span, Word};

use super::conditions::{self, Moment, Reader};
use super::draft::{Draft, PendingStick};
use super::fetches;
use crate::plan::{
    ByteString, Condition, FormatString, HeaderEdit, HttpRequestAction, HttpResponseAction,
    LineAction, LineRule, ProxyId, Redirect, Rule, Sample, TcpAction,
};

/// The families whose order in the file is not the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// `tcp-request connection`
    TcpConnection,
    /// `tcp-request session`
    TcpSession,
    /// `tcp-request content` (since 1.5 only).
    TcpContent,
    /// `block`
    Block,
    /// `http-request` (since 1.5 only).
    HttpRequest,
    /// `reqrep` and the others.
    RequestLines,
    /// `reqadd`
    RequestAdditions,
    /// `redirect`
    Redirect,
    /// `use_backend`
    UseBackend,
    /// `use-server` (since 1.5 only).
    UseServer,
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::TcpConnection => "tcp-request connection",
            Self::TcpSession => "tcp-request session",
            Self::TcpContent => "tcp-request content",
            Self::Block => "block",
            Self::HttpRequest => "http-request",
            Self::RequestLines => "req*",
            Self::RequestAdditions => "reqadd",
            Self::Redirect => "redirect",
            Self::UseBackend => "use_backend",
            Self::UseServer => "use-server",
        }
    }
}

/// The warning about a rule that runs before a rule that is written above it, if there is one.
pub(super) fn order(
    draft: &mut Draft,
    family: Family,
    span: Span,
    dialect: Dialect,
) -> Option<Diagnostic> {
    // 1.4 says nothing about these two.
    let silent = |f: Family| {
        dialect != Dialect::V1_8 && matches!(f, Family::TcpContent | Family::HttpRequest)
    };
    // Which backend and which server of it: nobody takes these for one list.
    let chooses_both = |a, b| a == Family::UseBackend && b == Family::UseServer;
    if silent(family) {
        return None;
    }
    let after = draft
        .families
        .iter()
        .find(|(f, _)| *f > family && !silent(*f) && !chooses_both(family, *f))
        .copied();
    if !draft.families.iter().any(|(f, _)| *f == family) {
        draft.families.push((family, span));
    }
    let (first, place) = after?;
    Some(
        Diagnostic::new(
            Code::RuleOrder,
            span,
            format!(
                "this '{}' rule runs before the '{}' rule above it",
                family.name(),
                first.name()
            ),
        )
        .related(place, "this one runs later")
        .help("write the rules in the order in which they run: block, req*, reqadd, redirect, use_backend, use-server"),
    )
}

impl Reader<'_> {
    /// A condition that may be missing; its warning goes to the draft.
    pub(super) fn optional(
        &self,
        draft: &mut Draft,
        syntax: Option<&ConditionSyntax>,
        moment: Moment,
    ) -> Result<Option<Condition>, Diagnostic> {
        syntax.map(|s| self.required(draft, s, moment)).transpose()
    }

    /// A condition; its warning goes to the draft.
    pub(super) fn required(
        &self,
        draft: &mut Draft,
        syntax: &ConditionSyntax,
        moment: Moment,
    ) -> Result<Condition, Diagnostic> {
        let (condition, warning) = self.condition(draft, syntax, moment)?;
        draft.warnings.extend(warning);
        Ok(condition)
    }

    /// A rule that accepts or rejects connections. Answers its family.
    pub(super) fn tcp_request(
        &self,
        draft: &mut Draft,
        rule: &TcpRule,
    ) -> Result<Family, Diagnostic> {
        let (moment, family) = match rule.stage {
            Stage::Connection => (Moment::Connection, Family::TcpConnection),
            Stage::Session => (Moment::Connection, Family::TcpSession),
            _ => (Moment::Request, Family::TcpContent),
        };
        let condition = self.optional(draft, rule.condition.as_ref(), moment)?;
        let action = match rule.action {
            tcp_request::TcpAction::Accept => TcpAction::Accept,
            tcp_request::TcpAction::Reject => TcpAction::Reject,
        };
        let tcp = &mut draft.proxy.tcp_rules;
        let rules = match rule.stage {
            Stage::Connection => &mut tcp.connection,
            Stage::Session => &mut tcp.session,
            _ => &mut tcp.content,
        };
        rules.push(Rule { action, condition });
        Ok(family)
    }

    pub(super) fn http_request(
        &self,
        draft: &mut Draft,
        rule: &HttpRequestRule,
    ) -> Result<Rule<HttpRequestAction>, Diagnostic> {
        let condition = self.optional(draft, rule.condition.as_ref(), Moment::Request)?;
        let action = match rule.action {
            HttpAction::Allow => HttpRequestAction::Allow,
            HttpAction::Deny => HttpRequestAction::Deny,
            HttpAction::Auth => HttpRequestAction::Auth {
                realm: rule.realm.as_ref().map(bytes),
            },
        };
        Ok(Rule { action, condition })
    }

    /// `http-request add-header` and its like. Answers whether it is one of requests.
    pub(super) fn header_edit(
        &self,
        draft: &mut Draft,
        rule: &header_edit::HeaderEdit,
    ) -> Result<bool, Diagnostic> {
        let moment = match rule.side {
            Side::Request => Moment::Request,
            Side::Response => Moment::Response,
        };
        let action = HeaderEdit {
            edit: rule.edit,
            name: bytes(&rule.name),
            value: match &rule.value {
                Some(format) => self.format(draft, format, moment)?,
                None => FormatString::default(),
            },
        };
        let condition = self.optional(draft, rule.condition.as_ref(), moment)?;
        let rules = &mut draft.proxy.http_rules;
        match rule.side {
            Side::Request => rules.http_request.push(Rule {
                action: HttpRequestAction::Edit(action),
                condition,
            }),
            Side::Response => rules.http_response.push(Rule {
                action: HttpResponseAction::Edit(action),
                condition,
            }),
        }
        Ok(rule.side == Side::Request)
    }

    pub(super) fn redirect(
        &self,
        draft: &mut Draft,
        rule: &RedirectRule,
    ) -> Result<(), Diagnostic> {
        let condition = self.optional(draft, rule.condition.as_ref(), Moment::Unchecked)?;
        let cookie = match (&rule.set_cookie, &rule.clear_cookie) {
            (Some(set), _) => Some(with_path(&set.bytes, b"; path=/;")),
            (None, Some(clear)) => Some(with_path(&clear.bytes, b"; path=/; Max-Age=0;")),
            (None, None) => None,
        };
        let action = Redirect {
            kind: rule.kind,
            value: bytes(&rule.value),
            code: rule.code,
            cookie,
            drop_query: rule.drop_query,
            append_slash: rule.append_slash,
        };
        draft
            .proxy
            .http_rules
            .redirects
            .push(Rule { action, condition });
        Ok(())
    }

    pub(super) fn line_rule(
        &self,
        draft: &mut Draft,
        rule: &header_rules::LineRule,
    ) -> Result<(), Diagnostic> {
        let pattern = conditions::regex(&rule.pattern.bytes, rule.ignore_case, rule.pattern.span)?;
        let moment = match rule.side {
            Side::Request => Moment::Request,
            Side::Response => Moment::Response,
        };
        let condition = self.optional(draft, rule.condition.as_ref(), moment)?;
        let value = || rule.value.as_ref().map(bytes).unwrap_or_default();
        let action = match rule.action {
            header_rules::LineAction::Allow => LineAction::Allow,
            header_rules::LineAction::Deny => LineAction::Deny,
            header_rules::LineAction::Delete => LineAction::Delete,
            header_rules::LineAction::Pass => LineAction::Pass,
            header_rules::LineAction::Replace => LineAction::Replace(value()),
            header_rules::LineAction::Tarpit => LineAction::Tarpit,
            header_rules::LineAction::SetBackend => {
                let index = draft.proxy.http_rules.request_lines.len();
                if let Some(name) = &rule.value {
                    draft.pending_backends.push((index, name.clone()));
                }
                LineAction::SetBackend(ProxyId(0))
            }
        };
        let rule_of = Rule {
            action: LineRule {
                pattern,
                ignore_case: rule.ignore_case,
                action,
            },
            condition,
        };
        match rule.side {
            Side::Request => draft.proxy.http_rules.request_lines.push(rule_of),
            Side::Response => draft.proxy.http_rules.response_lines.push(rule_of),
        }
        Ok(())
    }

    pub(super) fn add_line(&self, draft: &mut Draft, rule: &AddLine) -> Result<(), Diagnostic> {
        let moment = match rule.side {
            Side::Request => Moment::Request,
            Side::Response => Moment::Response,
        };
        let condition = self.optional(draft, rule.condition.as_ref(), moment)?;
        let rule_of = Rule {
            action: bytes(&rule.line),
            condition,
        };
        match rule.side {
            Side::Request => draft.proxy.http_rules.request_additions.push(rule_of),
            Side::Response => draft.proxy.http_rules.response_additions.push(rule_of),
        }
        Ok(())
    }

    pub(super) fn stick(
        &self,
        draft: &mut Draft,
        rule: &stick::StickRule,
    ) -> Result<(), Diagnostic> {
        let fetch = fetches::of_stick(&rule.fetch, rule.span, self.dialect)?;
        let from = criterion::find(&rule.fetch.name).map_or(ValueType::Text, ValueType::of);
        let converters = self.converters(draft, &rule.converters, from, rule.span)?;
        let of_response = rule.action == StickAction::StoreResponse;
        let moment = if of_response {
            Moment::Response
        } else {
            Moment::Request
        };
        let condition = self.optional(draft, rule.condition.as_ref(), moment)?;
        let mut key = Sample { fetch, converters };
        draft.note_names(&mut key, rule.span);
        draft.pending_sticks.push(PendingStick {
            matches: matches!(rule.action, StickAction::Match | StickAction::On),
            stores: rule.action != StickAction::Match,
            of_response,
            key,
            table: rule.table.clone(),
            span: rule.span,
            condition,
        });
        Ok(())
    }
}

/// The bytes of a word.
pub(super) fn bytes(word: &Word) -> ByteString {
    (&*word.bytes).into()
}

fn with_path(cookie: &[u8], end: &[u8]) -> ByteString {
    [cookie, end].concat().into()
}
