//! `show acl`, `get acl`, `add acl`, `del acl`, `clear acl`: the lists of patterns behind ACLs.

use haproxy_cfg_grammar::Dialect;

use super::pattern_list::{UNKNOWN_ACL, UNKNOWN_MAP, Wanted, alter, get, show, which};
use super::reload::ask;
use crate::admin::command::{Answer, Command};
use crate::engine::control::Question;
use crate::engine::patterns::PatternChange;
use crate::pattern_list::Kind;
use crate::plan::AccessLevel;

/// Adds a pattern to a list.
pub(crate) const ADD_ACL: Command = Command {
    words: "add acl",
    since: Dialect::V1_8,
    level: AccessLevel::User,
    arguments: "",
    help: "add a pattern to the list of an ACL",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("'add acl' expects two parameters: ACL identifier and pattern."),
        [list, pattern, ..] => {
            let what = PatternChange::Add {
                key: pattern.as_bytes(),
                value: None,
            };
            let wanted = Wanted {
                kind: None,
                unknown: UNKNOWN_ACL,
            };
            alter(context, list, what, wanted)
        }
    },
};

/// Takes all patterns off a list.
pub(crate) const CLEAR_ACL: Command = Command {
    words: "clear acl",
    arguments: "<id>",
    help: "take all patterns off the list of an ACL",
    run: |context, arguments| match arguments {
        [] => Answer::line("Missing ACL identifier."),
        [list, ..] => {
            let wanted = Wanted {
                kind: Some(Kind::Acl),
                unknown: UNKNOWN_ACL,
            };
            alter(context, list, PatternChange::Clear, wanted)
        }
    },
    ..ADD_ACL
};

/// Takes a pattern off a list.
pub(crate) const DEL_ACL: Command = Command {
    words: "del acl",
    help: "take a pattern off the list of an ACL",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("This command expects two parameters: ACL identifier and key."),
        [list, pattern, ..] => {
            let wanted = Wanted {
                kind: Some(Kind::Acl),
                // HAProxy speaks of a map here.
                unknown: UNKNOWN_MAP,
            };
            alter(context, list, PatternChange::Remove(which(pattern)), wanted)
        }
    },
    ..ADD_ACL
};

/// Shows which patterns of a list fit.
pub(crate) const GET_ACL: Command = Command {
    words: "get acl",
    help: "the pattern in the list of an ACL that a value fits",
    run: |context, arguments| match arguments {
        [] | [_] => Answer::line("Missing ACL identifier and/or key."),
        [list, value, ..] => get(context, list, value.as_bytes(), Kind::Acl),
    },
    ..ADD_ACL
};

/// Shows the lists, or the patterns of one.
pub(crate) const SHOW_ACL: Command = Command {
    words: "show acl",
    arguments: "[id]",
    help: "the lists of patterns of ACLs, or the patterns of one",
    run: |context, arguments| match arguments {
        [] => ask(context, Question::PatternLists(Kind::Acl)),
        [list, ..] => show(context, list, Kind::Acl),
    },
    ..ADD_ACL
};
