//! `disable health`, `enable health`, `disable agent`, `enable agent`.

use haproxy_cfg_grammar::Dialect;

use super::server::find;
use crate::admin::command::{Answer, Command, Context};
use crate::plan::AccessLevel;

/// Leaves the agent alone.
pub(crate) const DISABLE_AGENT: Command = Command {
    words: "disable agent",
    help: "do not ask the agent of a server any more",
    run: |context, arguments| agent(context, arguments, true),
    ..DISABLE_HEALTH
};

/// Lets the checks of a server rest.
pub(crate) const DISABLE_HEALTH: Command = Command {
    words: "disable health",
    since: Dialect::V1_8,
    level: AccessLevel::Admin,
    arguments: "",
    help: "let the checks of a server rest; it keeps its health",
    run: |context, arguments| health(context, arguments, true),
};

/// Asks the agent again.
pub(crate) const ENABLE_AGENT: Command = Command {
    words: "enable agent",
    help: "ask the agent of a server again",
    run: |context, arguments| agent(context, arguments, false),
    ..DISABLE_HEALTH
};

/// Lets the checks go on.
pub(crate) const ENABLE_HEALTH: Command = Command {
    words: "enable health",
    help: "check a server again",
    run: |context, arguments| health(context, arguments, false),
    ..DISABLE_HEALTH
};

fn health(context: &mut Context<'_>, arguments: &[&str], pause: bool) -> Answer {
    match find(context, arguments.first()) {
        Ok(found) => {
            // One that is not checked has nothing to let rest.
            if found.server.settings().check.is_some() {
                found.server.pause_checks(pause);
            }
            Answer::done()
        }
        Err(answer) => answer,
    }
}

fn agent(context: &mut Context<'_>, arguments: &[&str], pause: bool) -> Answer {
    let found = match find(context, arguments.first()) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if found.server.settings().agent.is_some() {
        found.server.pause_agent(pause);
    } else if !pause {
        return Answer::line("Agent was not configured on this server, cannot enable.");
    }
    Answer::done()
}
