//! What is about the connection itself: `help`, `prompt`, `quit`, `set timeout`.

use std::time::Duration;

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context, list};
use crate::plan::{AccessLevel, SeverityOutput};

/// Lists the commands.
pub(crate) const HELP: Command = Command {
    words: "help",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "this list",
    run: |context, _| Answer::Text(list(context.dialect())),
};

/// Keeps the connection, or ends with the next line again.
pub(crate) const PROMPT: Command = Command {
    words: "prompt",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "stay connected and ask for more",
    run: |context, _| {
        context.client.prompt = !context.client.prompt;
        Answer::done()
    },
};

/// Ends the connection.
pub(crate) const QUIT: Command = Command {
    words: "quit",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "end the connection",
    run: |_, _| Answer::Quit,
};

/// Says how long the connection may be silent.
pub(crate) const SET_TIMEOUT: Command = Command {
    words: "set timeout",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "how long this connection may be silent ('cli' and a time in seconds)",
    run: set_timeout,
};

/// Says whether messages come with how grave they are.
pub(crate) const SET_SEVERITY_OUTPUT: Command = Command {
    words: "set severity-output",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "[none|number|string]",
    help: "put before each message how grave it is",
    run: |context, arguments| {
        context.client.severity = match arguments.first() {
            Some(&"none") => SeverityOutput::None,
            Some(&"number") => SeverityOutput::Number,
            Some(&"string") => SeverityOutput::Words,
            _ => {
                let text = "one of 'none', 'number', 'string' is a required argument";
                return Answer::Text(text.to_owned());
            }
        };
        Answer::done()
    },
};

fn set_timeout(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    if arguments.first() != Some(&"cli") {
        return Answer::line("'set timeout' only supports 'cli'.");
    }
    let Some(text) = arguments.get(1) else {
        return Answer::line("Expects an integer value.");
    };
    match seconds(text) {
        Some(timeout) if !timeout.is_zero() => {
            context.client.timeout = Some(timeout);
            Answer::done()
        }
        _ => Answer::line("Invalid timeout value."),
    }
}

/// A time whose unit is the second unless another one is written.
fn seconds(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "" | "s" => Duration::from_secs(n),
        "us" => Duration::from_micros(n),
        "ms" => Duration::from_millis(n),
        "m" => Duration::from_secs(n.checked_mul(60)?),
        "h" => Duration::from_secs(n.checked_mul(3600)?),
        "d" => Duration::from_secs(n.checked_mul(86400)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(seconds("5"), Some(Duration::from_secs(5)));
        assert_eq!(seconds("50ms"), Some(Duration::from_millis(50)));
        assert_eq!(seconds("abc"), None);
        assert_eq!(seconds("5x"), None);
        assert_eq!(seconds("999999999999999999999"), None);
    }
}
