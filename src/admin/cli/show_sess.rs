//! `show sess`, `shutdown session`, `shutdown sessions server`.

use haproxy_cfg_grammar::Dialect;
use tokio::sync::mpsc::unbounded_channel;

use super::server::find;
use crate::admin::command::{Answer, Command, Context};
use crate::engine::roster::Whom;
use crate::engine::worker::Command as Order;
use crate::plan::AccessLevel;
use crate::stats::SessionReport;

/// Lists the sessions, or shows one of them.
pub(crate) const SHOW_SESS: Command = Command {
    words: "show sess",
    since: Dialect::V1_4,
    level: AccessLevel::Operator,
    arguments: "[id]",
    help: "the sessions, or all about one of them",
    run: show,
};

/// Ends a session.
pub(crate) const SHUTDOWN_SESSION: Command = Command {
    words: "shutdown session",
    since: Dialect::V1_8,
    level: AccessLevel::Admin,
    arguments: "",
    help: "end a session",
    run: shutdown_session,
};

/// Ends the sessions of a server.
pub(crate) const SHUTDOWN_SESSIONS: Command = Command {
    words: "shutdown sessions server",
    since: Dialect::V1_8,
    level: AccessLevel::Admin,
    arguments: "",
    help: "end the sessions of a server",
    run: shutdown_sessions,
};

/// Which sessions are shown.
enum Shown {
    List,
    All,
    One(u64),
}

fn show(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let dialect = context.dialect();
    let shown = match arguments.first() {
        None => Shown::List,
        Some(&"all") if !context.v1_4() => Shown::All,
        // What is no number names none.
        Some(id) => match key(id) {
            0 => Shown::List,
            key => Shown::One(key),
        },
    };
    let (reply, mut reports) = unbounded_channel();
    context.shared.tell_workers(|| Order::Report(reply.clone()));
    drop(reply);
    let own: Vec<SessionReport> = context.shared.clients.reports();
    Answer::Later(Box::pin(async move {
        let mut sessions = Vec::new();
        while let Some(some) = reports.recv().await {
            sessions.extend(some);
        }
        sessions.sort_by_key(|report: &SessionReport| std::cmp::Reverse(report.age));
        sessions.extend(own);
        let mut text = String::new();
        match shown {
            Shown::List => sessions.iter().for_each(|s| s.line(dialect, &mut text)),
            Shown::All => sessions.iter().for_each(|s| s.details(&mut text)),
            Shown::One(key) => match sessions.iter().find(|s| s.key == key) {
                Some(session) => session.details(&mut text),
                None => text.push_str("Session not found.\n"),
            },
        }
        text
    }))
}

/// A key as it is shown, with `0x` or without.
fn key(text: &str) -> u64 {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).unwrap_or(0)
}

fn shutdown_session(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let Some(id) = arguments.first() else {
        return Answer::line("Session pointer expected (use 'show sess').");
    };
    end(context, Whom::Key(key(id)), true)
}

fn shutdown_sessions(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    match find(context, arguments.first()) {
        Ok(found) => end(context, Whom::Server(found.server), false),
        Err(answer) => answer,
    }
}

fn end(context: &Context<'_>, whom: Whom, must_exist: bool) -> Answer {
    let (reply, mut counts) = unbounded_channel();
    context
        .shared
        .tell_workers(|| Order::End(whom.clone(), reply.clone()));
    drop(reply);
    Answer::Later(Box::pin(async move {
        let mut ended = 0;
        while let Some(some) = counts.recv().await {
            ended += some;
        }
        if must_exist && ended == 0 {
            "No such session (use 'show sess').\n".to_owned()
        } else {
            String::new()
        }
    }))
}
