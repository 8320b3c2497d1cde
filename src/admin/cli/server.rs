//! Servers: `get weight`, `set weight`, `disable server`, `enable server`.

use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context};
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

/// Changes what is thought of a server.
pub(crate) const SET_SERVER: Command = Command {
    words: "set server",
    since: Dialect::V1_8,
    level: AccessLevel::Admin,
    arguments: "",
    help: "change a server's state, health or weight",
    run: set_server,
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
fn is(wanted: &str, name: &str, id: u32) -> bool {
    match wanted.strip_prefix('#') {
        Some(wanted) => number(wanted) == i64::from(id),
        None => wanted == name,
    }
}

/// Finds `backend/server`, each by name or as `#` and its number.
pub(super) fn find(context: &Context<'_>, name: Option<&&str>) -> Result<Found, Answer> {
    let Some((backend, server)) = name.and_then(|name| name.split_once('/')) else {
        return Err(Answer::line("Require 'backend/server'."));
    };
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
    match find(context, arguments.first()) {
        Ok(found) => {
            let (now, initial) = found.server.weights();
            Answer::line(format!("{now} (initial {initial})"))
        }
        Err(answer) => answer,
    }
}

fn set_weight(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    if context.v1_4() && arguments.len() < 2 {
        return Answer::line("Require 'backend/server' and 'weight' or 'weight%'.");
    }
    let found = match find(context, arguments.first()) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let text = arguments.get(1).copied().unwrap_or("");
    let initial = found.server.weights().1;
    match weight(text, initial, context.v1_4()) {
        // What cannot be spread anew can still be taken out and put back.
        Ok(weight) if found.backend.takes_any_weight() || weight == 0 || weight == initial => {
            found.backend.set_weight(&found.server, weight);
            Answer::done()
        }
        Ok(_) if context.v1_4() => Answer::line(STATIC),
        Ok(_) => Answer::Text(STATIC.to_owned()),
        // Since 1.5 these come without the end of their line.
        Err(message) if !context.v1_4() => Answer::Text(message.to_owned()),
        Err(message) => Answer::line(message),
    }
}

const STATIC: &str =
    "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.";

/// What a weight becomes. 1.4 takes what is no number for 0; later versions refuse it.
fn weight(text: &str, initial: u32, v1_4: bool) -> Result<u32, &'static str> {
    if !v1_4 && !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("Empty weight string empty or preceded by garbage");
    }
    let value = number(text);
    if text.ends_with('%') {
        return match u32::try_from(value) {
            Ok(percent) if percent <= 100 => Ok(initial * percent / 100),
            _ => Err("Relative weight can only be set between 0 and 100% inclusive."),
        };
    }
    match u32::try_from(value) {
        Ok(weight) if weight <= 256 => Ok(weight),
        _ => Err("Absolute weight can only be between 0 and 256 inclusive."),
    }
}

fn set_server(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let found = match find(context, arguments.first()) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let (backend, server) = (&found.backend, &found.server);
    let value = arguments.get(2).copied().unwrap_or("");
    match (arguments.get(1).copied().unwrap_or(""), value) {
        ("weight", _) => return set_weight(context, &[arguments[0], value]),
        ("state", "ready") => backend.administer(server, Admin::Ready, Reason::Administrator),
        ("state", "drain") => backend.administer(server, Admin::Drain, Reason::Administrator),
        ("state", "maint") => backend.administer(server, Admin::Maintenance, Reason::Administrator),
        ("state", _) => {
            return Answer::line("'set server <srv> state' expects 'ready', 'drain' and 'maint'.");
        }
        ("health", _) if !server.is_checked() => {
            return Answer::line("cannot change health on a tracking server.");
        }
        ("health", "up") => backend.set_health(server, true, false, Reason::Administrator),
        ("health", "stopping") => backend.set_health(server, true, true, Reason::Administrator),
        ("health", "down") => backend.set_health(server, false, false, Reason::Administrator),
        ("health", _) => {
            return Answer::line("'set server <srv> health' expects 'up', 'stopping', or 'down'.");
        }
        _ => {
            return Answer::line(
                "'set server <srv>' only supports 'agent', 'health', 'state', 'weight', 'addr', \
                 'fqdn' and 'check-port'.",
            );
        }
    }
    Answer::done()
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
        ] {
            assert_eq!(weight(text, 10, v1_4), expected, "{text}");
        }
        for (text, v1_4) in [
            ("257", true),
            ("-1", true),
            ("101%", true),
            ("abc", false),
            ("", false),
            ("99999999999", true),
        ] {
            assert!(weight(text, 10, v1_4).is_err(), "{text}");
        }
    }
}
