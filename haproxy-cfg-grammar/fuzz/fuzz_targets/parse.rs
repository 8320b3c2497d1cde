//! Any bytes, in every dialect, give a document and diagnostics that can be rendered.
#![no_main]

use haproxy_cfg_grammar::render::{haproxy, json, snippet};
use haproxy_cfg_grammar::{Dialect, SourceSet, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let sources = SourceSet::from_text("fuzz.cfg", text);
    let stamp = haproxy::Stamp {
        time: (0, 0, 0, 0),
        pid: 1,
    };
    for dialect in [Dialect::V1_4, Dialect::V1_8, Dialect::Hapax] {
        let parsed = parse(&sources, dialect);
        for diagnostic in &parsed.diagnostics {
            let _ = haproxy::render(diagnostic, &sources, stamp);
            let _ = snippet::render(diagnostic, &sources, false);
        }
        let _ = json::render(&parsed.diagnostics, &sources);
    }
});
