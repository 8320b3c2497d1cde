//! The families of one proxy, in the order of [`crate::rule::HttpRules::request`].

use haproxy_cfg_grammar::Dialect;

use super::{Outcome, Walk};
use crate::acl::AclSet;
use crate::http1::connection_header::Stage;
use crate::http1::{Head, Method};
use crate::plan::{self, HttpRequestAction, LineAction, ProxyId, Rule};
use crate::rule::{Between, HttpRules, Moment, Verdict};
use crate::sample::http;

/// The look at the connection comes between the rules, not within one.
struct Nothing;

impl Between for Nothing {
    fn look(&mut self, _: &mut Head, _: &[u8]) {}
}

impl Walk<'_> {
    /// Runs the rules of one proxy.
    pub(super) fn http_rules(&mut self, id: ProxyId, stage: Stage) -> Outcome {
        let v1_4 = self.plan.dialect == Dialect::V1_4;
        let plan = self.plan;
        let proxy = plan.proxy(id);
        let rules = &proxy.http_rules;
        if !v1_4 {
            self.look(id, stage);
        }
        for (n, condition) in rules.block.iter().enumerate() {
            let text = self.rule_text(id, "block", n);
            if self.step(id, text, Some(condition)) {
                return denied();
            }
        }
        let page = proxy.stats.as_ref().filter(|page| {
            let target = self.head.second_word(&self.bytes);
            let method = Method::from_token(self.head.first_word(&self.bytes));
            target.starts_with(&page.uri)
                && matches!(method, Method::Get | Method::Head | Method::Post)
        });
        let mut realm = None;
        if page.is_none() || !v1_4 {
            for (n, rule) in rules.http_request.iter().enumerate() {
                let text = self.rule_text(id, "http-request", n);
                match self.http_request(id, text, rule) {
                    None => {}
                    Some(HttpRequestAction::Deny) => return denied(),
                    Some(HttpRequestAction::Auth { realm: wanted }) => {
                        let wanted = wanted
                            .as_ref()
                            .map_or_else(|| proxy.name.clone(), |r| r.to_string());
                        if !v1_4 {
                            return password(&wanted);
                        }
                        realm = Some(wanted);
                        break;
                    }
                    Some(_) => break,
                }
            }
        }
        if let Some(page) = page {
            for rule in &page.http_request {
                match self.http_request(id, "stats http-request".to_owned(), rule) {
                    None => {}
                    Some(HttpRequestAction::Deny) => return denied(),
                    Some(HttpRequestAction::Auth { realm: wanted }) => {
                        realm = Some(
                            wanted
                                .as_ref()
                                .map_or_else(|| proxy.name.clone(), |r| r.to_string()),
                        );
                        break;
                    }
                    Some(_) => break,
                }
            }
            if !page.auth.is_empty() && !self.knows(page) {
                let own = page.realm.as_ref().map(ToString::to_string);
                realm = Some(own.unwrap_or_else(|| "HAProxy Statistics".to_owned()));
            }
            if !v1_4 && let Some(realm) = realm {
                return password(&realm);
            }
        }
        for (n, rule) in rules.request_lines.iter().enumerate() {
            let text = self.rule_text(id, "req*", n);
            if let Some(outcome) = self.line_rule(id, text, rule) {
                return outcome;
            }
        }
        if v1_4 {
            self.look(id, stage);
        }
        for (n, rule) in rules.request_additions.iter().enumerate() {
            let text = self.rule_text(id, "reqadd", n);
            if self.step(id, text, rule.condition.as_ref()) {
                self.head.append(&rule.action);
                self.effect(format!("+ {}", rule.action));
            }
        }
        if let Some(realm) = realm {
            return password(&realm);
        }
        if page.is_some() {
            return statistics();
        }
        for (n, rule) in rules.redirects.iter().enumerate() {
            let text = self.rule_text(id, "redirect", n);
            if self.step(id, text, rule.condition.as_ref()) {
                return self.redirect(&rule.action);
            }
        }
        Outcome::Goes
    }

    /// The action when the rule applies and is not an edit.
    fn http_request<'r>(
        &mut self,
        id: ProxyId,
        text: String,
        rule: &'r Rule<HttpRequestAction>,
    ) -> Option<&'r HttpRequestAction> {
        if !self.step(id, text, rule.condition.as_ref()) {
            return None;
        }
        if !rule.action.goes_on() {
            return Some(&rule.action);
        }
        let unconditional = Rule {
            action: rule.action.clone(),
            condition: None,
        };
        let alone = plan::HttpRules {
            http_request: vec![unconditional],
            ..plan::HttpRules::default()
        };
        self.run_alone(id, &alone);
        None
    }

    /// One rule over lines.
    fn line_rule(
        &mut self,
        id: ProxyId,
        text: String,
        rule: &Rule<plan::LineRule>,
    ) -> Option<Outcome> {
        let edits = matches!(
            rule.action.action,
            LineAction::Delete | LineAction::Replace(_) | LineAction::SetBackend(_)
        );
        if self.effects.allowed && !edits {
            self.note(
                id,
                text,
                vec!["not looked at: an earlier rule lets the request pass".to_owned()],
            );
            return None;
        }
        if !self.step(id, text, rule.condition.as_ref()) {
            return None;
        }
        let alone = plan::HttpRules {
            request_lines: vec![Rule {
                action: rule.action.clone(),
                condition: None,
            }],
            ..plan::HttpRules::default()
        };
        let before = self.effects;
        let outcome = self.run_alone(id, &alone);
        // The first rule that sets the backend does.
        let chosen = before.backend.or(self.effects.backend);
        self.effects.backend = chosen;
        if self.effects.allowed && !before.allowed {
            self.effect("it lets the request pass".to_owned());
        }
        if before.backend.is_none()
            && let Some(backend) = chosen
        {
            self.effect(format!("the backend is {}", self.plan.proxy(backend).name));
        }
        let acts = outcome.is_some() || self.steps.last().is_some_and(|s| !s.effects.is_empty());
        if !acts && rule.action.action != LineAction::Pass {
            if let Some(step) = self.steps.last_mut() {
                step.applies = false;
            }
            self.effect("no line fits".to_owned());
        }
        outcome
    }

    /// Runs rules by the code that runs them all.
    fn run_alone(&mut self, id: ProxyId, alone: &plan::HttpRules) -> Option<Outcome> {
        let Ok(compiled) = HttpRules::compile(alone, &[]) else {
            return None;
        };
        let before = self.lines();
        let none = AclSet::default();
        // The head is taken out, so that the facts can be about the rest of this.
        let mut head = std::mem::replace(&mut self.head, Head::new(crate::http1::Kind::Request));
        let mut effects = self.effects;
        let bytes = std::mem::take(&mut self.bytes);
        let verdict = {
            let base = crate::sample::Facts {
                request: None,
                ..self.facts(id)
            };
            let moment = Moment {
                rules: alone,
                acls: &none,
                base,
                statistics: None,
            };
            match compiled.request(moment, &mut head, &bytes, &mut Nothing, &mut effects) {
                Verdict::Deny | Verdict::Refuse => Some(denied()),
                Verdict::Invalid => Some(Outcome::Answered(
                    "400: a rule has made nonsense of it".to_owned(),
                )),
                Verdict::Tarpit => {
                    Some(Outcome::Answered("500, after 'timeout tarpit'".to_owned()))
                }
                _ => None,
            }
        };
        self.head = head;
        self.bytes = bytes;
        self.effects = effects;
        for change in self.changes(&before) {
            self.effect(change);
        }
        verdict
    }

    fn redirect(&mut self, redirect: &plan::Redirect) -> Outcome {
        let mut message = Vec::new();
        let dialect = self.plan.dialect;
        crate::http1::response::redirect(redirect, &self.head, &self.bytes, dialect, &mut message);
        let message = String::from_utf8_lossy(&message).into_owned();
        let headers = message
            .lines()
            .filter(|line| line.starts_with("Location:") || line.starts_with("Set-Cookie:"));
        let headers: Vec<&str> = headers.collect();
        Outcome::Answered(format!("{}: {}", redirect.code, headers.join(", ")))
    }

    /// Whether the client has shown a name and password of `stats auth`.
    fn knows(&self, page: &plan::StatsPage) -> bool {
        let message = crate::sample::Message {
            head: &self.head,
            bytes: &self.bytes,
        };
        let mut scratch = Vec::new();
        http::credentials(message, self.as_proxy, &mut scratch).is_some_and(|(name, password)| {
            let pair = [name, b":", password].concat();
            page.auth.iter().any(|user| user.as_bytes() == pair)
        })
    }
}

fn denied() -> Outcome {
    Outcome::Answered("403".to_owned())
}

fn password(realm: &str) -> Outcome {
    Outcome::Answered(format!("401: a password for \"{realm}\""))
}

fn statistics() -> Outcome {
    Outcome::Answered("200: the statistics page".to_owned())
}
