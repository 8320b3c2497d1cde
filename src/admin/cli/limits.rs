//! `set maxconn`, `set rate-limit`.

use haproxy_cfg_grammar::Dialect;

use super::frontend;
use super::server::find;
use crate::admin::command::{Answer, Command, Context, Gravity};
use crate::admin::line::number;
use crate::plan::AccessLevel;

/// Gives a server another limit.
pub(crate) const SET_MAXCONN_SERVER: Command = Command {
    words: "set maxconn server",
    since: Dialect::V1_8,
    level: AccessLevel::Admin,
    arguments: "",
    help: "give a server another maxconn",
    run: server,
};

/// Gives the process another limit.
pub(crate) const SET_MAXCONN_GLOBAL: Command = Command {
    words: "set maxconn global",
    help: "give the process another maxconn, up to the one in the configuration",
    run: global,
    ..SET_MAXCONN_SERVER
};

/// Gives a frontend another limit.
pub(crate) const SET_MAXCONN_FRONTEND: Command = Command {
    words: "set maxconn frontend",
    help: "give a frontend another maxconn",
    run: of_frontend,
    ..SET_MAXCONN_SERVER
};

/// Limits how fast connections are accepted.
pub(crate) const SET_RATE_LIMIT: Command = Command {
    words: "set rate-limit",
    help: "limit how many connections or sessions begin in a second",
    run: rate,
    ..SET_MAXCONN_SERVER
};

fn server(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let found = match find(context, arguments.first()) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let Some(text) = arguments.get(1) else {
        return Answer::line("Require <maxconn>.");
    };
    let digits = text.trim_start_matches(['+', '-']);
    let end = digits.find(|c: char| !c.is_ascii_digit());
    match end.unwrap_or(digits.len()) {
        0 => {
            let text = "maxconn string empty or preceded by garbage".to_owned();
            return Answer::Told(Gravity::Error, text);
        }
        end if end < digits.len() => {
            let text = "Trailing garbage in maxconn string".to_owned();
            return Answer::Told(Gravity::Error, text);
        }
        _ => {}
    }
    let limit = u32::try_from(number(text)).unwrap_or(0);
    found.backend.set_maxconn(&found.server, limit);
    Answer::done()
}

fn of_frontend(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let found = match frontend::find(context, arguments.first()) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let Some(text) = arguments.get(1) else {
        return Answer::line("Integer value expected.");
    };
    let Ok(limit) = u32::try_from(number(text)) else {
        return Answer::line("Value out of range.");
    };
    found.live.maxconn.set(limit);
    found.live.sessions.set_limit(limit);
    Answer::done()
}

fn global(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let Some(text) = arguments.first() else {
        return Answer::line("Expects an integer value.");
    };
    let most = context.generation.plan.global.maxconn;
    // 0, and what is no number, is the limit of the configuration again.
    let limit = match u32::try_from(number(text).max(0)) {
        Ok(0) => most,
        Ok(limit) if limit <= most => limit,
        _ => return Answer::line("Value out of range."),
    };
    let registry = &context.shared.registry;
    registry.maxconn.set(limit);
    registry.process.set_limit(limit);
    Answer::done()
}

fn rate(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let registry = &context.shared.registry;
    let limit = match (arguments.first(), arguments.get(1)) {
        (Some(&"connections"), Some(&"global")) => &registry.connection_rate.limit,
        (Some(&"sessions"), Some(&"global")) => &registry.session_rate.limit,
        (Some(&"http-compression"), Some(&"global")) => {
            return Answer::line("hapax does not compress: there is no speed to limit.");
        }
        _ => {
            return Answer::line(
                "'set rate-limit' only supports :\n   \
                 - 'connections global' to set the per-process maximum connection rate\n   \
                 - 'sessions global' to set the per-process maximum session rate\n   \
                 - 'http-compression global' to set the per-process maximum compression speed in \
                 kB/s",
            );
        }
    };
    let Some(text) = arguments.get(2) else {
        return Answer::line("Expects an integer value.");
    };
    let Ok(value) = u64::try_from(number(text)) else {
        return Answer::line("Value out of range.");
    };
    limit.set(u32::try_from(value).unwrap_or(u32::MAX));
    Answer::done()
}
