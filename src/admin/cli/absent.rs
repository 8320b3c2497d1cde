//! Commands about what hapax does not have. They are known, and answer for what there is; what they
//! would change is refused by name.

use haproxy_cfg_grammar::Dialect;

use crate::admin::command::{Answer, Command, Context};
use crate::plan::AccessLevel;

/// Statistics of name servers: there are none.
pub(crate) const SHOW_RESOLVERS: Command = Command {
    words: "show resolvers",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "[id]",
    help: "counters of resolvers sections and their\n                     \
           associated name servers",
    run: |_, arguments| match arguments {
        [] => Answer::data("No resolvers found"),
        _ => Answer::line("Can't find that resolvers section"),
    },
};

/// Caches: there are none.
pub(crate) const SHOW_CACHE: Command = Command {
    words: "show cache",
    level: AccessLevel::Admin,
    arguments: "",
    help: "the state of caches",
    run: |_, _| Answer::done(),
    ..SHOW_RESOLVERS
};

/// Dynamic cookies are not built.
pub(crate) const SET_DYNAMIC_COOKIE_KEY: Command = Command {
    words: "set dynamic-cookie-key backend",
    level: AccessLevel::Admin,
    arguments: "",
    help: "give a backend another key for dynamic cookies (not built)",
    run: |context, arguments| dynamic_cookie(context, arguments, true),
    ..SHOW_RESOLVERS
};

/// The same.
pub(crate) const ENABLE_DYNAMIC_COOKIE: Command = Command {
    words: "enable dynamic-cookie backend",
    help: "use dynamic cookies in a backend (not built)",
    run: |context, arguments| dynamic_cookie(context, arguments, false),
    ..SET_DYNAMIC_COOKIE_KEY
};

/// There is nothing to disable.
pub(crate) const DISABLE_DYNAMIC_COOKIE: Command = Command {
    words: "disable dynamic-cookie backend",
    help: "use no dynamic cookies in a backend",
    run: |context, arguments| {
        backend(context, arguments)
            .err()
            .unwrap_or_else(Answer::done)
    },
    ..SET_DYNAMIC_COOKIE_KEY
};

/// Whether the first word names a backend.
fn backend(context: &Context<'_>, arguments: &[&str]) -> Result<(), Answer> {
    let Some(name) = arguments.first() else {
        return Err(Answer::line("A backend name is expected."));
    };
    let mut proxies = context.generation.plan.proxies.iter();
    if proxies.any(|proxy| proxy.role.is_backend() && proxy.name == *name) {
        Ok(())
    } else {
        Err(Answer::line("No such backend."))
    }
}

fn dynamic_cookie(context: &mut Context<'_>, arguments: &[&str], with_key: bool) -> Answer {
    match backend(context, arguments) {
        Err(answer) => answer,
        Ok(()) if with_key && arguments.len() < 2 => Answer::line("String value expected."),
        Ok(()) => Answer::line("hapax does not have dynamic cookies."),
    }
}
