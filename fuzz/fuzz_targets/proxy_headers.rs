//! Any bytes as the header of `accept-proxy`: what is read is within them, and nothing that follows
//! changes it.
#![no_main]

use hapax::proxy_header::received::{Mistake, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let seen = read(bytes);
    let more = read(&[bytes, b"GET / HTTP/1.0\r\n\r\n"].concat());
    match seen {
        Ok(header) => {
            assert!(header.length <= bytes.len());
            assert_eq!(more, Ok(header));
        }
        // What is not all there may become a header, or something else.
        Err(Mistake::Truncated) => {}
        // A name that is cut off may be read to its end.
        Err(Mistake::Protocol) => {}
        Err(mistake) => assert_eq!(more, Err(mistake)),
    }
});
