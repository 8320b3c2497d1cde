//! Maps that change while requests go where they say.

use super::commands::{Served, serve};
use super::lists::{assert_locations, location};
use super::port;
use super::stage::ask;

/// One map for backends, and for conditions of rules that an index finds.
fn configuration(listen: u16) -> String {
    let mut text = format!(
        "defaults\n    mode http\n    timeout connect 1s\n    timeout client 10s\n    timeout server 10s\n\
         frontend www\n    bind 127.0.0.1:{listen}\n    \
         redirect location /closed if {{ path,map_beg(sites) closed }}\n"
    );
    for n in 2..9 {
        text.push_str(&format!(
            "    redirect location /is-{n} if {{ path,map_beg(sites) number-{n} }}\n"
        ));
    }
    text.push_str("    use_backend %[path,map_beg(sites)]\n    default_backend other\n");
    for name in ["one", "two", "other"] {
        text.push_str(&format!(
            "backend {name}\n    redirect location /{name}\n    server s 127.0.0.1:1\n"
        ));
    }
    text
}

fn start(listen: u16) -> Served {
    let sites = "# prefix backend\n/1 one\n/2 two\n/2/7 number-7\n/gone closed\n";
    serve(&configuration(listen), listen, &[("sites", sites)])
}

#[test]
fn maps_change_under_the_rules_that_ask_them() {
    let listen = port();
    let served = start(listen);
    assert_locations(
        listen,
        &[
            ("/1/x", "/one"),
            ("/2", "/two"),
            ("/2/7/x", "/is-7"),
            ("/gone", "/closed"),
            ("/x", "/other"),
        ],
    );
    for command in [
        "add map sites /x two",
        "add map sites /3 number-3",
        "set map sites /1 nowhere",
        "del map sites /gone",
    ] {
        assert_eq!(served.ask(command), "", "{command}");
    }
    assert_locations(
        listen,
        &[
            ("/x", "/two"),
            ("/3", "/is-3"),
            ("/1", "/other"),
            ("/gone", "/other"),
            ("/2/7", "/is-7"),
        ],
    );
    let expected = [
        "/1 nowhere",
        "/2 two",
        "/2/7 number-7",
        "/x two",
        "/3 number-3",
    ];
    assert_eq!(served.held("map sites"), expected);
    // An entry is known by what stands before it, too.
    let entry = served.first_entry("map sites");
    assert_eq!(served.ask(&format!("set map sites #{entry} one")), "");
    assert_eq!(location(listen, "/1"), "/one");
    assert_eq!(served.ask("clear map sites"), "");
    assert_eq!(location(listen, "/2"), "/other");
}

/// More pairs than are kept apart from those that were there.
#[test]
fn many_pairs_are_added_one_by_one() {
    let listen = port();
    let served = start(listen);
    served.ask_often(600, |n| {
        format!("add map sites /added-{n}- {}", ["one", "two"][n % 2])
    });
    assert_locations(
        listen,
        &[
            ("/1", "/one"),
            ("/added-0-", "/one"),
            ("/added-301-x", "/two"),
            ("/added-599-", "/two"),
            ("/added-600-", "/other"),
        ],
    );
}

#[test]
fn maps_that_were_changed_stay_so_until_the_file_is_another() {
    let listen = port();
    let served = start(listen);
    served.ask("add map sites /x two");
    served.ask("set map sites /1 two");
    served.reload();
    assert_eq!(location(listen, "/x"), "/two");
    assert_eq!(location(listen, "/1"), "/two");
    // Another way to ask it makes no other map of it.
    let more = configuration(listen).replace(
        "    use_backend",
        "    use_backend two if { path,map_str(sites) number-7 }\n    use_backend",
    );
    served.configure(&more);
    served.reload();
    assert_eq!(location(listen, "/x"), "/two");
    served.stage.write("sites", "/1 one\n");
    served.reload();
    assert_eq!(served.held("map sites"), ["/1 one"]);
    assert_eq!(location(listen, "/x"), "/other");
    assert_eq!(location(listen, "/1"), "/one");
}

/// HAProxy lets everybody; hapax those who may change other things, unless it is to be HAProxy.
#[test]
fn only_administrators_change_maps() {
    let listen = port();
    let served = start(listen);
    let socket = served.open_to_users(("show map sites", "/1 one"));
    for command in [
        "add map sites /x one",
        "set map sites /1 two",
        "clear map sites",
    ] {
        assert_eq!(ask(&socket, command), "Permission denied\n\n");
    }
    assert_eq!(location(listen, "/1"), "/one");
}
