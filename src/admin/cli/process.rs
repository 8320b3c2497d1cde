//! What is about the process: environment, sockets, descriptors, memory, messages of the start.

use std::fmt::Write as _;
use std::net::SocketAddr;

use haproxy_cfg_grammar::Dialect;

use super::reload::{ask, ask_and};
use crate::admin::command::{Answer, Command, Context};
use crate::engine::control::Question;
use crate::plan::{AccessLevel, ListenAddress};

/// Shows what was said about the configuration.
pub(crate) const SHOW_STARTUP_LOGS: Command = Command {
    words: "show startup-logs",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "",
    help: "what was said about the configuration when it was read",
    run: |context, _| {
        ask_and(context, Question::Messages, |text| {
            if text.is_empty() {
                "No startup alerts/warnings.\n".to_owned()
            } else {
                text
            }
        })
    },
};

/// Shows the environment.
pub(crate) const SHOW_ENV: Command = Command {
    words: "show env",
    level: AccessLevel::Operator,
    arguments: "[var]",
    help: "the variables of the environment",
    run: environment,
    ..SHOW_STARTUP_LOGS
};

/// Shows the statistics sockets.
pub(crate) const SHOW_CLI_SOCKETS: Command = Command {
    words: "show cli sockets",
    level: AccessLevel::User,
    help: "the statistics sockets, with their levels",
    run: sockets,
    ..SHOW_STARTUP_LOGS
};

/// Shows open descriptors.
pub(crate) const SHOW_FD: Command = Command {
    words: "show fd",
    level: AccessLevel::Operator,
    arguments: "[num]",
    help: "the descriptors that are open, and what they are",
    run: descriptors,
    ..SHOW_STARTUP_LOGS
};

/// Shows memory.
pub(crate) const SHOW_POOLS: Command = Command {
    words: "show pools",
    help: "memory that is allocated for traffic",
    run: |context, _| ask(context, Question::Memory),
    ..SHOW_STARTUP_LOGS
};

fn environment(_: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let mut text = String::new();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if arguments.first().is_none_or(|wanted| *wanted == name) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}={}", value.to_string_lossy());
        }
    }
    if text.is_empty() && !arguments.is_empty() {
        return Answer::line("Variable not found");
    }
    Answer::Text(text)
}

fn sockets(context: &mut Context<'_>, _: &[&str]) -> Answer {
    let mut text = "# socket lvl processes\n".to_owned();
    for socket in &context.generation.plan.global.stats_sockets {
        let level = match socket.level {
            AccessLevel::User => "user",
            AccessLevel::Operator => "operator",
            AccessLevel::Admin => "admin",
        };
        // Writing to a String cannot fail.
        let _ = match &socket.address {
            ListenAddress::Unix(socket) => writeln!(text, "{socket} {level} all"),
            ListenAddress::Tcp { ip, port } => {
                writeln!(text, "{} {level} all", SocketAddr::new(*ip, *port))
            }
        };
    }
    Answer::Text(text)
}

fn descriptors(_: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return Answer::line("The system does not say which descriptors are open.");
    };
    let mut open: Vec<(u32, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((number, target.to_string_lossy().into_owned()))
        })
        .collect();
    open.sort_unstable();
    let wanted = arguments.first().and_then(|text| text.parse::<u32>().ok());
    let mut text = String::new();
    for (number, target) in open {
        if wanted.is_none_or(|wanted| wanted == number) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{number:7} : {target}");
        }
    }
    Answer::Text(text)
}
