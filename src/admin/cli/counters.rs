//! `clear counters`.

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context};
use crate::plan::AccessLevel;

/// Forgets the highest values; with `all`, everything that was counted.
pub(crate) const CLEAR_COUNTERS: Command = Command {
    words: "clear counters",
    since: Dialect::V1_4,
    level: AccessLevel::Operator,
    arguments: "",
    help: "forget the highest values ('all': and what was counted)",
    run,
};

fn run(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let all = arguments.first() == Some(&"all");
    if all && context.level < AccessLevel::Admin {
        return Answer::line("Permission denied");
    }
    context.shared.registry.counters.clear(all);
    for handles in context.generation.all_handles() {
        handles.frontend.clear(all);
        for listener in &handles.listeners {
            listener.clear(all);
        }
        handles.backend.clear(all);
        for server in &handles.servers {
            server.clear(all);
        }
    }
    Answer::done()
}
