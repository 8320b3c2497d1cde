//! The examples about what is in a request: where it goes, what becomes of it, who may send it.

use serde_json::{Value, json};

use super::{Seen, exchange, headers_named, play_example, response, servers, transcript};

#[test]
fn virtual_hosts_choose_backends() {
    let sites = [
        ("shop.example.test", "/", "s9001"),
        ("WWW.shop.example.test", "/cart", "s9001"),
        ("shop.example.test", "/api/cart", "s9002"),
        ("blog.example.test", "/api/", "s9003"),
        ("a.customers.example.test", "/", "s9004"),
        ("example.test", "/api/", "s9005"),
    ];
    for (host, path, server) in sites {
        let seen = ask("virtual-hosts.cfg", "fe_8080", path, &[("Host", host)]);
        assert_eq!(servers(&seen)[0].0, server, "{host} {path}");
    }
    let host = [("Host", "store.example.test")];
    let seen = ask("virtual-hosts.cfg", "fe_8080", "/a?b=c", &host);
    assert_eq!(status(&seen), "301");
    assert_eq!(
        headers_named(received(&seen), "location"),
        ["http://shop.example.test/a?b=c&t=~case~"]
    );
    assert!(seen.origins().is_empty());
}

#[test]
fn maintenance_shows_a_page_and_lets_testers_in() {
    let visit = |place: &str, headers: &[(&str, &str)]| {
        let seen = ask("maintenance.cfg", place, "/", headers);
        let page = received(&seen).contains("We are working on it");
        (status(&seen).to_owned(), page, seen.origins().len())
    };
    let page = ("503".to_owned(), true, 0);
    assert_eq!(visit("fe_8080", &[]), page);
    let let_in = visit("fe_8080", &[("Cookie", "a=b; preview=yes")]);
    assert_eq!(let_in, ("200".to_owned(), false, 1));
    // No server is usable there.
    assert_eq!(visit("fe_8081", &[]), page);
}

#[test]
fn rewriting_changes_both_ways() {
    let answer = "HTTP/1.1 302 Found\r\nServer: secret/1.0\r\nX-Powered-By: steam\r\n\
                  Location: http://app.internal.test/next?a=1\r\nContent-Length: 0\r\n\r\n";
    let request = "GET /old/page?t=~case~ HTTP/1.1\r\nHost: www.example.test\r\n\
                   X-Forwarded-For: 10.9.8.7\r\n\r\n";
    let case = json!({
        "id": "case",
        "client": [{"connect": "fe_8080"}, {"send": request}, {"resp": 1}],
        "origin": [[{"each": [{"send": answer}]}]],
    });
    let seen = transcript("rewriting.cfg", &[], &case);
    let asked = &seen.origin(0).rx;
    assert!(
        asked.starts_with("GET /new/page?t=~case~ HTTP/1.1\r\n"),
        "{asked}"
    );
    assert_eq!(headers_named(asked, "host"), ["app.internal.test"]);
    assert_eq!(headers_named(asked, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(headers_named(asked, "x-proto"), ["http"]);
    let got = received(&seen);
    assert_eq!(
        headers_named(got, "location"),
        ["http://www.example.test/next?a=1"]
    );
    assert_eq!(headers_named(got, "x-frame-options"), ["deny"]);
    assert!(headers_named(got, "server").is_empty(), "{got}");
    assert!(headers_named(got, "x-powered-by").is_empty(), "{got}");

    let seen = ask("rewriting.cfg", "fe_8080", "/wp/login.php", &[]);
    assert_eq!((status(&seen), seen.origins().len()), ("403", 0));
}

#[test]
fn a_cookie_of_the_proxy_keeps_clients_on_their_server() {
    let seen = ask("sticky-cookie.cfg", "fe_8080", "/", &[]);
    let [cookie] = &headers_named(received(&seen), "set-cookie")[..] else {
        panic!("{seen:?}")
    };
    let (name_and_server, attributes) = cookie.split_once(';').expect("it has attributes");
    assert!(attributes.contains("httponly"), "{cookie}");
    let (server, other) = match servers(&seen)[0].0 {
        "s9001" => ("srv=a", "b"),
        _ => ("srv=b", "a"),
    };
    assert!(name_and_server.starts_with(server), "{cookie}");

    for (value, wanted) in [("a", "s9001"), ("b", "s9002")] {
        let steps = vec![
            json!({"connect": "fe_8080"}),
            get("/", &[("Cookie", &format!("SRV={value}; mine=1"))]),
            json!({"resp": 1}),
            get("/", &[("Cookie", &format!("SRV={value}"))]),
            json!({"resp": 1}),
        ];
        let seen = exchange("sticky-cookie.cfg", &[], steps);
        let went: Vec<&str> = servers(&seen).iter().map(|s| s.0).collect();
        assert_eq!(went, [wanted, wanted]);
        assert_eq!(headers_named(&seen.origin(0).rx, "cookie"), ["mine=1"]);
    }
    assert_ne!(server, other);
}

#[test]
fn a_session_of_the_application_keeps_clients_on_their_server() {
    let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=0123abcd; path=/\r\n\
                  Content-Length: 0\r\n\r\n";
    let with_session = || get("/", &[("Cookie", "JSESSIONID=0123abcd")]);
    let steps = json!([
        {"connect": "fe_8080"},
        get("/login", &[]), {"resp": 1},
        with_session(), {"resp": 1},
        get("/", &[]), {"resp": 1},
        with_session(), {"resp": 1},
        // As a URL of the application carries it.
        get("/page;JSESSIONID=0123abcd?a=b", &[]), {"resp": 1},
    ]);
    // Only the first response sets the cookie.
    let case = json!({"id": "case", "client": steps, "origin": [
        [{"each": [{"send": answer}]}],
        [{"each": [{"send": response("%c.%n|")}]}],
    ]});
    for args in [&[][..], &["--compat", "1.4"]] {
        let seen = transcript("sticky-appsession.cfg", args, &case);
        let went: Vec<&str> = servers(&seen).iter().map(|s| s.0).collect();
        let [login, second, other, third, by_url] = went[..] else {
            panic!("{seen:?}")
        };
        assert_eq!([second, third, by_url], [login; 3], "{went:?}");
        assert_ne!(other, login, "without a session it is the next one's turn");
    }
}

#[test]
fn a_table_keeps_clients_on_their_server() {
    let one = |on: &str| {
        [
            json!({"connect": "fe_8080", "on": on}),
            get("/", &[]),
            json!({"resp": 1}),
        ]
    };
    let steps = [one("first"), one("second"), one("third")].concat();
    let seen = exchange("sticky-table.cfg", &[], steps);
    let went: Vec<&str> = servers(&seen).iter().map(|s| s.0).collect();
    assert_eq!(went.len(), 3);
    assert!(went.iter().all(|server| *server == went[0]), "{went:?}");
}

#[test]
fn passwords_and_groups_decide_who_comes_in() {
    // alice:open-sesame, carol:deploy-me, alice:wrong
    let (alice, carol, wrong) = (
        "Basic YWxpY2U6b3Blbi1zZXNhbWU=",
        "Basic Y2Fyb2w6ZGVwbG95LW1l",
        "Basic YWxpY2U6d3Jvbmc=",
    );
    let visits = [
        ("/public/a", None, "200"),
        ("/", None, "401"),
        ("/", Some(wrong), "401"),
        ("/", Some(alice), "200"),
        ("/admin/", Some(alice), "403"),
        ("/admin/", Some(carol), "200"),
    ];
    for (path, credentials, expected) in visits {
        let header = credentials.map(|value| ("Authorization", value));
        let seen = ask("basic-auth.cfg", "fe_8080", path, header.as_slice());
        assert_eq!(status(&seen), expected, "{path} {credentials:?}");
        match expected {
            "401" => assert_eq!(
                headers_named(received(&seen), "www-authenticate"),
                ["basic realm=\"staff only\""]
            ),
            "200" => assert!(headers_named(&seen.origin(0).rx, "authorization").is_empty()),
            _ => assert!(seen.origins().is_empty()),
        }
    }
}

#[test]
fn a_rate_limit_makes_connections_wait() {
    let one = |number: usize| {
        let id = format!("visit-{number}");
        let request = format!("GET /~{id}~ HTTP/1.1\r\nHost: example.test\r\n\r\n");
        json!({"id": id, "client": [
            {"connect": "fe_8080"},
            {"send": request},
            {"until": "200 OK", "max": 250},
            {"until": "200 OK", "max": 4000},
        ]})
    };
    // They all come at once; the player has knocked before them.
    let seen = play_example("rate-limit.cfg", &[], (0..5).map(one).collect());
    let waited = seen
        .values()
        .filter(|seen| seen.transcript.clients[0].notes[0] != "seen")
        .count();
    assert!((1..=4).contains(&waited), "{waited} of 5 waited: {seen:?}");
    for (id, seen) in &seen {
        assert_eq!(status(seen), "200", "{id}");
    }
}

/// One of several clients, with one request.
fn client(number: usize, to: &str, path: &str) -> [Value; 3] {
    [
        json!({"connect": to, "on": format!("client-{number}")}),
        get(path, &[]),
        json!({"resp": 1, "max": 2000}),
    ]
}

#[test]
fn dear_requests_beyond_the_rate_are_tarpitted() {
    let one = |number| {
        client(
            number,
            "fe_8081",
            if number == 8 { "/cheap" } else { "/search" },
        )
    };
    let steps = (0..9).flat_map(one).collect();
    let seen = exchange("rate-limit.cfg", &[], steps);
    let statuses = statuses(&seen);
    // The player's own knocking may count.
    assert_eq!(statuses[..3], ["200"; 3]);
    assert!(statuses[3..8].contains(&"500"), "{statuses:?}");
    assert_eq!(statuses[8], "200");
}

#[test]
fn clients_beyond_their_rate_are_refused() {
    // From the ninth on they would not even get a connection.
    let steps = (0..8)
        .flat_map(|number| client(number, "fe_8080", "/"))
        .collect();
    let seen = exchange("rate-limit-clients.cfg", &[], steps);
    let statuses = statuses(&seen);
    assert_eq!(statuses[..5], ["200"; 5]);
    assert_eq!(statuses[5..], ["403"; 3]);
}

#[test]
fn the_first_bytes_tell_tls_from_ssh() {
    // A client hello of TLS 1.0 as far as the rules look into it, then a tag.
    let hello = "\u{16}\u{3}\u{1}\u{0}\u{40}\u{1}\u{0}\u{0}\u{3c}\u{3}\u{1}~case~%{x*52}";
    let visit = |first: &str| {
        let case = json!({"id": "case", "client": [
            {"connect": "fe_8443"}, {"send": first}, {"until": "hello", "max": 2000},
        ], "origin": [[{"until": "~case~"}, {"send": "hello"}]]});
        let seen = transcript("inspection.cfg", &[], &case);
        assert_eq!(received(&seen), "hello");
        servers(&seen)[0].0.to_owned()
    };
    assert_eq!(visit(hello), "s9001");
    assert_eq!(visit("SSH-2.0-OpenSSH ~case~\r\n"), "s9002");

    // A client that waits for the server to speak first.
    let case = json!({"id": "case", "client": [
        {"connect": "fe_8443"}, {"until": "SSH", "max": 2000}, {"send": "~case~"},
    ], "origin": [[{"send": "SSH"}, {"until": "~case~"}]], "owns": ["s9002"]});
    let seen = transcript("inspection.cfg", &[], &case);
    assert_eq!(received(&seen), "SSH");
    assert_eq!(servers(&seen)[0].0, "s9002");
}

#[test]
fn users_of_terminal_servers_come_back_to_theirs() {
    let hello = |user: &str| {
        let text = format!("Cookie: mstshash={user}\r\n~case~");
        let (all, after) = (text.len() + 11, text.len() + 6);
        let bytes = [3, 0, 0, all, after, 0xe0, 0, 0, 0, 0, 0];
        let head: String = bytes
            .into_iter()
            .map(|byte| char::from(u8::try_from(byte).expect("a short cookie")))
            .collect();
        head + &text
    };
    let visit = |user: &str| {
        let steps = |on: &str| {
            [
                json!({"connect": "fe_3389", "on": on}),
                json!({"send": hello(user)}),
                json!({"until": "hello", "max": 2000}),
            ]
        };
        let case = json!({"id": "case", "client": ([steps("first"), steps("second")].concat()),
            "origin": [[{"until": "~case~"}, {"send": "hello"}]]});
        let seen = transcript("inspection.cfg", &[], &case);
        servers(&seen)
            .iter()
            .map(|s| s.0.to_owned())
            .collect::<Vec<_>>()
    };
    let (bob, frank) = (visit("bob"), visit("frank"));
    assert_eq!(bob.len(), 2);
    assert_eq!(bob[0], bob[1]);
    assert_eq!(frank[0], frank[1]);
    // What is no RDP is refused.
    let seen = exchange(
        "inspection.cfg",
        &[],
        vec![
            json!({"connect": "fe_3389"}),
            json!({"send": "GET /~case~ HTTP/1.0\r\n\r\n"}),
            json!({"end": 1000}),
        ],
    );
    assert_eq!(seen.transcript.clients[0].end, "closed");
    assert!(seen.origins().is_empty());
}

/// One request to an example in the default dialect.
fn ask(example: &str, place: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
    let steps = vec![
        json!({"connect": place}),
        get(path, headers),
        json!({"resp": 1}),
    ];
    exchange(example, &[], steps)
}

/// Sends a request for a path, with the tag of the case in its query.
fn get(path: &str, headers: &[(&str, &str)]) -> Value {
    let mark = if path.contains('?') { '&' } else { '?' };
    let mut request = format!("GET {path}{mark}t=~case~ HTTP/1.1\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    json!({"send": request + "\r\n"})
}

fn received(seen: &Seen) -> &str {
    &seen.transcript.clients[0].rx
}

/// The status that the first client got.
fn status(seen: &Seen) -> &str {
    statuses(seen)[0]
}

/// What each client got, in their order.
fn statuses(seen: &Seen) -> Vec<&str> {
    let clients = seen.transcript.clients.iter();
    clients
        .map(|side| side.rx.get(9..12).unwrap_or_default())
        .collect()
}
