//! `show servers state`, `show backend`.

use std::fmt::Write as _;
use std::sync::Arc;

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use crate::admin::command::{Answer, Command, Context};
use crate::check::Status;
use crate::engine::live::{Particulars, Server};
use crate::plan::{AccessLevel, Proxy, ServerPort};

/// Shows what a process would have to know to go on with the servers.
pub(crate) const SHOW_SERVERS_STATE: Command = Command {
    words: "show servers state",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "[id]",
    help: "state, weight and checks of the servers (of a backend)",
    run: show,
};

/// Lists the backends.
pub(crate) const SHOW_BACKEND: Command = Command {
    words: "show backend",
    arguments: "",
    help: "the backends",
    run: |context, _| {
        let mut text = "# name\n".to_owned();
        let proxies = context.generation.plan.proxies.iter();
        for proxy in proxies.filter(|proxy| proxy.role.is_backend()) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", proxy.name);
        }
        Answer::Text(text)
    },
    ..SHOW_SERVERS_STATE
};

/// The version of the format, and the names of its columns.
const HEADING: &str = "1\n\
    # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
    srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state \
    srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port\n";

fn show(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let generation = &context.generation;
    let wanted = arguments.first();
    let mut text = HEADING.to_owned();
    let mut found = wanted.is_none();
    let now = Instant::now();
    for (proxy, handles) in generation.plan.proxies.iter().zip(generation.all_handles()) {
        if !proxy.role.is_backend() || wanted.is_some_and(|wanted| *wanted != proxy.name) {
            continue;
        }
        found = true;
        for (id, live) in proxy
            .servers
            .iter()
            .map(|s| s.numeric_id)
            .zip(&handles.servers)
        {
            line(proxy, id, live, now, &mut text);
        }
    }
    if !found {
        return Answer::line("Can't find backend.");
    }
    Answer::Text(text)
}

fn line(proxy: &Proxy, id: u32, server: &Arc<Server>, now: Instant, text: &mut String) {
    let state = server.particulars(now);
    let settings = server.settings();
    let ip = settings.address.ip;
    let port = match settings.address.port {
        ServerPort::Fixed(port) => i64::from(port),
        ServerPort::Mapped(offset) => offset.into(),
    };
    let tracks = !server.is_checked();
    // A server that is not checked has the health of one that has just begun to be.
    let health = match &settings.check {
        _ if state.maintenance => 0,
        Some(_) => state.health.level,
        None if !state.health.is_up() => 0,
        None if state.health.stopping => DEFAULT_RISE + DEFAULT_FALL - 1,
        None => DEFAULT_RISE,
    };
    let checks = flags(&[
        (state.checking, 1),
        (settings.check.is_some(), 2),
        (settings.check.is_some() && !server.checks_are_paused(), 4),
        (state.maintenance || state.inherits_maintenance, 8),
    ]);
    let agent = flags(&[
        (settings.agent.is_some(), 2 + 16),
        (settings.agent.is_some() && !server.agent_is_paused(), 4),
    ]);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} {} {id} {} {} {} {} {} {} {} {} {} {health} {checks} {agent} 0 0 - {port}",
        proxy.numeric_id,
        proxy.name,
        server.name,
        match (&settings.socket, ip) {
            (Some(_), _) => String::new(),
            (None, None) => "0.0.0.0".to_owned(),
            (None, Some(ip)) => ip.to_string(),
        },
        operational(&state, tracks, server.is_up()),
        flags(&[
            (state.maintenance, 1),
            (state.inherits_maintenance, 2),
            (state.disabled, 4),
            (state.drain, 8),
        ]),
        state.weights.0,
        state.weights.1,
        state.since_change.as_secs(),
        status(state.report),
        result(&state, settings.check.is_some()),
    );
}

/// `rise` and `fall` when nothing is said.
const DEFAULT_RISE: u32 = 2;
const DEFAULT_FALL: u32 = 3;

/// 0 stopped, 2 running, 3 running for those who are there already. In maintenance a server keeps
/// the state that it had, unless the file has it there.
fn operational(state: &Particulars, tracks: bool, up: bool) -> u32 {
    let runs = if tracks {
        up || state.maintenance
    } else if state.maintenance {
        !state.disabled && state.health.is_up()
    } else {
        state.up
    };
    match (runs, state.stopping) {
        (false, _) => 0,
        (true, false) => 2,
        (true, true) => 3,
    }
}

fn flags(flags: &[(bool, u32)]) -> u32 {
    flags
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, bit)| bit)
        .sum()
}

/// The outcome of the last check as a number.
fn status(status: Status) -> u32 {
    match status {
        Status::Initializing => 1,
        Status::Unchanged => 3,
        Status::Observed => 4,
        Status::SocketError => 5,
        Status::L4Ok => 6,
        Status::L4Timeout => 7,
        Status::L4Refused => 8,
        Status::L6Ok => 9,
        Status::L6Timeout => 10,
        Status::L6Invalid => 11,
        Status::L7Timeout => 12,
        Status::L7Invalid => 13,
        Status::L7Ok => 15,
        Status::L7Conditional => 16,
        Status::L7Wrong => 17,
    }
}

/// 0 unknown, 2 failed, 3 passed, 4 passed for those who are there already.
fn result(state: &Particulars, checked: bool) -> u32 {
    match state.report {
        _ if !checked => 0,
        Status::Initializing => 0,
        Status::L7Conditional => 4,
        passed if passed.passes() => 3,
        _ => 2,
    }
}
