//! `bind-process`, `grace`. Manual 1.4, section 4.2.

use crate::arguments::Arguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::keyword::Keyword;
use crate::section::DFLB;
use crate::value::number;
use crate::{Dialect, Statement, version};

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
    let count = if arguments.dialect == Dialect::V1_4 {
        32
    } else {
        64
    };
    while let Some(word) = arguments.next_word() {
        match word.text() {
            "all" => return Ok((0, 0)),
            "odd" => set |= 0x5555_5555_5555_5555,
            "even" => set |= 0xAAAA_AAAA_AAAA_AAAA,
            text => {
                let (low, high) = text.split_once('-').unwrap_or((text, text));
                let of = |text: &str| number::atol(text.as_bytes()).0;
                let low = of(low);
                let high = if high.is_empty() { count } else { of(high) };
                let ranges = arguments.dialect != Dialect::V1_4 || !text.contains('-');
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
                highest = highest.max(super::limits::count(low.max(high)));
                for process in low.min(high)..=low.max(high) {
                    set |= 1 << (process - 1);
                }
            }
        }
    }
    Ok((set, highest))
}
