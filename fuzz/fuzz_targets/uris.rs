//! Any bytes as a request's target: its parts are parts of it, in their order.
#![no_main]

use hapax::balance::key;
use hapax::http1::uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|target: &[u8]| {
    let start = uri::path_start(target);
    let path = uri::path(target);
    assert_eq!(start, path.as_ref().map(|path| path.start));
    if let Some(path) = path {
        assert!(path.start <= path.end && path.end <= target.len());
        assert_eq!(target.get(path.start), Some(&b'/'));
        assert!(!target[path].contains(&b'?'));
    }
    if let Some(value) = key::url_parameter(target, b"id") {
        let within = target.as_ptr_range();
        assert!(value.is_empty() || within.contains(&value.as_ptr()));
        assert!(!value.contains(&b'&'));
    }
});
