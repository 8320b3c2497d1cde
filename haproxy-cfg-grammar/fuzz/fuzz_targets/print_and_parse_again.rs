//! Printing a document gives the input back, and parsing it again finds the same mistakes.
#![no_main]

use haproxy_cfg_grammar::{Dialect, SourceSet, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for dialect in [Dialect::V1_4, Dialect::V1_8, Dialect::Hapax] {
        let once = parse(&SourceSet::from_text("fuzz.cfg", text), dialect);
        let printed = once.document.print();
        assert_eq!(printed, text);
        let twice = parse(&SourceSet::from_text("fuzz.cfg", printed), dialect);
        assert_eq!(once.diagnostics, twice.diagnostics);
    }
});
