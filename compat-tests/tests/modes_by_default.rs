//! Mode options that add up in the default dialect: what they come to is what HAProxy 1.8 does with
//! that mode alone.
//!
//! In 1.8 the last mode option of a section wins. By default `httpclose`, `forceclose` and
//! `http-server-close` add up as in 1.4. The table names each section of the recorded suites that
//! has more than one of them, and the mode that they give; the suite is played as it is by
//! default, and again with that mode written last by `--compat 1.8`, which recordings confirm.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use std::collections::BTreeMap;

use compat_tests::process::ProxyCommand;
use compat_tests::wire::{Outcome, Suite, play};
use compat_tests::{corpus, hapax};

/// Suites, the sections in which options add up, and the mode that they come to. Two of the three
/// options, whichever and in whatever order, in the section or in its `defaults`, are forced close.
const EXPECTED: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "http-modes-fe-be-chunked",
            "http-modes-fe-be-cl",
            "http-modes-fe-be-close",
            "http-modes-fe-be-http10",
        ],
        &[
            "frontend f-hcfc",
            "frontend f-hcsc",
            "frontend f-fcsc",
            "frontend f-all",
            "backend b-hcfc",
            "backend b-hcsc",
            "backend b-fcsc",
            "backend b-all",
        ],
        "forceclose",
    ),
    (
        &["http-modes-defaults"],
        &[
            "frontend f-dhc-fefc",
            "backend b-dhc-befc",
            "listen l-lhc-fc",
            "frontend f-dhcfc",
            "backend b-dhcfc",
            "backend b-dhcfc-nofefc",
            "frontend f-dhcfc-nobefc",
            "frontend f-dhc-fesc",
            "backend b-dhc-besc",
            "listen l-lhc-sc",
            "frontend f-dhcsc",
            "backend b-dhcsc",
            "backend b-dhcsc-nofesc",
            "frontend f-dhcsc-nobesc",
            "frontend f-dfc-fehc",
            "backend b-dfc-behc",
            "listen l-lfc-hc",
            "frontend f-dfchc",
            "backend b-dfchc",
            "backend b-dfchc-nofehc",
            "frontend f-dfchc-nobehc",
            "frontend f-dfc-fesc",
            "backend b-dfc-besc",
            "listen l-lfc-sc",
            "frontend f-dfcsc",
            "backend b-dfcsc",
            "backend b-dfcsc-nofesc",
            "frontend f-dfcsc-nobesc",
            "frontend f-dsc-fehc",
            "backend b-dsc-behc",
            "listen l-lsc-hc",
            "frontend f-dschc",
            "backend b-dschc",
            "backend b-dschc-nofehc",
            "frontend f-dschc-nobehc",
            "frontend f-dsc-fefc",
            "backend b-dsc-befc",
            "listen l-lsc-fc",
            "frontend f-dscfc",
            "backend b-dscfc",
            "backend b-dscfc-nofefc",
            "frontend f-dscfc-nobefc",
        ],
        "forceclose",
    ),
    (
        &["pretend-keepalive"],
        &[
            "frontend f-hcsc_fe_f",
            "backend b-hcsc_fe_b",
            "frontend f-hcsc_be_f",
            "backend b-hcsc_be_b",
            "frontend f-hcsc_both_f",
            "backend b-hcsc_both_b",
            "frontend f-fcsc_fe_f",
            "backend b-fcsc_fe_b",
            "frontend f-fcsc_be_f",
            "backend b-fcsc_be_b",
            "frontend f-fcsc_both_f",
            "backend b-fcsc_both_b",
        ],
        "forceclose",
    ),
];

#[test]
fn options_that_add_up() {
    for (suites, sections, mode) in EXPECTED {
        for name in *suites {
            let mut wrong = compare(name, sections, mode);
            // A busy machine delays a peer now and then; a difference stays one.
            for _ in 0..2 {
                if !wrong.is_empty() {
                    let again = compare(name, sections, mode);
                    wrong.retain(|id, _| again.contains_key(id));
                }
            }
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        }
    }
}

/// Plays a suite twice. The cases that come to something else, with what they came to.
fn compare(
    name: &str,
    sections: &[&str],
    mode: &str,
) -> BTreeMap<String, (Outcome, Option<Outcome>)> {
    let path = corpus::wire().join(format!("suites/{name}.json"));
    let load = || Suite::load(&path).expect("the suite is readable");
    let mut alone = load();
    for section in sections {
        let line = format!("    option {mode}");
        assert!(alone.amend(section, &line), "{name} has no '{section}'");
    }
    let run = |suite: Suite, args: &[&str]| {
        let command = ProxyCommand {
            binary: hapax::binary(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        };
        play(suite, &command).expect("the suite is played")
    };
    let together = run(load(), &[]);
    let alone = run(alone, &["--compat", "1.8"]);
    println!("{name}: {} cases", together.len());
    assert_eq!(together.len(), alone.len());
    together
        .into_iter()
        .filter(|(id, outcome)| alone.get(id) != Some(outcome))
        .map(|(id, outcome)| {
            let other = alone.get(&id).cloned();
            (id, (outcome, other))
        })
        .collect()
}
