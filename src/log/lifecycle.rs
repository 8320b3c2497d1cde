//! What HAProxy logs about proxies as a whole: start, pause, stop, and the states that SIGHUP asks
//! for. Pure.

use std::time::Duration;

use crate::plan::{Proxy, Role};

/// The head of the report that SIGHUP asks for, on the terminal.
pub const DUMP: &str = "SIGHUP received, dumping servers states.";

/// A server at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Its name.
    pub name: String,
    /// Whether it is used.
    pub up: bool,
    /// Connections now.
    pub current: u32,
    /// Requests that wait for it alone.
    pub waiting: u32,
    /// Sessions so far.
    pub total: u64,
}

/// A proxy at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyState {
    /// Its servers.
    pub servers: Vec<ServerState>,
    /// Servers that are used, without and with `backup`.
    pub usable: (u32, u32),
    /// Sessions now, of frontend and backend.
    pub current: (u32, u32),
    /// Requests that wait for a server, and those of them that wait for any.
    pub waiting: (u32, u32),
    /// Sessions so far, of frontend and backend.
    pub total: (u64, u64),
}

fn kind(proxy: &Proxy) -> &'static str {
    match proxy.role {
        Role::Frontend => "frontend",
        Role::Backend => "backend",
        Role::Listen => "proxy",
    }
}

/// Level notice.
pub fn started(proxy: &Proxy) -> String {
    format!("Proxy {} started.", proxy.name)
}

/// Level warning.
pub fn pausing(proxy: &Proxy) -> String {
    format!("Pausing {} {}.", kind(proxy), proxy.name)
}

/// Level warning.
pub fn enabling(proxy: &Proxy) -> String {
    format!("Enabling {} {}.", kind(proxy), proxy.name)
}

/// Level warning.
pub fn stopping(proxy: &Proxy, grace: Duration) -> String {
    let (kind, name) = (kind(proxy), &proxy.name);
    format!("Stopping {kind} {name} in {} ms.", grace.as_millis())
}

/// Level warning; with the sessions of both sides so far.
pub fn stopped(proxy: &Proxy, front: u64, back: u64) -> String {
    let name = &proxy.name;
    format!("Proxy {name} stopped (FE: {front} conns, BE: {back} conns).")
}

/// Level notice; the head of [`states`] in the log of a proxy.
pub fn dumping(proxy: &Proxy) -> String {
    let name = &proxy.name;
    format!("SIGHUP received, dumping servers states for proxy {name}.")
}

/// Level notice: a line for each server, and one for the proxy.
pub fn states(proxy: &Proxy, state: &ProxyState) -> Vec<String> {
    let name = &proxy.name;
    let mut lines: Vec<String> = state
        .servers
        .iter()
        .map(|server| {
            format!(
                "SIGHUP: Server {name}/{} is {}. Conn: {} act, {} pend, {} tot.",
                server.name,
                if server.up { "UP" } else { "DOWN" },
                server.current,
                server.waiting,
                server.total
            )
        })
        .collect();
    let servers = match state.usable {
        _ if state.servers.is_empty() => "has no servers.".to_owned(),
        (0, 0) => "has no server available !".to_owned(),
        (active, backup) => {
            format!("has {active} active servers and {backup} backup servers available.")
        }
    };
    lines.push(format!(
        "SIGHUP: Proxy {name} {servers} Conn: act(FE+BE): {}+{}, {} pend ({} unass), \
         tot(FE+BE): {}+{}.",
        state.current.0,
        state.current.1,
        state.waiting.0,
        state.waiting.1,
        state.total.0,
        state.total.1
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_servers() {
        let proxy = Proxy::new("b", Role::Backend);
        let server = |name: &str, up, total| ServerState {
            name: name.to_owned(),
            up,
            current: 0,
            waiting: 0,
            total,
        };
        let mut state = ProxyState {
            servers: vec![server("s1", true, 12), server("s2", false, 0)],
            usable: (1, 1),
            total: (0, 3),
            ..ProxyState::default()
        };
        assert_eq!(
            states(&proxy, &state),
            [
                "SIGHUP: Server b/s1 is UP. Conn: 0 act, 0 pend, 12 tot.",
                "SIGHUP: Server b/s2 is DOWN. Conn: 0 act, 0 pend, 0 tot.",
                "SIGHUP: Proxy b has 1 active servers and 1 backup servers available. Conn: \
                 act(FE+BE): 0+0, 0 pend (0 unass), tot(FE+BE): 0+3.",
            ]
        );
        state.usable = (0, 0);
        assert!(states(&proxy, &state)[2].contains("b has no server available ! Conn: "));
        state.servers.clear();
        assert!(states(&proxy, &state)[0].contains("b has no servers. Conn: "));
    }

    #[test]
    fn the_kind_of_a_section_is_named() {
        for (role, text) in [
            (Role::Frontend, "Stopping frontend x in 700 ms."),
            (Role::Backend, "Stopping backend x in 700 ms."),
            (Role::Listen, "Stopping proxy x in 700 ms."),
        ] {
            let proxy = Proxy::new("x", role);
            assert_eq!(stopping(&proxy, Duration::from_millis(700)), text);
        }
    }
}
