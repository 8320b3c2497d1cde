//! Servers: `get weight`, `set weight`, `disable server`, `enable server`.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context, Gravity};
use crate::admin::line::number;
use crate::check::agent::Admin;
use crate::check::log::Reason;
use crate::engine::generation::Handles;
use crate::engine::live::{Backend, Server};
use crate::plan::{AccessLevel, Proxy};

/// Shows a weight.
pub(crate) const GET_WEIGHT: Command = Command {
    words: "get weight",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "the weight of a server, and the one in the configuration",
    run: get_weight,
};

/// Changes a weight.
pub(crate) const SET_WEIGHT: Command = Command {
    words: "set weight",
    since: Dialect::V1_4,
    level: AccessLevel::Admin,
    arguments: "",
    help: "give a server another weight (0 to 256, or a percentage)",
    run: set_weight,
};

/// Takes a server out.
pub(crate) const DISABLE_SERVER: Command = Command {
    words: "disable server",
    since: Dialect::V1_4,
    level: AccessLevel::Admin,
    arguments: "",
    help: "put a server into maintenance",
    run: |context, arguments| administer(context, arguments, Admin::Maintenance),
};

/// Takes it back in.
pub(crate) const ENABLE_SERVER: Command = Command {
    words: "enable server",
    since: Dialect::V1_4,
    level: AccessLevel::Admin,
    arguments: "",
    help: "take a server out of maintenance",
    run: |context, arguments| administer(context, arguments, Admin::Ready),
};

/// A server with its backend.
pub(crate) struct Found {
    /// The backend.
    pub(crate) backend: Arc<Backend>,
    /// The server.
    pub(crate) server: Arc<Server>,
}

/// Finds a server of a proxy, by name or as `#` and its number.
pub(crate) fn in_backend(proxy: &Proxy, handles: &Handles, name: &str) -> Option<Found> {
    let mut servers = proxy.servers.iter().zip(&handles.servers);
    let (_, live) = servers.find(|(plan, _)| is(name, &plan.name, plan.numeric_id))?;
    Some(Found {
        backend: Arc::clone(&handles.backend),
        server: Arc::clone(live),
    })
}

/// Whether a name, or `#` and a number, is meant.
pub(super) fn is(wanted: &str, name: &str, id: u32) -> bool {
    match wanted.strip_prefix('#') {
        Some(wanted) => number(wanted) == i64::from(id),
        None => wanted == name,
    }
}

/// Finds `backend/server`, each by name or as `#` and its number.
pub(super) fn find(context: &Context<'_>, name: Option<&&str>) -> Result<Found, Answer> {
    let both = name.and_then(|name| name.split_once('/'));
    match both.filter(|(backend, server)| !backend.is_empty() && !server.is_empty()) {
        Some((backend, server)) => look_up(context, backend, server),
        None => Err(Answer::line("Require 'backend/server'.")),
    }
}

/// The same for commands that let the backend be empty, and have their own words for the rest.
fn find_for_weight(
    context: &Context<'_>,
    name: Option<&&str>,
    usage: &str,
) -> Result<Found, Answer> {
    let both = name.and_then(|name| name.split_once('/'));
    match both.filter(|(_, server)| !server.is_empty()) {
        Some((backend, server)) => look_up(context, backend, server),
        None => Err(Answer::line(usage)),
    }
}

fn look_up(context: &Context<'_>, backend: &str, server: &str) -> Result<Found, Answer> {
    let generation = &context.generation;
    let mut proxies = generation.plan.proxies.iter().zip(generation.all_handles());
    let found = proxies
        .find(|(proxy, _)| proxy.role.is_backend() && is(backend, &proxy.name, proxy.numeric_id));
    let Some((proxy, handles)) = found else {
        return Err(Answer::line("No such backend."));
    };
    in_backend(proxy, handles, server).ok_or_else(|| Answer::line("No such server."))
}

fn get_weight(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    match find_for_weight(context, arguments.first(), "Require 'backend/server'.") {
        Ok(found) => {
            let (now, initial) = found.server.weights();
            Answer::data(format!("{now} (initial {initial})"))
        }
        Err(answer) => answer,
    }
}

pub(super) fn set_weight(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    const USAGE: &str = "Require 'backend/server' and 'weight' or 'weight%'.";
    let found = match context.v1_4() {
        true if arguments.len() < 2 => Err(Answer::line(USAGE)),
        true => find_for_weight(context, arguments.first(), USAGE),
        false => find(context, arguments.first()),
    };
    let found = match found {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let Some(text) = arguments.get(1) else {
        return Answer::line("Require <weight> or <weight%>.");
    };
    let initial = found.server.weights().1;
    match weight(text, initial, context.v1_4()) {
        // What cannot be spread anew can still be taken out and put back.
        Ok(weight) if found.backend.takes_any_weight() || weight == 0 || weight == initial => {
            found.backend.set_weight(&found.server, weight);
            Answer::done()
        }
        Ok(_) => Answer::line(STATIC),
        // Since 1.5 these come without the end of their line.
        Err(message @ (GARBAGE | TRAILING)) => Answer::Told(Gravity::Error, message.to_owned()),
        Err(message) => Answer::line(message),
    }
}

const STATIC: &str =
    "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.";
const GARBAGE: &str = "Empty weight string empty or preceded by garbage";
const TRAILING: &str = "Trailing garbage in weight string";

/// What a weight becomes. 1.4 takes what is no number for 0; later versions refuse it, and take
/// percentages above 100.
fn weight(text: &str, initial: u32, v1_4: bool) -> Result<u32, &'static str> {
    if !v1_4 {
        let digits = text.trim_start_matches(['+', '-']);
        let end = digits.find(|c: char| !c.is_ascii_digit());
        match end.unwrap_or(digits.len()) {
            0 => return Err(GARBAGE),
            end if !matches!(&digits[end..], "" | "%") => return Err(TRAILING),
            _ => {}
        }
    }
    let value = number(text);
    if text.ends_with('%') {
        let percent = u64::try_from(value);
        return match percent {
            Ok(percent) if !v1_4 => Ok(percent
                .saturating_mul(initial.into())
                .saturating_div(100)
                .min(256) as u32),
            Ok(percent) if percent <= 100 => Ok(initial * percent as u32 / 100),
            _ if !v1_4 => Err("Relative weight must be positive."),
            _ => Err("Relative weight can only be set between 0 and 100% inclusive."),
        };
    }
    match u32::try_from(value) {
        Ok(weight) if weight <= 256 => Ok(weight),
        _ => Err("Absolute weight can only be between 0 and 256 inclusive."),
    }
}

fn administer(context: &mut Context<'_>, arguments: &[&str], wish: Admin) -> Answer {
    match find(context, arguments.first()) {
        Ok(found) => {
            found
                .backend
                .administer(&found.server, wish, Reason::Administrator);
            Answer::done()
        }
        Err(answer) => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        for (text, v1_4, expected) in [
            ("7", true, Ok(7)),
            ("256", true, Ok(256)),
            ("50%", true, Ok(5)),
            ("%", true, Ok(0)),
            ("abc", true, Ok(0)),
            ("+5", true, Ok(5)),
            ("+5", false, Ok(5)),
            ("150%", false, Ok(15)),
            ("99999999999999999999%", false, Ok(256)),
        ] {
            assert_eq!(weight(text, 10, v1_4), expected, "{text}");
        }
        for (text, v1_4) in [
            ("257", true),
            ("-1", true),
            ("101%", true),
            ("abc", false),
            ("", false),
            ("5x", false),
            ("5%x", false),
            ("-5%", false),
            ("99999999999", true),
        ] {
            assert!(weight(text, 10, v1_4).is_err(), "{text}");
        }
    }
}
