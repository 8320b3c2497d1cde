//! Any bytes as the file of a map: nothing panics, and a map that got its lines one by one, as an
//! administrator adds them, answers as one that was read as a whole.
#![no_main]

use hapax::map::Maps;
use hapax::pattern_list::{entry, file};
use hapax::plan::{Map, MapEntry, MapId, MapOutput, MatchMethod};
use hapax::sample::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [how, asked_length, rest @ ..] = input else {
        return;
    };
    let (asked, content) = rest.split_at(rest.len().min(usize::from(*asked_length)));
    let matching = [
        MatchMethod::Exact,
        MatchMethod::Prefix,
        MatchMethod::Suffix,
        MatchMethod::Substring,
        MatchMethod::Directory,
        MatchMethod::Domain,
        MatchMethod::Integer,
        MatchMethod::Address,
        MatchMethod::Regex,
    ][usize::from(how & 15) % 9];
    let output = match (how >> 4 & 3, matching) {
        (0, _) => MapOutput::Integer,
        (1, _) => MapOutput::Address,
        (2, MatchMethod::Regex) => MapOutput::Replacement,
        _ => MapOutput::Text,
    };
    let entries: Vec<MapEntry> = file::lines(content, true)
        .filter_map(|line| {
            Some(MapEntry {
                key: entry::read(matching, false, line.key).ok()?,
                value: output.read(line.value.unwrap_or_default())?,
            })
        })
        .collect();
    let compile = |entries: &[MapEntry]| {
        let plan = Map {
            file: "f".into(),
            matching,
            output,
            entries: entries.to_vec(),
            content: content.into(),
        };
        Maps::compile(&[plan]).expect("every key was compiled when it was read")
    };
    let whole = compile(&entries);
    let first = usize::from(how >> 6).min(entries.len());
    let grown = compile(&entries[..first]);
    let (Some(whole), Some(grown)) = (whole.get(MapId(0)), grown.get(MapId(0))) else {
        unreachable!("there is one map");
    };
    for (number, entry) in entries.iter().enumerate().skip(first) {
        let room = grown.add(entry.clone()).expect("it was compiled before");
        if !room {
            grown.replace(&entries[..=number]).expect("they were compiled before");
        }
    }
    let answer = |map: &hapax::map::Map, value| {
        let mut answer = None;
        map.look_up(value, None, &mut |found| {
            let mut text = Vec::new();
            found.write_to(&mut text);
            answer = Some(text);
            true
        });
        answer
    };
    let number = i64::from(*asked_length);
    let address = std::net::Ipv4Addr::from(u32::try_from(number).unwrap_or(0) << 24 | 1);
    let keys = file::lines(content, true).map(|line| Value::Text(line.key));
    let others = [Value::Text(asked), Value::Integer(number), Value::Address(address)];
    for value in keys.chain(others).take(64) {
        assert_eq!(answer(whole, value), answer(grown, value), "{value:?}");
    }
});
