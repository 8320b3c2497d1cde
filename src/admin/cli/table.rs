//! `show table`, `clear table`, `set table`.

mod found;

use std::sync::Arc;

use found::{Found, Wanted};
use haproxy_cfg_grammar::Dialect;
use tokio::time::Instant;

use crate::admin::command::{Answer, Command, Context, Gravity};
use crate::engine::live::millis;
use crate::plan::{AccessLevel, DataType};
use crate::stick_table::{Destination, StickTable};

/// Removes entries.
pub(crate) const CLEAR_TABLE: Command = Command {
    words: "clear table",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "",
    help: "remove entries from a stick table: all, those of a key, or those that fit",
    run: clear,
};

/// Makes an entry.
pub(crate) const SET_TABLE: Command = Command {
    words: "set table",
    arguments: "[id]",
    help: "make an entry in a stick table, or change what it stores",
    run: set,
    ..CLEAR_TABLE
};

/// Shows entries.
pub(crate) const SHOW_TABLE: Command = Command {
    words: "show table",
    arguments: "[id]",
    help: "the stick tables, or the entries of one",
    run: show,
    ..CLEAR_TABLE
};

fn tables(context: &Context<'_>) -> Vec<Found> {
    let plan = &context.generation.plan;
    let now = millis(Instant::now());
    // What has expired counts no more.
    let swept = |table: &Arc<StickTable>| {
        table.sweep(now);
        Arc::clone(table)
    };
    let all = plan.proxies.iter().zip(context.generation.all_handles());
    all.filter_map(|(proxy, handles)| {
        let store = &proxy.persistence.table.as_ref()?.store;
        Some(Found {
            name: proxy.name.clone(),
            table: handles.table.as_ref().map(swept)?,
            stores_servers: store.iter().any(|stored| stored.data == DataType::ServerId),
            now,
        })
    })
    .collect()
}

/// Whether the client may see and change entries.
fn may_touch(context: &Context<'_>) -> bool {
    context.level >= AccessLevel::Operator
}

fn find(context: &Context<'_>, name: &str) -> Result<Found, Answer> {
    let found = tables(context).into_iter().find(|found| found.name == name);
    found.ok_or_else(|| Answer::line("No such table"))
}

fn show(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    let Some((name, rest)) = arguments.split_first() else {
        let mut text = String::new();
        tables(context)
            .iter()
            .for_each(|found| found.heading(&mut text));
        return Answer::Text(text);
    };
    let found = match find(context, name) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    const USAGE: &str = "Optional argument only supports \"data.<store_data_type>\" <operator> \
                         <value> and key <key>";
    let wanted = match found.wanted(rest, USAGE, "Showing keys from") {
        Ok(wanted) => wanted,
        Err(answer) => return answer,
    };
    if matches!(wanted, Wanted::Key(_)) && !may_touch(context) {
        return Answer::line("Permission denied");
    }
    let entries = found.entries(&wanted);
    let mut text = String::new();
    if !may_touch(context) {
        found.heading(&mut text);
        text.push_str("# contents not dumped due to insufficient privileges\n");
        return Answer::Text(text);
    }
    // A key that is not there is answered with nothing.
    if !(matches!(wanted, Wanted::Key(_)) && entries.is_empty()) {
        found.heading(&mut text);
    }
    entries
        .iter()
        .for_each(|entry| found.line(entry, &mut text));
    Answer::Text(text)
}

fn clear(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    const USAGE: &str = "Required arguments: <table> \"data.<store_data_type>\" <operator> <value> \
                         or <table> key <key>";
    let Some((name, rest)) = arguments.split_first() else {
        return Answer::line(USAGE);
    };
    let found = match find(context, name) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    match found.wanted(rest, USAGE, "Removing keys from") {
        Err(answer) => answer,
        // 1.8 does nothing, and does not say so, unless it is about one entry.
        Ok(Wanted::All | Wanted::Data(..))
            if !may_touch(context) && context.dialect() == Dialect::V1_8 =>
        {
            Answer::done()
        }
        Ok(_) if !may_touch(context) => Answer::line("Permission denied"),
        Ok(wanted) => {
            let entries = found.entries(&wanted);
            let kept = found.remove(&entries);
            if kept > 0 && matches!(wanted, Wanted::Key(_)) {
                return Answer::line("Entry currently in use, cannot remove");
            }
            Answer::done()
        }
    }
}

fn set(context: &mut Context<'_>, arguments: &[&str]) -> Answer {
    const USAGE: &str = "Required arguments: <table> key <key> [data.<store_data_type> <value>]*";
    let Some((name, rest)) = arguments.split_first() else {
        return Answer::line(USAGE);
    };
    let found = match find(context, name) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let (key, mut data) = match rest {
        // 1.8 clears the table then.
        [] if context.dialect() == Dialect::V1_8 => {
            if may_touch(context) {
                found.remove(&found.entries(&Wanted::All));
            }
            return Answer::done();
        }
        ["key"] => return Answer::line("Key value expected"),
        ["key", key, data @ ..] => (*key, data),
        [what, ..] if what.starts_with("data.") => {
            let text =
                "content-based lookup is only supported with the \"show\" and \"clear\" actions";
            // It does not end its line.
            return Answer::Told(Gravity::Error, text.to_owned());
        }
        _ => return Answer::line(USAGE),
    };
    if !may_touch(context) {
        return Answer::line("Permission denied");
    }
    let key = match found.key(key, "Inserting keys into") {
        Ok(key) => key,
        Err(answer) => return answer,
    };
    // An entry that is there keeps what is not named. One that is not is made, and keeps what was
    // named before a mistake.
    let Some(entry) = found.table.stored_or_new(&key, found.now) else {
        return Answer::line("Unable to allocate a new entry");
    };
    loop {
        let [what, rest @ ..] = data else {
            return Answer::done();
        };
        let Some(kind) = what.strip_prefix("data.") else {
            return Answer::line("\"data.<type>\" followed by a value expected");
        };
        let kind = match found.stores(kind) {
            Ok(kind) => kind,
            Err(answer) => return answer,
        };
        let value = rest.first().and_then(|value| found::whole(value));
        let Some(value) = value else {
            return Answer::line("Require a valid integer value to store");
        };
        // What does not fit wraps.
        if kind == DataType::ServerId {
            let server = Arc::new(nowhere(value as u32));
            found.table.store(&key, &server, found.now);
        } else if let Some(cells) = &entry.cells {
            cells.set(kind, value as u64, found.now);
        }
        data = &rest[1..];
    }
}

/// A server of which only the number is known.
fn nowhere(id: u32) -> Destination {
    Destination {
        backend: String::new(),
        server: String::new(),
        id,
    }
}
