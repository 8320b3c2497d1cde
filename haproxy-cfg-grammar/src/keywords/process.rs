//! `bind-process`, `grace`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::DFLB;
use crate::value::number;
use crate::{Dialect, Statement, Word, version};

/// The family.
pub const PROCESS: &[Keyword] = &[
    Keyword {
        arguments: "all | odd | even | process numbers",
        accepts: &["bind-process all", "bind-process odd", "bind-process 1"],
        refuses: &["bind-process bogus", "bind-process 0", "bind-process 65"],
        ..Keyword::new("bind-process", DFLB, |a| {
            let (set, highest) = processes(a)?;
            Ok(Statement::BindProcess { set, highest })
        })
    },
    Keyword {
        arguments: "time",
        accepts: &["grace 10s"],
        refuses: &["grace", "grace x"],
        ..Keyword::new("grace", DFLB, |a| {
            let time = a.milliseconds("a time")?;
            a.end(version::V1_8)?;
            Ok(Statement::Grace(time))
        })
    },
];

/// A set of processes, one bit each (0 is all), and the highest one that is named.
fn processes(arguments: &mut Arguments<'_>) -> Result<(u64, u32), Diagnostic> {
    let (mut set, mut highest) = (0, 0);
    while let Some(word) = arguments.next_word() {
        let (more, high) = some(word.text(), word, arguments.dialect)?;
        if more == 0 {
            return Ok((0, 0));
        }
        set |= more;
        highest = highest.max(high);
    }
    Ok((set, highest))
}

/// `process` of `bind`: processes, and since 1.8 threads behind a slash. What serves a listener is a
/// thread here, so that the threads count where there are any.
pub(crate) fn of_listener(arguments: &mut Arguments<'_>) -> Result<u64, Diagnostic> {
    let word = arguments.require("processes after 'process'")?;
    let text = word.text();
    let (processes, threads) = text.split_once('/').unwrap_or((text, "all"));
    let (processes, _) = some(processes, word, arguments.dialect)?;
    let (threads, _) = some(threads, word, arguments.dialect)?;
    Ok(if threads == 0 { processes } else { threads })
}

/// The set that one word names, and the highest process in it; `all` is 0.
fn some(text: &str, word: &Word, dialect: Dialect) -> Result<(u64, u32), Diagnostic> {
    let count = if dialect == Dialect::V1_4 { 32 } else { 64 };
    match text {
        "all" => return Ok((0, 0)),
        "odd" => return Ok((0x5555_5555_5555_5555, 0)),
        "even" => return Ok((0xAAAA_AAAA_AAAA_AAAA, 0)),
        _ => {}
    }
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let of = |text: &str| number::atol(text.as_bytes()).0;
    let low = of(low);
    let high = if high.is_empty() { count } else { of(high) };
    let ranges = dialect != Dialect::V1_4 || !text.contains('-');
    let high = if ranges { high } else { low };
    if !(1..=count).contains(&low) || !(1..=count).contains(&high) {
        return Err(Diagnostic::new(
            Code::OutOfRange,
            word.span,
            format!(
                "'{}' is not 'all', 'odd', 'even' or a process number from 1 to {count}",
                word.shown()
            ),
        ));
    }
    let set = (low.min(high)..=low.max(high)).fold(0, |set, process| set | 1 << (process - 1));
    Ok((set, super::limits::count(low.max(high))))
}
