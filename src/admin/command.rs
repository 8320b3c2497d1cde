//! What can be said on the socket, and by whom. Manual 1.4, section 9.2.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use haproxy_cfg_grammar::Dialect;

use super::cli;
use crate::engine::generation::Generation;
use crate::engine::worker::Shared;
use crate::plan::{AccessLevel, SeverityOutput};

/// One command.
pub(crate) struct Command {
    /// The words that it begins with.
    pub(crate) words: &'static str,
    /// Whether 1.4 has it, too. hapax's own are there in every dialect, and listed in its own.
    pub(crate) since: Dialect,
    /// What a client must be allowed to do.
    pub(crate) level: AccessLevel,
    /// What follows the words, for the list of commands.
    pub(crate) arguments: &'static str,
    /// What it does, for the list of commands.
    pub(crate) help: &'static str,
    /// Does it. The words of the command itself are not among the arguments.
    pub(crate) run: fn(&mut Context<'_>, &[&str]) -> Answer,
}

/// What a command gives back.
pub(crate) enum Answer {
    /// This text; an empty line follows it.
    Text(String),
    /// The same, of which clients may want to know how grave it is.
    Told(Gravity, String),
    /// The same, when it is known.
    Later(Pin<Box<dyn Future<Output = String>>>),
    /// The connection ends.
    Quit,
}

impl Answer {
    /// Nothing to say: it was done.
    pub(crate) fn done() -> Self {
        Self::Text(String::new())
    }

    /// One line that says why not.
    pub(crate) fn line(text: impl Into<String>) -> Self {
        Self::told(Gravity::Error, text)
    }

    /// One line of that gravity.
    pub(crate) fn told(gravity: Gravity, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        Self::Told(gravity, text)
    }

    /// One line of data.
    pub(crate) fn data(text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        Self::Text(text)
    }
}

/// How grave a message is, as `set severity-output` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gravity {
    /// It did not work.
    Error,
    /// It did, and somebody should know.
    Warning,
    /// It did.
    Notice,
    /// It was not understood, or is help.
    Information,
}

impl Gravity {
    /// What stands before the message.
    pub(crate) fn prefix(self, shown: SeverityOutput) -> &'static str {
        match (shown, self) {
            (SeverityOutput::None, _) => "",
            (SeverityOutput::Number, Self::Error) => "[3]: ",
            (SeverityOutput::Number, Self::Warning) => "[4]: ",
            (SeverityOutput::Number, Self::Notice) => "[5]: ",
            (SeverityOutput::Number, Self::Information) => "[6]: ",
            (SeverityOutput::Words, Self::Error) => "[err]: ",
            (SeverityOutput::Words, Self::Warning) => "[warning]: ",
            (SeverityOutput::Words, Self::Notice) => "[notice]: ",
            (SeverityOutput::Words, Self::Information) => "[info]: ",
        }
    }
}

/// Who asks, and whom.
pub(crate) struct Context<'a> {
    /// The process.
    pub(crate) shared: &'a Arc<Shared>,
    /// The plan in service.
    pub(crate) generation: Arc<Generation>,
    /// What the client may do.
    pub(crate) level: AccessLevel,
    /// What the client has set for its connection.
    pub(crate) client: &'a mut Client,
}

impl Context<'_> {
    /// The dialect of the plan in service.
    pub(crate) fn dialect(&self) -> Dialect {
        self.generation.plan.dialect
    }

    /// Whether answers are those of 1.4.
    pub(crate) fn v1_4(&self) -> bool {
        self.dialect() == Dialect::V1_4
    }
}

/// What a client has set for its connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// `prompt`: the connection stays, and `> ` asks for more.
    pub(crate) prompt: bool,
    /// How long it may be silent; `None` for ever.
    pub(crate) timeout: Option<Duration>,
    /// `set severity-output`.
    pub(crate) severity: SeverityOutput,
}

/// All commands, in the order in which 1.8 lists them.
pub(crate) const COMMANDS: &[Command] = &[
    cli::session::HELP,
    cli::session::PROMPT,
    cli::session::QUIT,
    cli::show_errors::SHOW_ERRORS,
    cli::check::DISABLE_AGENT,
    cli::check::DISABLE_HEALTH,
    cli::server::DISABLE_SERVER,
    cli::check::ENABLE_AGENT,
    cli::check::ENABLE_HEALTH,
    cli::server::ENABLE_SERVER,
    cli::limits::SET_MAXCONN_SERVER,
    cli::set_server::SET_SERVER,
    cli::server::GET_WEIGHT,
    cli::server::SET_WEIGHT,
    cli::show_sess::SHOW_SESS,
    cli::show_sess::SHUTDOWN_SESSION,
    cli::show_sess::SHUTDOWN_SESSIONS,
    cli::table::CLEAR_TABLE,
    cli::table::SET_TABLE,
    cli::table::SHOW_TABLE,
    cli::counters::CLEAR_COUNTERS,
    cli::show_info::SHOW_INFO,
    cli::show_stat::SHOW_STAT,
    cli::schema::SHOW_SCHEMA,
    cli::process::SHOW_STARTUP_LOGS,
    cli::absent::SHOW_RESOLVERS,
    cli::limits::SET_MAXCONN_GLOBAL,
    cli::limits::SET_RATE_LIMIT,
    cli::session::SET_SEVERITY_OUTPUT,
    cli::session::SET_TIMEOUT,
    cli::process::SHOW_ENV,
    cli::process::SHOW_CLI_SOCKETS,
    cli::process::SHOW_FD,
    cli::frontend::DISABLE_FRONTEND,
    cli::frontend::ENABLE_FRONTEND,
    cli::limits::SET_MAXCONN_FRONTEND,
    cli::servers_state::SHOW_SERVERS_STATE,
    cli::servers_state::SHOW_BACKEND,
    cli::frontend::SHUTDOWN_FRONTEND,
    cli::absent::SET_DYNAMIC_COOKIE_KEY,
    cli::absent::ENABLE_DYNAMIC_COOKIE,
    cli::absent::DISABLE_DYNAMIC_COOKIE,
    cli::absent::SHOW_CACHE,
    cli::acl::ADD_ACL,
    cli::acl::CLEAR_ACL,
    cli::acl::DEL_ACL,
    cli::acl::GET_ACL,
    cli::acl::SHOW_ACL,
    cli::map::ADD_MAP,
    cli::map::CLEAR_MAP,
    cli::map::DEL_MAP,
    cli::map::GET_MAP,
    cli::map::SET_MAP,
    cli::map::SHOW_MAP,
    cli::process::SHOW_POOLS,
    cli::reload::RELOAD,
    cli::reload::SHOW_GENERATIONS,
    cli::reload::SHOW_CONFIG,
];

/// The commands of 1.4, in its order.
const OF_1_4: &[&Command] = &[
    &cli::counters::CLEAR_COUNTERS,
    &cli::session::HELP,
    &cli::session::PROMPT,
    &cli::session::QUIT,
    &cli::show_info::SHOW_INFO,
    &cli::show_stat::SHOW_STAT,
    &cli::show_errors::SHOW_ERRORS,
    &cli::show_sess::SHOW_SESS,
    &cli::server::GET_WEIGHT,
    &cli::server::SET_WEIGHT,
    &cli::session::SET_TIMEOUT,
    &cli::server::DISABLE_SERVER,
    &cli::server::ENABLE_SERVER,
];

/// Finds and runs a command.
pub(crate) fn execute(context: &mut Context<'_>, words: &[&str]) -> Answer {
    let dialect = context.dialect();
    let own = |c: &&Command| c.since == Dialect::Hapax;
    let known = COMMANDS.iter().filter(|c| own(c) || is_in(c, dialect));
    for command in known {
        let own = command.words.split(' ').count();
        if words.len() >= own && command.words.split(' ').eq(words[..own].iter().copied()) {
            if context.level < command.level {
                return Answer::line("Permission denied");
            }
            return (command.run)(context, &words[own..]);
        }
    }
    Answer::Told(Gravity::Information, list(dialect))
}

/// The list of commands, which is also the answer to what is none.
pub(crate) fn list(dialect: Dialect) -> String {
    let mut text =
        "Unknown command. Please enter one of the following commands only :\n".to_owned();
    let all: Vec<&Command> = match dialect {
        Dialect::V1_4 => OF_1_4.to_vec(),
        _ => COMMANDS.iter().filter(|c| is_in(c, dialect)).collect(),
    };
    for command in all {
        let mut usage = command.words.to_owned();
        if !command.arguments.is_empty() {
            usage.push(' ');
            usage.push_str(command.arguments);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {usage:<14} : {}", command.help);
    }
    text
}

fn is_in(command: &Command, dialect: Dialect) -> bool {
    match command.since {
        Dialect::V1_4 => true,
        Dialect::V1_8 => dialect != Dialect::V1_4,
        Dialect::Hapax => dialect == Dialect::Hapax,
    }
}
