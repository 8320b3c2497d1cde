//! Rules over every line of a head, the first included: `reqrep`, `rspdel` and the others. Manual
//! 1.4, section 6.

use haproxy_cfg_grammar::Dialect;

use super::Replacement;
use crate::acl::AclSet;
use crate::http1::{Head, Kind};
use crate::plan::{Condition, LineAction, LineRule, ProxyId, Rule};
use crate::regular_expression::{BadRegex, Regex};
use crate::sample::{Facts, Message};

/// The rules of one side of one proxy, in file order.
#[derive(Debug, Default)]
pub struct LineRules {
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    regex: Regex,
    action: Action,
    condition: Option<Condition>,
}

#[derive(Debug)]
enum Action {
    Allow,
    Deny,
    Delete,
    Pass,
    Replace(Replacement),
    Tarpit,
    SetBackend(ProxyId),
}

/// What the rules have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The message is refused.
    pub denied: bool,
    /// The client is held, then refused.
    pub tarpitted: bool,
    /// A replacement has made the first line none.
    pub invalid: bool,
    /// Another backend serves the request.
    pub backend: Option<ProxyId>,
}

impl LineRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// What is wrong with a regular expression.
    pub fn compile(rules: &[Rule<LineRule>]) -> Result<Self, BadRegex> {
        let compile = |rule: &Rule<LineRule>| {
            let action = match &rule.action.action {
                LineAction::Allow => Action::Allow,
                LineAction::Deny => Action::Deny,
                LineAction::Delete => Action::Delete,
                LineAction::Pass => Action::Pass,
                LineAction::Replace(text) => Action::Replace(Replacement::new(text)),
                LineAction::Tarpit => Action::Tarpit,
                LineAction::SetBackend(backend) => Action::SetBackend(*backend),
            };
            Ok(Compiled {
                regex: Regex::new(&rule.action.pattern, rule.action.ignore_case)?,
                action,
                condition: rule.condition.clone(),
            })
        };
        Ok(Self {
            rules: rules.iter().map(compile).collect::<Result<_, BadRegex>>()?,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Runs the rules over a head; `base` are the facts without it. `allowed` is kept from one
    /// proxy's rules to the other's.
    ///
    /// A rule that matches the first line does not look at the others. After `allow`, only rules
    /// that change lines still act.
    pub fn run(
        &self,
        head: &mut Head,
        bytes: &[u8],
        acls: &AclSet,
        base: Facts<'_>,
        kind: Kind,
        allowed: &mut bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut line = Vec::new();
        for rule in &self.rules {
            let edits = matches!(
                rule.action,
                Action::Delete | Action::Replace(_) | Action::SetBackend(_)
            );
            if *allowed && !edits {
                continue;
            }
            if rule.condition.is_some()
                && !acls.applies(rule.condition.as_ref(), &facts(base, kind, head, bytes))
            {
                continue;
            }
            if first_line(rule, head, bytes, &mut line, &mut outcome, allowed) {
                if outcome.invalid {
                    return outcome;
                }
            } else {
                let dialect = base.dialect;
                header_lines(rule, head, bytes, &mut line, &mut outcome, allowed, dialect);
            }
            if outcome.denied || outcome.tarpitted {
                break;
            }
        }
        outcome
    }
}

/// The facts with the head in them, as the rules have left it so far.
fn facts<'m>(base: Facts<'m>, kind: Kind, head: &'m Head, bytes: &'m [u8]) -> Facts<'m> {
    let message = Some(Message { head, bytes });
    match kind {
        Kind::Request => Facts {
            request: message,
            ..base
        },
        Kind::Response => Facts {
            response: message,
            ..base
        },
    }
}

/// Answers whether the rule has acted on the first line.
fn first_line(
    rule: &Compiled,
    head: &mut Head,
    bytes: &[u8],
    line: &mut Vec<u8>,
    outcome: &mut Outcome,
    allowed: &mut bool,
) -> bool {
    let text = head.start_line(bytes);
    match &rule.action {
        // The first line can neither be removed nor passed.
        Action::Delete | Action::Pass => return false,
        Action::Replace(replacement) => {
            let Some(groups) = rule.regex.captures(text) else {
                return false;
            };
            line.clear();
            replacement.write(text, &groups, line);
            outcome.invalid = !head.set_start_line(line);
            return true;
        }
        _ if !rule.regex.is_match(text) => return false,
        Action::Allow => *allowed = true,
        Action::Deny => outcome.denied = true,
        Action::Tarpit => outcome.tarpitted = true,
        Action::SetBackend(backend) => {
            outcome.backend.get_or_insert(*backend);
        }
    }
    true
}

fn header_lines(
    rule: &Compiled,
    head: &mut Head,
    bytes: &[u8],
    line: &mut Vec<u8>,
    outcome: &mut Outcome,
    allowed: &mut bool,
    dialect: Dialect,
) {
    for index in 0..head.line_count() {
        if head.is_removed(index) {
            continue;
        }
        let text = head.line(bytes, index);
        if let Action::Replace(replacement) = &rule.action {
            if let Some(groups) = rule.regex.captures(text) {
                line.clear();
                replacement.write(text, &groups, line);
                head.replace(index, line);
            }
            continue;
        }
        if !rule.regex.is_match(text) {
            continue;
        }
        match &rule.action {
            Action::Delete => {
                if dialect == Dialect::Hapax {
                    head.remove(index);
                } else {
                    head.remove_losing_the_end(index);
                }
                continue;
            }
            Action::Allow => *allowed = true,
            Action::Deny => outcome.denied = true,
            Action::Tarpit => outcome.tarpitted = true,
            Action::SetBackend(backend) => {
                outcome.backend.get_or_insert(*backend);
            }
            Action::Pass | Action::Replace(_) => {}
        }
        return;
    }
}
