//! Any bytes as the head of a message: nothing panics, cuts make no difference, and what was edited
//! can be read again.
#![no_main]

use hapax::http1::scan::{Scan, Tolerance};
use hapax::http1::{Head, Kind, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&how, bytes)) = input.split_first() else {
        return;
    };
    let kind = if how & 1 == 0 { Kind::Request } else { Kind::Response };
    let tolerance = Tolerance {
        accept_invalid: how & 2 != 0,
        wide_uri: how & 4 != 0,
        rtsp: how & 8 != 0,
    };
    let mut whole = bytes.to_vec();
    let mut head = Head::new(kind);
    let scan = head.scan(&mut whole, tolerance);

    // The same, in two pieces.
    let cut = bytes.len() * usize::from(how >> 4) / 16;
    let mut pieces = bytes.to_vec();
    let mut second = Head::new(kind);
    let first = second.scan(&mut pieces[..cut], tolerance);
    let again = match first {
        Scan::Partial => second.scan(&mut pieces, tolerance),
        decided => decided,
    };
    assert_eq!(scan, again);

    let Scan::Complete(len) = scan else {
        return;
    };
    assert!(len <= whole.len());
    // What has no version gets one before it has headers (`engine`): nothing to read again here.
    if kind == Kind::Request && head.request_version(&whole) == Version::Http09 {
        return;
    }
    let lines: Vec<usize> = head.lines().collect();
    for &index in &lines {
        let _ = (head.name(&whole, index), head.value(&whole, index));
    }
    if let Some(&index) = lines.first() {
        head.remove(index);
    }
    head.append(b"X-Added: 1");
    let mut written = Vec::new();
    head.write_to(&whole, &mut written);
    let mut reread = Head::new(kind);
    let found = reread.scan(&mut written, tolerance);
    assert_eq!(found, Scan::Complete(written.len()));
    let expected = lines.len().saturating_sub(1) + 1;
    assert_eq!(reread.lines().count(), expected);
});
