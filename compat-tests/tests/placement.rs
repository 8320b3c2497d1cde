//! The same key goes to the same server as on HAProxy 2.6, and turns are taken in the same order.
#![allow(clippy::print_stdout, reason = "the counts are part of the result")]

use compat_tests::placement::{Choices, Recording, drive, scenarios};
use compat_tests::process::ProxyCommand;
use compat_tests::{corpus, hapax, haproxy};

/// Seven servers of unequal weights, none and two of them down: 10,000 keys for every hashed
/// algorithm and hash type, 1,000 turns for the others.
#[test]
fn every_choice_is_haproxys() {
    let scenarios = scenarios();
    let command = ProxyCommand {
        binary: hapax::binary(),
        args: Vec::new(),
    };
    let ours = drive(&command, &scenarios).expect("hapax answers");
    let total: usize = ours.values().map(String::len).sum();
    let path = corpus::placement().join("2.6.txt");
    match haproxy::installed() {
        Some(command) => {
            let theirs = drive(&command, &scenarios).expect("haproxy answers");
            if std::env::var_os("HAPAX_BLESS").is_some() {
                Recording::of(&theirs).save(&path).expect("written");
            }
            let differences = differences(&ours, &theirs);
            println!(
                "{total} choices in {} scenarios beside HAProxy 2.6, {} scenarios differ",
                ours.len(),
                differences.len()
            );
            assert!(differences.is_empty(), "{}", differences.join("\n"));
        }
        None => println!("no HAProxy 2.6 here: {total} choices beside what was recorded from it"),
    }
    let recording = Recording::load(&path).expect("the recording is there");
    assert_eq!(recording.len(), scenarios.len());
    let differences = recording.differences(&ours);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// In words: scenario, number of other choices, and the first of them.
fn differences(ours: &Choices, theirs: &Choices) -> Vec<String> {
    let differs = |(name, chosen): (&String, &String)| {
        let other = &theirs[name];
        let pairs = || chosen.chars().zip(other.chars()).enumerate();
        let (number, (our, their)) = pairs().find(|(_, (our, their))| our != their)?;
        let count = pairs().filter(|(_, (our, their))| our != their).count();
        Some(format!(
            "{name}: {count} differ, first request {number}: s{our}, with HAProxy s{their}"
        ))
    };
    ours.iter().filter_map(differs).collect()
}
