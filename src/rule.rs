//! The order of 1.4's families of rules, written once. Manual 1.4, section 4.2.
//!
//! Whatever their order in the file: `block`, `http-request`, the rules over lines, `reqadd`,
//! then the question for a password, then `redirect`. The frontend's rules come first, then the
//! backend's; for responses it is the other way around.

mod backends;

use haproxy_cfg_grammar::Dialect;

use crate::acl::{AclSet, LiveIndex};
use crate::http1::{Head, Kind};
use crate::plan::{self, HttpRequestAction, HttpResponseAction, ProxyId, Redirect, Rule};
use crate::regular_expression::BadRegex;
use crate::rewrite::{LineRules, header_edit};
use crate::sample::{Facts, Message};
use crate::stick_table::{Span, track};

pub use backends::Backends;

/// The rules of a proxy, compiled.
#[derive(Debug, Default)]
pub struct HttpRules {
    request_lines: LineRules,
    response_lines: LineRules,
    block: LiveIndex,
    redirects: LiveIndex,
    acts_on_requests: bool,
    acts_on_responses: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'p> {
    /// It goes on.
    Pass,
    /// 403.
    Deny,
    /// The same, because of `reqdeny`, which 1.4 counts.
    Refuse,
    /// 400: a rule has made nonsense of it.
    Invalid,
    /// 500, later.
    Tarpit,
    /// 401: a password for this realm; `None` is the proxy's name.
    Authenticate(Option<&'p [u8]>),
    /// The statistics page answers it.
    Statistics,
    /// It is sent elsewhere.
    Redirect(&'p Redirect),
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseVerdict {
    /// It goes on.
    Pass,
    /// 502: a rule refuses it.
    Deny,
    /// 502: a rule has made nonsense of it.
    Invalid,
}

/// What rules leave behind besides their verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effects {
    /// A rule has let the message pass: none refuses it any more, of the other proxy neither.
    pub allowed: bool,
    /// A rule has set the backend.
    pub backend: Option<ProxyId>,
    /// No rule before those of the statistics page has refused a request for it.
    pub at_statistics: bool,
}

/// What one run over a request goes by.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'p, 'f> {
    /// The rules as values.
    pub rules: &'p plan::HttpRules,
    /// The ACLs of the same proxy.
    pub acls: &'f AclSet,
    /// The facts without the request.
    pub base: Facts<'f>,
    /// The request is one for the statistics page: its rules are in the place of `http-request`.
    pub statistics: Option<Statistics<'p>>,
}

/// The realm of a statistics page that names none.
pub const PAGE_REALM: &[u8] = b"HAProxy Statistics";

/// What guards a statistics page.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'p> {
    /// `stats http-request`.
    pub rules: &'p [Rule<HttpRequestAction>],
    /// The realm to ask a password for, when `stats auth` is not satisfied.
    pub challenge: Option<Option<&'p [u8]>>,
}

/// What runs between the families: 1.4 looks at the `Connection` header after the rules over lines,
/// so that what they write is seen and what `reqadd` adds is not; since 1.5 it is looked at before
/// any rule.
pub trait Between {
    /// Called once, when it is time to look.
    fn look(&mut self, head: &mut Head, bytes: &[u8]);
}

impl HttpRules {
    /// Compiles the rules of a proxy with these ACLs.
    ///
    /// # Errors
    /// What is wrong with a regular expression.
    pub fn compile(rules: &plan::HttpRules, acls: &[plan::Acl]) -> Result<Self, BadRegex> {
        Ok(Self {
            request_lines: LineRules::compile(&rules.request_lines)?,
            response_lines: LineRules::compile(&rules.response_lines)?,
            block: LiveIndex::new(rules.block.iter().map(Some), acls),
            redirects: LiveIndex::new(
                rules.redirects.iter().map(|rule| rule.condition.as_ref()),
                acls,
            ),
            acts_on_requests: !(rules.block.is_empty()
                && rules.http_request.is_empty()
                && rules.request_lines.is_empty()
                && rules.request_additions.is_empty()
                && rules.redirects.is_empty()),
            acts_on_responses: !(rules.http_response.is_empty()
                && rules.response_lines.is_empty()
                && rules.response_additions.is_empty()),
        })
    }

    /// Takes notice of ACLs that have got other patterns than the plan says.
    pub fn patterns_changed(
        &self,
        rules: &plan::HttpRules,
        acls: &[plan::Acl],
        changed: &dyn Fn(usize) -> bool,
    ) {
        self.block
            .rebuild(rules.block.iter().map(Some), acls, changed);
        let redirects = rules.redirects.iter().map(|rule| rule.condition.as_ref());
        self.redirects.rebuild(redirects, acls, changed);
    }

    /// Whether there is any rule over requests.
    pub fn acts_on_requests(&self) -> bool {
        self.acts_on_requests
    }

    /// Whether there is any rule over responses.
    pub fn acts_on_responses(&self) -> bool {
        self.acts_on_responses
    }

    /// Runs the rules of one proxy over a request.
    pub fn request<'p>(
        &self,
        moment: Moment<'p, '_>,
        head: &mut Head,
        bytes: &[u8],
        between: &mut dyn Between,
        effects: &mut Effects,
    ) -> Verdict<'p> {
        let Moment {
            rules, acls, base, ..
        } = moment;
        let allowed = &mut effects.allowed;
        let v1_4 = base.dialect == Dialect::V1_4;
        if !v1_4 {
            between.look(head, bytes);
        }
        if !self.acts_on_requests && moment.statistics.is_none() {
            if v1_4 {
                between.look(head, bytes);
            }
            return Verdict::Pass;
        }
        if !rules.block.is_empty() {
            let facts = with_request(base, head, bytes);
            if self.block.find(&rules.block, Some, acls, &facts).is_some() {
                return Verdict::Deny;
            }
        }
        // 1.4 looks at one of both families, and asks for the password later. Since 1.5 both
        // are looked at, and decide at once. Rules over lines may still refuse a request for the
        // statistics page then; `redirect` has no say in either.
        let mut realm = moment.statistics.and_then(|page| page.challenge);
        let families = match moment.statistics {
            Some(page) if v1_4 => [page.rules, &[]],
            Some(page) => [&rules.http_request[..], page.rules],
            None => [&rules.http_request[..], &[]],
        };
        for (n, family) in families.into_iter().enumerate() {
            let of_page = moment.statistics.is_some() && (v1_4 || n == 1);
            effects.at_statistics = of_page;
            for rule in family {
                let facts = with_request(base, head, bytes);
                if !acls.applies(rule.condition.as_ref(), &facts) {
                    continue;
                }
                match &rule.action {
                    HttpRequestAction::Edit(edit) => {
                        let line = header_edit::line(edit, &facts);
                        header_edit::apply(edit, &line, head, bytes);
                        continue;
                    }
                    HttpRequestAction::Tracking(action) => {
                        track::act(action, &facts, Span::Request);
                        continue;
                    }
                    HttpRequestAction::Deny => return Verdict::Deny,
                    HttpRequestAction::Auth { realm: wanted } => {
                        let wanted = wanted.as_ref().map(|text| text.as_bytes());
                        let wanted = wanted.or_else(|| of_page.then_some(PAGE_REALM));
                        if !v1_4 {
                            return Verdict::Authenticate(wanted);
                        }
                        realm = Some(wanted);
                    }
                    HttpRequestAction::Allow => {}
                }
                break;
            }
        }
        if !v1_4 && let Some(realm) = realm {
            return Verdict::Authenticate(realm);
        }
        if !self.request_lines.is_empty() {
            let outcome = self
                .request_lines
                .run(head, bytes, acls, base, Kind::Request, allowed);
            effects.backend = outcome.backend;
            if outcome.invalid {
                return Verdict::Invalid;
            }
            if outcome.denied {
                return Verdict::Refuse;
            }
            if outcome.tarpitted {
                return Verdict::Tarpit;
            }
        }
        if v1_4 {
            between.look(head, bytes);
        }
        for rule in &rules.request_additions {
            if acls.applies(rule.condition.as_ref(), &with_request(base, head, bytes)) {
                head.append(&rule.action);
            }
        }
        if let Some(realm) = realm {
            return Verdict::Authenticate(realm);
        }
        if moment.statistics.is_some() {
            return Verdict::Statistics;
        }
        self.redirects
            .find(
                &rules.redirects,
                |rule| rule.condition.as_ref(),
                acls,
                &with_request(base, head, bytes),
            )
            .map_or(Verdict::Pass, |rule| Verdict::Redirect(&rule.action))
    }

    /// Runs the rules of one proxy over a response. `base` has no response in it.
    pub fn response(
        &self,
        rules: &plan::HttpRules,
        acls: &AclSet,
        head: &mut Head,
        base: Facts<'_>,
        bytes: &[u8],
        allowed: &mut bool,
    ) -> ResponseVerdict {
        if !self.acts_on_responses {
            return ResponseVerdict::Pass;
        }
        for rule in &rules.http_response {
            let facts = with_response(base, head, bytes);
            if !acls.applies(rule.condition.as_ref(), &facts) {
                continue;
            }
            match &rule.action {
                HttpResponseAction::Edit(edit) => {
                    let line = header_edit::line(edit, &facts);
                    header_edit::apply(edit, &line, head, bytes);
                }
                HttpResponseAction::Tracking(action) => {
                    track::act(action, &facts, Span::Request);
                }
            }
        }
        if !self.response_lines.is_empty() {
            let outcome = self
                .response_lines
                .run(head, bytes, acls, base, Kind::Response, allowed);
            if outcome.invalid {
                return ResponseVerdict::Invalid;
            }
            if outcome.denied {
                return ResponseVerdict::Deny;
            }
        }
        let status = head.status(bytes);
        // Since 1.5 it is known that nothing follows 101.
        if status >= 200 || status == 101 && base.dialect != Dialect::V1_4 {
            for rule in &rules.response_additions {
                let facts = with_response(base, head, bytes);
                if acls.applies(rule.condition.as_ref(), &facts) {
                    head.append(&rule.action);
                }
            }
        }
        ResponseVerdict::Pass
    }
}

/// The facts with a request in them.
pub fn with_request<'m>(base: Facts<'m>, head: &'m Head, bytes: &'m [u8]) -> Facts<'m> {
    Facts {
        request: Some(Message { head, bytes }),
        ..base
    }
}

/// The facts with a response in them.
pub fn with_response<'m>(base: Facts<'m>, head: &'m Head, bytes: &'m [u8]) -> Facts<'m> {
    Facts {
        response: Some(Message { head, bytes }),
        ..base
    }
}
