//! What holds for any input.

use haproxy_cfg_grammar::render::{haproxy, json, snippet};
use haproxy_cfg_grammar::{Dialect, SourceSet, parse};
use proptest::prelude::*;

const DIALECTS: [Dialect; 3] = [Dialect::V1_4, Dialect::V1_8, Dialect::Hapax];

/// Words that make sense somewhere, so that the parsers behind the tables are reached.
fn word() -> impl Strategy<Value = String> {
    let known = "global defaults listen frontend backend userlist no default bind server acl \
                 use_backend if unless { } ! or timeout client option httpclose httpchk cookie \
                 insert stick on stick-table type ip size balance uri len redirect prefix reqrep \
                 stats http-request auth log local0 source usesrc hdr_ip( hdr( hdr(host) src \
                 path_beg -i -f -- 10.0.0.0/8 :80 *:1-70000 1.2.3.4:5 10s 99999999999999999999 \\ \
                 \\x4 ' \" ${HOME} # user group peers resolvers appsession capture";
    let known: Vec<String> = known.split_whitespace().map(str::to_owned).collect();
    prop_oneof![prop::sample::select(known), "[ -~]{0,12}"]
}

fn configuration() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::collection::vec(word(), 0..7), 0..20).prop_map(|lines| {
        let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        lines.join("\n")
    })
}

/// Parses in every dialect, prints back, and renders every diagnostic.
fn survives(text: &[u8]) {
    for dialect in DIALECTS {
        let sources = SourceSet::from_text("x.cfg", text);
        let parsed = parse(&sources, dialect);
        assert_eq!(parsed.document.print(), text, "{dialect:?}");
        let stamp = haproxy::Stamp {
            time: (0, 0, 0, 0),
            pid: 1,
        };
        for diagnostic in &parsed.diagnostics {
            assert!(haproxy::render(diagnostic, &sources, stamp).ends_with('\n'));
            assert!(!snippet::render(diagnostic, &sources, false).is_empty());
        }
        assert!(json::render(&parsed.diagnostics, &sources).starts_with('['));
    }
}

proptest! {
    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&text);
    }

    #[test]
    fn likely_words(text in configuration()) {
        survives(text.as_bytes());
    }

    #[test]
    fn printing_and_parsing_again_finds_the_same(text in configuration()) {
        let sources = SourceSet::from_text("x.cfg", text.as_bytes());
        let once = parse(&sources, Dialect::Hapax);
        let printed = SourceSet::from_text("x.cfg", once.document.print());
        let twice = parse(&printed, Dialect::Hapax);
        prop_assert_eq!(once.diagnostics, twice.diagnostics);
        prop_assert_eq!(once.document.lines.len(), twice.document.lines.len());
    }
}
