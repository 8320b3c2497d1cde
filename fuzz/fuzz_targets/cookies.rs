//! Any bytes as cookies, of a request and of a response: nothing panics, and what was edited is
//! still a head with the same other headers.
#![no_main]

use hapax::http1::scan::{Scan, Tolerance};
use hapax::http1::{Head, Kind};
use hapax::plan::{Cookie, CookieMode};
use hapax::rewrite::cookies::{self, Lookup, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&how, value)) = input.split_first() else {
        return;
    };
    let settings = Cookie {
        name: "SRV".into(),
        mode: [
            CookieMode::Passive,
            CookieMode::Insert,
            CookieMode::Rewrite,
            CookieMode::Prefix,
        ][usize::from(how & 3)],
        indirect: how & 4 != 0,
        nocache: false,
        postonly: false,
        preserve: how & 8 != 0,
        httponly: false,
        secure: false,
        domains: Vec::new(),
        maxidle: (how & 16 != 0).then(|| std::time::Duration::from_secs(60)),
        maxlife: None,
    };
    let is_request = how & 32 == 0;
    let (kind, start): (_, &[u8]) = if is_request {
        (Kind::Request, b"GET / HTTP/1.1\r\nHost: h\r\nCookie: ")
    } else {
        (Kind::Response, b"HTTP/1.1 200 OK\r\nServer: s\r\nSet-Cookie: ")
    };
    let mut bytes = [start, value, b"\r\n\r\n"].concat();
    let mut head = Head::new(kind);
    let Scan::Complete(_) = head.scan(&mut bytes, Tolerance::default()) else {
        return;
    };
    let others = |head: &Head, bytes: &[u8]| {
        let lines = head.lines();
        let others = lines.filter(|&index| {
            let name = head.name(bytes, index).to_ascii_lowercase();
            !name.ends_with(b"cookie")
        });
        others.map(|index| head.line(bytes, index).to_vec()).collect::<Vec<_>>()
    };
    let before = others(&head, &bytes);
    let mut state = State {
        direct: how & 64 != 0,
        ..State::default()
    };
    if is_request {
        let mut lookup = |server: &[u8]| match server.first() {
            Some(b'a') => Lookup::Usable(true),
            Some(b'b') => Lookup::Down,
            _ => Lookup::Unknown,
        };
        let mut seen = |_: &[u8], _: &[u8]| false;
        cookies::request(
            &mut head,
            &bytes,
            Some(&settings),
            1_700_000_000,
            &mut state,
            &mut lookup,
            &mut seen,
        );
    } else {
        let server = Some(&b"s1"[..]);
        let mut seen = |_: &[u8], _: &[u8]| {};
        cookies::response(&mut head, &bytes, Some(&settings), server, &mut state, &mut seen);
        cookies::insert(&mut head, &settings, server, false, 1_700_000_000, &mut state);
    }
    let mut written = Vec::new();
    head.write_to(&bytes, &mut written);
    let mut again = Head::new(kind);
    assert_eq!(
        again.scan(&mut written, Tolerance::default()),
        Scan::Complete(written.len())
    );
    assert_eq!(others(&again, &written), before);
});
