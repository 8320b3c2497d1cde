//! Any bytes as the start of an RDP connection: nothing panics, more bytes never change a decision,
//! and a cookie is a piece of what has come.
#![no_main]

use hapax::sample::content::{self, Found};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&cut, bytes)) = input.split_first() else {
        return;
    };
    let part = &bytes[..bytes.len() * usize::from(cut) / 255];
    for name in [&b""[..], b"mstshash"] {
        let whole = content::rdp_cookie(bytes, name);
        match content::rdp_cookie(part, name) {
            Found::NotYet => {}
            decided => assert_eq!(decided, whole),
        }
        if let Found::Value(cookie) = whole {
            let within = bytes.as_ptr_range();
            assert!(cookie.is_empty() || within.contains(&cookie.as_ptr()));
            content::rdp_server(cookie);
        }
    }
});
