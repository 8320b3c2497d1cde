//! `reload`, `reload dry-run`, `show generations`: hapax's own.

use haproxy_cfg_grammar::Dialect;
use tokio::sync::oneshot;

use crate::admin::command::{Answer, Command, Context};
use crate::engine::control::Question;
use crate::plan::AccessLevel;

/// Reloads, and says how that went.
pub(crate) const RELOAD: Command = Command {
    words: "reload",
    since: Dialect::Hapax,
    level: AccessLevel::Admin,
    arguments: "[dry-run]",
    help: "read the configuration again; with dry-run only say what would change",
    run: reload,
};

/// Lists the configurations in service.
pub(crate) const SHOW_GENERATIONS: Command = Command {
    words: "show generations",
    since: Dialect::Hapax,
    level: AccessLevel::User,
    arguments: "",
    help: "the configurations in service, with age and sessions",
    run: |context, _| ask(context, Question::Generations),
};

/// Shows the configuration in service.
pub(crate) const SHOW_CONFIG: Command = Command {
    words: "show config",
    since: Dialect::Hapax,
    level: AccessLevel::Operator,
    arguments: "",
    help: "the configuration in service: every value, with the line that says so",
    run: |context, _| ask(context, Question::Configuration),
};

fn reload(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    match arguments {
        [] => ask(context, Question::Reload),
        ["dry-run"] => ask(context, Question::DryRun),
        _ => Answer::line("Only 'dry-run' may follow."),
    }
}

/// The control thread answers; others on this thread go on meanwhile.
pub(super) fn ask(context: &Context<'_>, question: Question) -> Answer {
    ask_and(context, question, |text| text)
}

/// The same; something is made of the answer.
pub(super) fn ask_and(
    context: &Context<'_>,
    question: Question,
    shape: impl FnOnce(String) -> String + 'static,
) -> Answer {
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |outcome| {
        // Whoever asked may be gone.
        let _ = sender.send(outcome);
    });
    context.shared.control.ask(question, reply);
    Answer::Later(Box::pin(async move {
        match receiver.await {
            Ok(outcome) => shape(outcome.text),
            Err(_) => "Nobody answers.\n".to_owned(),
        }
    }))
}
