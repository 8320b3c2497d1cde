//! `show map`, `get map`, `add map`, `set map`, `del map`, `clear map`: what maps hold.
//!
//! As in HAProxy, a map is added to, changed and asked whoever else uses its file, and any list of
//! patterns is as good.

use super::acl::ADD_ACL;
use super::pattern_list::{UNKNOWN_MAP, Wanted, alter, get, show, which};
use super::reload::ask;
use crate::admin::command::{Answer, Command};
use crate::engine::control::Question;
use crate::engine::patterns::PatternChange;
use crate::pattern_list::Kind;

/// Adds a pair to a map.
pub(crate) const ADD_MAP: Command = Command {
    words: "add map",
    help: "add a key with its value to a map",
    run: |context, arguments| match arguments {
        [] | [_] | [_, _] => {
            Answer::line("'add map' expects three parameters: map identifier, key and value.")
        }
        [map, key, value, ..] => {
            let what = PatternChange::Add {
                key: key.as_bytes(),
                value: Some(value.as_bytes()),
            };
            alter(context, map, what, ANY)
        }
    },
    ..ADD_ACL
};

/// Takes all pairs off a map.
pub(crate) const CLEAR_MAP: Command = Command {
    words: "clear map",
    arguments: "<id>",
    help: "take all keys off a map",
    run: |context, arguments| match arguments {
        [] => Answer::line("Missing map identifier."),
        [map, ..] => alter(context, map, PatternChange::Clear, MAP),
    },
    ..ADD_MAP
};

/// Takes the pairs of a key off a map.
pub(crate) const DEL_MAP: Command = Command {
    words: "del map",
    help: "take a key off a map",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("This command expects two parameters: map identifier and key."),
        [map, key, ..] => alter(context, map, PatternChange::Remove(which(key)), MAP),
    },
    ..ADD_MAP
};

/// Shows what a value stands for.
pub(crate) const GET_MAP: Command = Command {
    words: "get map",
    help: "the key in a map that a value fits, and what it stands for",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("Missing map identifier and/or key."),
        [map, value, ..] => get(context, map, value.as_bytes(), Kind::Map),
    },
    ..ADD_MAP
};

/// Changes what a key stands for.
pub(crate) const SET_MAP: Command = Command {
    words: "set map",
    help: "change what a key of a map stands for",
    run: |context, arguments| match arguments {
        [] | [_] | [_, _] => {
            Answer::line("'set map' expects three parameters: map identifier, key and value.")
        }
        [map, key, value, ..] => {
            let what = PatternChange::Set(which(key), value.as_bytes());
            alter(context, map, what, ANY)
        }
    },
    ..ADD_MAP
};

/// Shows the maps, or what one holds.
pub(crate) const SHOW_MAP: Command = Command {
    words: "show map",
    arguments: "[id]",
    help: "the maps, or what one of them holds",
    run: |context, arguments| match arguments {
        [] => ask(context, Question::PatternLists(Kind::Map)),
        [map, ..] => show(context, map, Kind::Map),
    },
    ..ADD_MAP
};

const MAP: Wanted = Wanted {
    kind: Some(Kind::Map),
    unknown: UNKNOWN_MAP,
};

const ANY: Wanted = Wanted {
    kind: None,
    unknown: UNKNOWN_MAP,
};
