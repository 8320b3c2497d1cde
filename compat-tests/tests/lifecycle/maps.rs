//! Maps that change while requests go where they say.

use super::commands::{Served, serve};
use super::port;
use super::stage::{ask, request, until};

/// Which backend has answered, by the place that it redirects to.
fn backend(port: u16, target: &str) -> String {
    let answer = request(port, &format!("GET {target} HTTP/1.0\r\n\r\n"));
    let line = answer.lines().find_map(|l| l.strip_prefix("Location: "));
    line.unwrap_or("none").to_owned()
}

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

/// What `show map` has, without the numbers of the entries.
fn held(served: &Served) -> Vec<String> {
    let text = served.ask("show map sites");
    let entries = text.lines().filter_map(|line| line.split_once(' '));
    entries.map(|(_, pair)| pair.to_owned()).collect()
}

#[test]
fn maps_change_under_the_rules_that_ask_them() {
    let listen = port();
    let served = start(listen);
    for (target, expected) in [
        ("/1/x", "/one"),
        ("/2", "/two"),
        ("/2/7/x", "/is-7"),
        ("/gone", "/closed"),
        ("/x", "/other"),
    ] {
        assert_eq!(backend(listen, target), expected, "{target}");
    }
    for command in [
        "add map sites /x two",
        "add map sites /3 number-3",
        "set map sites /1 nowhere",
        "del map sites /gone",
    ] {
        assert_eq!(served.ask(command), "", "{command}");
    }
    for (target, expected) in [
        ("/x", "/two"),
        ("/3", "/is-3"),
        ("/1", "/other"),
        ("/gone", "/other"),
        ("/2/7", "/is-7"),
    ] {
        assert_eq!(backend(listen, target), expected, "{target}");
    }
    let expected = [
        "/1 nowhere",
        "/2 two",
        "/2/7 number-7",
        "/x two",
        "/3 number-3",
    ];
    assert_eq!(held(&served), expected);
    // An entry is known by what stands before it, too.
    let shown = served.ask("show map sites");
    let entry = shown.split(' ').next().expect("an entry");
    assert_eq!(served.ask(&format!("set map sites #{entry} one")), "");
    assert_eq!(backend(listen, "/1"), "/one");
    assert_eq!(served.ask("clear map sites"), "");
    assert_eq!(backend(listen, "/2"), "/other");
}

/// More pairs than are kept apart from those that were there.
#[test]
fn many_pairs_are_added_one_by_one() {
    let listen = port();
    let served = start(listen);
    for first in (0..600).step_by(100) {
        let commands: Vec<String> = (first..first + 100)
            .map(|n| format!("add map sites /added-{n}- {}", ["one", "two"][n % 2]))
            .collect();
        served.ask(&commands.join(";"));
    }
    for (target, expected) in [
        ("/1", "/one"),
        ("/added-0-", "/one"),
        ("/added-301-x", "/two"),
        ("/added-599-", "/two"),
        ("/added-600-", "/other"),
    ] {
        assert_eq!(backend(listen, target), expected, "{target}");
    }
}

#[test]
fn maps_that_were_changed_stay_so_until_the_file_is_another() {
    let listen = port();
    let served = start(listen);
    served.ask("add map sites /x two");
    served.ask("set map sites /1 two");
    served.reload();
    assert_eq!(backend(listen, "/x"), "/two");
    assert_eq!(backend(listen, "/1"), "/two");
    // Another way to ask it makes no other map of it.
    let more = configuration(listen).replace(
        "    use_backend",
        "    use_backend two if { path,map_str(sites) number-7 }\n    use_backend",
    );
    served.configure(&more);
    served.reload();
    assert_eq!(backend(listen, "/x"), "/two");
    served.stage.write("sites", "/1 one\n");
    served.reload();
    assert_eq!(held(&served), ["/1 one"]);
    assert_eq!(backend(listen, "/x"), "/other");
    assert_eq!(backend(listen, "/1"), "/one");
}

/// HAProxy lets everybody; hapax those who may change other things, unless it is to be HAProxy.
#[test]
fn only_administrators_change_maps() {
    let listen = port();
    let served = start(listen);
    let socket = served.stage.path("users");
    let more = format!("    stats socket {}\n", socket.display());
    let text =
        served
            .stage
            .read("file.cfg")
            .replacen("\ndefaults", &format!("\n{more}defaults"), 1);
    served.stage.write("file.cfg", &text);
    served.reload();
    until("it takes commands", || {
        ask(&socket, "show map sites").contains("/1 one")
    });
    for command in [
        "add map sites /x one",
        "set map sites /1 two",
        "clear map sites",
    ] {
        assert_eq!(ask(&socket, command), "Permission denied\n\n");
    }
    assert_eq!(backend(listen, "/1"), "/one");
}
