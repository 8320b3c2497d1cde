//! `show errors`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context};
use crate::admin::line::number;
use crate::plan::AccessLevel;
use crate::stats::{Captured, Direction, captured};

/// Shows the last invalid request and response of each proxy.
pub(crate) const SHOW_ERRORS: Command = Command {
    words: "show errors",
    since: Dialect::V1_4,
    level: AccessLevel::Operator,
    arguments: "",
    help: "the last invalid request and response of each proxy",
    run,
};

fn run(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let v1_4 = context.v1_4();
    let mut proxy = -1;
    if let Some(name) = arguments.first() {
        let mut proxies = context.generation.plan.proxies.iter();
        let named = proxies.find(|p| !v1_4 && p.name == *name);
        proxy = match named {
            Some(found) => found.numeric_id.into(),
            None if v1_4 || name.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                number(name)
            }
            None => return Answer::line("No such proxy."),
        };
    }
    let only = match arguments.get(1) {
        Some(&"request") if !v1_4 => Some(Direction::Request),
        Some(&"response") if !v1_4 => Some(Direction::Response),
        _ => None,
    };
    let events = context.shared.registry.captured.load(Ordering::Relaxed);
    let mut text = captured::heading(SystemTime::now(), events);
    for handles in context.generation.all_handles() {
        let kept: [Option<Arc<Captured>>; 2] = [
            handles.frontend.bad_request.lock().clone(),
            handles.backend.bad_response.lock().clone(),
        ];
        for captured in kept.into_iter().flatten() {
            if captured.concerns(proxy) && only.is_none_or(|only| only == captured.direction) {
                captured.report(context.dialect(), &mut text);
            }
        }
    }
    Answer::Text(text)
}
