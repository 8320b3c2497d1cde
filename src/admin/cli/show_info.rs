//! `show info`.

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context};
use crate::engine::statistics;
use crate::plan::AccessLevel;

/// Shows the process.
pub(crate) const SHOW_INFO: Command = Command {
    words: "show info",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "the process: limits, connections, rates",
    run,
};

fn run(context: &mut Context<'_>, _: &[&str]) -> Answer {
    let info = statistics::info(context.shared, &context.generation.plan);
    Answer::Text(info.text(context.dialect()))
}
