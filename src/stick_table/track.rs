//! `track-sc0` and its like, in any family of rules.

use super::{Event, Key, Span};
use crate::plan::{Change, DataType, Track, TrackingAction};
use crate::sample::{Certainty, Facts};

/// Does what a rule says. Answers whether there may be a key later where there is none yet.
pub fn act(action: &TrackingAction, facts: &Facts<'_>, span: Span) -> Certainty {
    match action {
        TrackingAction::Track(rule) => return track(rule, facts, span),
        TrackingAction::Change { counter, change } => {
            let now = facts.world.now();
            let tracking = facts.world.tracking();
            tracking.and_then(|tracking| {
                tracking.look(*counter, |tracked| {
                    let Some(cells) = tracked.cells() else {
                        return;
                    };
                    match change {
                        Change::IncGpc0 => cells.count(Event::Gpc0, now),
                        Change::SetGpt0(value) => {
                            cells.set(DataType::Gpt0, u64::from(*value), now);
                        }
                    }
                })
            });
        }
    }
    Certainty::Final
}

/// Tracks the entry of a key from now on, unless one is tracked already under that number.
fn track(rule: &Track, facts: &Facts<'_>, span: Span) -> Certainty {
    let world = facts.world;
    let Some(tracking) = world.tracking() else {
        return Certainty::Final;
    };
    let table = rule.table.id.and_then(|id| world.stick_table(id));
    let Some(table) = table.filter(|_| !tracking.has(rule.counter)) else {
        return Certainty::Final;
    };
    let now = world.now();
    let (key, certainty) = Key::sampled(&rule.key, table.key_type(), facts);
    let Some(tracked) = key.and_then(|key| table.track(&key, now)) else {
        return certainty;
    };
    if let Some(cells) = tracked.cells() {
        cells.count(Event::Connection, now);
        // Whoever is tracked once there is a request has made one.
        if facts.request.is_some() || facts.response.is_some() {
            cells.count(Event::Request, now);
        }
        let status = facts
            .response
            .map(|response| response.head.status(response.bytes));
        if status.is_some_and(|status| (400..500).contains(&status)) {
            cells.count(Event::Error, now);
        }
    }
    tracking.keep(rule.counter, span, tracked);
    Certainty::Final
}
