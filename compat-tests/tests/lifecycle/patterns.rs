//! Patterns of ACLs that change while requests are compared with them.

use super::commands::{Served, serve};
use super::lists::{assert_locations, location};
use super::port;
use super::stage::ask;

/// Rules enough to be found by an index, with patterns of their own, in a file, and in both.
fn configuration(listen: u16) -> String {
    let mut text = format!(
        "defaults\n    mode http\n    timeout connect 1s\n    timeout client 10s\n    timeout server 10s\n\
         frontend www\n    bind 127.0.0.1:{listen}\n    \
         acl barred path_beg -f barred\n    acl barred path -i -f barred /by-line\n    \
         acl one path -u 50 /1\n    acl re path_reg -u 51 ^/r[0-9]$\n    \
         acl length path_len -u 52 gt 20\n    \
         redirect location /barred if barred\n    redirect location /is-one if one\n    \
         redirect location /is-re if re\n    redirect location /is-long if length\n"
    );
    for n in 2..9 {
        text.push_str(&format!(
            "    redirect location /is-{n} if {{ path /{n} }}\n"
        ));
    }
    text.push_str("    redirect location /other\n");
    text
}

fn start(listen: u16) -> Served {
    serve(
        &configuration(listen),
        listen,
        &[("barred", "# those\n/admin\n/secret\n")],
    )
}

#[test]
fn patterns_change_under_the_rules_that_use_them() {
    let listen = port();
    let served = start(listen);
    assert_locations(
        listen,
        &[
            ("/admin/x", "/barred"),
            ("/SECRET", "/barred"),
            ("/by-line", "/barred"),
            ("/1", "/is-one"),
            ("/7", "/is-7"),
            ("/r3", "/is-re"),
            ("/x", "/other"),
        ],
    );
    assert_eq!(served.held("acl barred"), ["/admin", "/secret"]);
    assert_eq!(served.held("acl #52"), ["21:"]);

    for command in [
        "add acl barred /x",
        "add acl #50 /uno",
        "add acl #51 ^/again$",
        "add acl #52 3",
        "del acl barred /secret",
    ] {
        assert_eq!(served.ask(command), "", "{command}");
    }
    assert_locations(
        listen,
        &[
            ("/admin/x", "/barred"),
            ("/x/y", "/barred"),
            ("/X", "/barred"),
            ("/SECRET", "/other"),
            ("/1", "/is-one"),
            ("/uno", "/is-one"),
            ("/7", "/is-7"),
            ("/again", "/is-re"),
            ("/ab", "/is-long"),
        ],
    );
    assert_eq!(
        served.ask("get acl barred /x/y"),
        "type=beg, case=sensitive, match=yes, idx=tree, pattern=\"/x\"\n\
         type=str, case=insensitive, match=no\n"
    );
    assert_eq!(served.ask("clear acl #50"), "");
    assert_eq!(location(listen, "/1"), "/other");
    for (command, said) in [
        ("del acl #50 /1", "Key not found.\n"),
        ("add acl #52 many", "'many' is not a number.\n"),
        (
            "add acl #99 x",
            "Unknown ACL identifier. Please use #<id> or <file>.\n",
        ),
    ] {
        assert_eq!(served.ask(command), said, "{command}");
    }
    // An entry is known by what stands before it, too.
    let entry = served.first_entry("acl #51");
    assert_eq!(served.ask(&format!("del acl #51 #{entry}")), "");
    assert_eq!(served.held("acl #51"), ["^/again$"]);
}

/// More patterns than are kept apart from those that were there.
#[test]
fn many_patterns_are_added_one_by_one() {
    let listen = port();
    let served = start(listen);
    served.ask_often(600, |n| format!("add acl barred /added-{n}-"));
    for target in ["/admin", "/added-0-", "/added-300-", "/added-599-/x"] {
        assert_eq!(location(listen, target), "/barred", "{target}");
    }
    assert_eq!(location(listen, "/added-600-"), "/other");
    assert_eq!(served.ask("del acl barred /added-300-"), "");
    assert_eq!(location(listen, "/added-300-"), "/other");
    assert_eq!(location(listen, "/added-299-"), "/barred");
}

#[test]
fn patterns_that_were_changed_stay_so_until_the_file_has_others() {
    let listen = port();
    let served = start(listen);
    served.ask("add acl barred /x");
    served.ask("del acl barred /admin");
    served.ask("add acl #50 /uno");
    served.reload();
    assert_eq!(served.held("acl barred"), ["/secret", "/x"]);
    assert_locations(
        listen,
        &[
            ("/x", "/barred"),
            ("/admin", "/other"),
            ("/uno", "/is-one"),
            ("/1", "/is-one"),
            ("/7", "/is-7"),
        ],
    );
    // Another rule before them and another number make no other list of it.
    let text = configuration(listen).replace(
        "    acl one path -u 50",
        "    acl zero path /0\n    acl one path -u 60",
    );
    served.configure(&text);
    served.reload();
    assert_eq!(location(listen, "/uno"), "/is-one");
    assert_eq!(served.held("acl #60"), ["/1", "/uno"]);
    // Another file does, and another line.
    served.stage.write("barred", "/admin\n/new\n");
    served.configure(&text.replace("-u 60 /1", "-u 60 /1 /one"));
    served.reload();
    assert_eq!(served.held("acl barred"), ["/admin", "/new"]);
    assert_eq!(served.held("acl #60"), ["/1", "/one"]);
    assert_locations(
        listen,
        &[
            ("/x", "/other"),
            ("/admin", "/barred"),
            ("/new", "/barred"),
            ("/uno", "/other"),
            ("/one", "/is-one"),
        ],
    );
}

/// HAProxy lets everybody; hapax those who may change other things, unless it is to be HAProxy.
#[test]
fn only_administrators_change_patterns() {
    let listen = port();
    let served = start(listen);
    let socket = served.open_to_users(("show acl #50", "/1"));
    assert_eq!(ask(&socket, "add acl #50 /uno"), "Permission denied\n\n");
    assert_eq!(location(listen, "/uno"), "/other");
}
