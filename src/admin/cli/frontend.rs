//! `disable frontend`, `enable frontend`, `shutdown frontend`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use haproxy_cfg_grammar::Dialect;

use super::reload::ask;
use crate::admin::command::{Answer, Command, Context};
use crate::engine::control::{FrontendOrder, Question};
use crate::engine::live::Frontend;
use crate::plan::AccessLevel;

/// Has a frontend not listen for a while.
pub(crate) const DISABLE_FRONTEND: Command = Command {
    words: "disable frontend",
    since: Dialect::V1_8,
    level: AccessLevel::Admin,
    arguments: "",
    help: "do not listen for a frontend until it is enabled again",
    run: |context, arguments| order(context, arguments, FrontendOrder::Disable),
};

/// Has it listen again.
pub(crate) const ENABLE_FRONTEND: Command = Command {
    words: "enable frontend",
    help: "listen again for a frontend",
    run: |context, arguments| order(context, arguments, FrontendOrder::Enable),
    ..DISABLE_FRONTEND
};

/// Ends it.
pub(crate) const SHUTDOWN_FRONTEND: Command = Command {
    words: "shutdown frontend",
    help: "do not listen for a frontend any more, until the next reload",
    run: |context, arguments| order(context, arguments, FrontendOrder::Shutdown),
    ..DISABLE_FRONTEND
};

/// A frontend of the plan in service.
pub(super) struct Found {
    /// Its place among the proxies.
    index: u32,
    /// What lives of it.
    pub(super) live: Arc<Frontend>,
}

/// Finds a frontend by name, or as `#` and its number.
pub(super) fn find(context: &Context<'_>, name: Option<&&str>) -> Result<Found, Answer> {
    let Some(name) = name else {
        return Err(Answer::line("A frontend name is expected."));
    };
    let generation = &context.generation;
    let mut proxies = (0..).zip(generation.plan.proxies.iter().zip(generation.all_handles()));
    let found = proxies.find(|(_, (proxy, _))| {
        proxy.role.is_frontend() && super::server::is(name, &proxy.name, proxy.numeric_id)
    });
    let Some((index, (_, handles))) = found else {
        return Err(Answer::line("No such frontend."));
    };
    Ok(Found {
        index,
        live: Arc::clone(&handles.frontend),
    })
}

fn order(context: &mut Context<'_>, arguments: &[&str], order: FrontendOrder) -> Answer {
    let found = match find(context, arguments.first()) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let stopped = found.live.stopped.load(Ordering::Relaxed);
    let paused = found.live.paused.load(Ordering::Relaxed);
    let refused = match (order, stopped, paused) {
        (FrontendOrder::Shutdown, true, _) => "Frontend was already shut down.",
        (FrontendOrder::Enable, true, _) => "Frontend was previously shut down, cannot enable.",
        (FrontendOrder::Disable, true, _) => "Frontend was previously shut down, cannot disable.",
        (FrontendOrder::Enable, false, false) => "Frontend is already enabled.",
        (FrontendOrder::Disable, false, true) => "Frontend is already disabled.",
        _ => {
            let question = Question::Frontend {
                generation: context.generation.number,
                proxy: found.index,
                order,
            };
            return ask(context, question);
        }
    };
    Answer::line(refused)
}
