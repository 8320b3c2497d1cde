//! `set server`: state, health, agent, weight, address and port of checks.

use std::net::IpAddr;

use haproxy_cfg_grammar::Dialect;

use super::server::{Found, find, set_weight};
use crate::admin::command::{Answer, Command, Context, Gravity};
use crate::admin::line::number;
use crate::check::agent::Admin;
use crate::check::log::Reason;
use crate::engine::live::Place;
use crate::plan::{AccessLevel, ServerAddress, ServerPort};

/// Changes what is thought of a server, and where it is.
pub(crate) const SET_SERVER: Command = Command {
    words: "set server",
    since: Dialect::V1_8,
    level: AccessLevel::Admin,
    arguments: "",
    help: "change a server's state, health, agent, weight, addr or check-port",
    run: set_server,
};

fn set_server(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let found = match find(context, arguments.first()) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let (backend, server) = (&found.backend, &found.server);
    let value = arguments.get(2).copied().unwrap_or("");
    match (arguments.get(1).copied().unwrap_or(""), value) {
        ("weight", "") => return Answer::line("Require <weight> or <weight%>."),
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
        ("agent", _) if !server.asks_agent() => {
            return Answer::line("agent checks are not enabled on this server.");
        }
        ("agent", "up") => backend.set_agent(server, true),
        ("agent", "down") => backend.set_agent(server, false),
        ("agent", _) => return Answer::line("'set server <srv> agent' expects 'up' or 'down'."),
        ("addr", "") => {
            return Answer::line(
                "set server <b>/<s> addr requires an address and optionally a port.",
            );
        }
        ("addr", _) => return move_to(&found, value, arguments.get(3..).unwrap_or(&[])),
        ("check-port", _) => return check_port(&found, value),
        ("fqdn", _) => {
            return Answer::line(
                "hapax looks up names of servers when it reads the configuration.",
            );
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

/// Moves a server, and says what has changed.
fn move_to(found: &Found, address: &str, rest: &[&str]) -> Answer {
    const BY: &str = "by 'stats socket command'";
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Answer::told(Gravity::Warning, format!("Invalid addr '{address}' {BY}"));
    };
    let server = &found.server;
    let Place::Internet(old) = server.place() else {
        let text = "Update for the current server address family is only supported through \
                    configuration file";
        return Answer::told(Gravity::Warning, format!("{text} {BY}"));
    };
    let mut new = old;
    let mut said = if old.ip == Some(ip) {
        "no need to change the addr".to_owned()
    } else {
        new.ip = Some(ip);
        let before = old.ip.map_or_else(String::new, |ip| ip.to_string());
        format!("IP changed from '{before}' to '{ip}'")
    };
    if rest.first() == Some(&"port") {
        let text = rest.get(1).copied().unwrap_or("");
        match port(text) {
            None => {
                // Nothing is changed by half.
                return Answer::told(
                    Gravity::Warning,
                    format!(
                        "no need to change the addr, problem converting port '{text}' to an int {BY}"
                    ),
                );
            }
            Some(ServerPort::Mapped(_)) if server.settings().check.is_some() => {
                return Answer::told(
                    Gravity::Warning,
                    format!(
                        "no need to change the addr, can't change <port> to port map because it \
                         is incompatible with current health check port configuration (use 'port' \
                         statement from the 'server' directive. {BY}"
                    ),
                );
            }
            Some(port) if port == old.port => said.push_str(", no need to change the port"),
            Some(port) => {
                said.push_str(&format!(
                    ", port changed from '{}' to '{}'",
                    shown(old.port),
                    shown(port)
                ));
                new.port = port;
            }
        }
    }
    if new != old {
        server.set_address(ServerAddress { ..new });
    }
    Answer::told(Gravity::Warning, format!("{said} {BY}"))
}

/// A port, or with a sign the distance from the port that the client has connected to.
fn port(text: &str) -> Option<ServerPort> {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = number(text);
    if digits.len() < text.len() {
        return i32::try_from(value).ok().map(ServerPort::Mapped);
    }
    // As HAProxy: 16 bits of it count.
    Some(ServerPort::Fixed(value as u16))
}

fn shown(port: ServerPort) -> String {
    match port {
        ServerPort::Fixed(port) => port.to_string(),
        ServerPort::Mapped(offset) => format!("{offset:+}"),
    }
}

fn check_port(found: &Found, text: &str) -> Answer {
    let Ok(port) = text.parse::<i64>() else {
        return Answer::line("'set server <srv> check-port' expects an integer as argument.");
    };
    let Ok(port) = u16::try_from(port) else {
        return Answer::line("provided port is not valid.");
    };
    found.server.set_check_port(port);
    Answer::told(Gravity::Notice, "health check port updated.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        assert_eq!(port("80"), Some(ServerPort::Fixed(80)));
        assert_eq!(port("+5"), Some(ServerPort::Mapped(5)));
        assert_eq!(port("-5"), Some(ServerPort::Mapped(-5)));
        assert_eq!(port("99999"), Some(ServerPort::Fixed(34463)));
        assert_eq!(port(""), None);
        assert_eq!(port("+"), None);
        assert_eq!(port("8x"), None);
    }
}
