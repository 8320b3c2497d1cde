//! `show info`.

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context};
use crate::engine::statistics;
use crate::plan::AccessLevel;
use crate::stats::typed;

/// Shows the process.
pub(crate) const SHOW_INFO: Command = Command {
    words: "show info",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "the process: limits, connections, rates",
    run,
};

fn run(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let info = statistics::info(context.shared, &context.generation.plan);
    let dialect = context.dialect();
    // 1.4 takes them for nothing.
    match arguments.first().filter(|_| !context.v1_4()) {
        Some(&"typed") => {
            let mut text = String::new();
            typed::info_lines(&info, dialect, &mut text);
            Answer::Text(text)
        }
        Some(&"json") => Answer::Text(typed::info_json(&info, dialect)),
        _ => Answer::Text(info.text(dialect)),
    }
}
