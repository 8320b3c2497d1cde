//! `show stat`.

use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use crate::admin::command::{Answer, Command, Context};
use crate::admin::line::number;
use crate::engine::statistics;
use crate::plan::AccessLevel;
use crate::stats::{Filter, csv, typed};

/// Shows the counters of proxies and servers.
pub(crate) const SHOW_STAT: Command = Command {
    words: "show stat",
    since: Dialect::V1_4,
    level: AccessLevel::User,
    arguments: "",
    help: "counters of frontends, backends and servers, as CSV ([proxy] [type] [server])",
    run,
};

fn run(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let dialect = context.dialect();
    let filter = filter(context, arguments);
    if filter.proxy == 0 && !context.v1_4() {
        return Answer::line("No such proxy.");
    }
    let mut text = String::new();
    // `typed` and `json` stand where a server would, or alone. 1.4 takes them for nothing.
    let form = arguments
        .iter()
        .filter(|_| !context.v1_4())
        .find_map(|word| match *word {
            "typed" => Some(false),
            "json" => Some(true),
            _ => None,
        });
    if let Some(json) = form {
        let rows = statistics::rows(&context.generation, Instant::now());
        let rows: Vec<_> = rows.into_iter().filter(|row| filter.wants(row)).collect();
        if json {
            return Answer::Text(typed::rows_json(&rows));
        }
        rows.iter().for_each(|row| typed::row_lines(row, &mut text));
        return Answer::Text(text);
    }
    csv::header(dialect, &mut text);
    for row in statistics::rows(&context.generation, Instant::now()) {
        if filter.wants(&row) {
            csv::row(&row, dialect, &mut text);
        }
    }
    Answer::Text(text)
}

/// Three words or none: fewer are as if there were none.
fn filter(context: &Context<'_>, arguments: &[&str]) -> Filter {
    let [proxy, kinds, server, ..] = arguments else {
        return Filter::ALL;
    };
    // Since 1.5 a proxy can be named, too.
    let by_name = || {
        let mut proxies = context.generation.plan.proxies.iter();
        let found = proxies.find(|p| p.name == *proxy && !context.v1_4());
        found.map(|proxy| i64::from(proxy.numeric_id))
    };
    Filter {
        proxy: by_name().unwrap_or_else(|| number(proxy)),
        kinds: number(kinds),
        server: number(server),
    }
}
