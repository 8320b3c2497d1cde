//! Any bytes as a chunked body: nothing panics, and cuts make no difference.
#![no_main]

use hapax::http1::{BadChunk, Body, framing::Framing};
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
        if parts.is_done() {
            return Ok(first);
        }
        match parts.advance(&bytes[first..]) {
            Ok(second) => Ok(first + second),
            Err(bad) => Err(BadChunk {
                sound: first + bad.sound,
            }),
        }
    });
    assert_eq!(taken, pieces);
    match taken {
        Ok(taken) => {
            assert!(taken <= bytes.len());
            assert_eq!(whole, parts);
        }
        Err(bad) => assert!(bad.sound < bytes.len()),
    }
});
