//! Any bytes as a chunked body: nothing panics, and cuts make no difference.
#![no_main]

use hapax::http1::{Body, framing::Framing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&cut, bytes)) = input.split_first() else {
        return;
    };
    let cut = bytes.len() * usize::from(cut) / 255;
    let mut whole = Body::new(Framing::Chunked);
    let taken = whole.advance(bytes);
    let mut parts = Body::new(Framing::Chunked);
    let pieces = parts.advance(&bytes[..cut]).and_then(|first| {
        if first < cut {
            return Ok(first);
        }
        parts.advance(&bytes[cut..]).map(|second| first + second)
    });
    assert_eq!(taken, pieces);
    if let Ok(taken) = taken {
        assert!(taken <= bytes.len());
        assert_eq!(whole.is_done(), parts.is_done());
    }
});
