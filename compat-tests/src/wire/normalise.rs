//! Takes out of results what differs from run to run: ports, folders, dates, timers, counters.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::WireError;
use super::suite::Suite;
use super::text::{Places, from_bytes, shorten};

/// What a suite wants replaced, besides ports and folders.
#[derive(Debug)]
pub(super) struct Normaliser {
    replacements: Vec<(fancy_regex::Regex, String)>,
    folder: String,
}

impl Normaliser {
    pub(super) fn new(suite: &Suite, folder: &str) -> Result<Self, WireError> {
        let compile = |(pattern, replacement): &(String, String)| {
            let compiled =
                fancy_regex::Regex::new(&format!("(?s){pattern}")).map_err(|source| {
                    WireError::Pattern {
                        pattern: pattern.clone(),
                        source: Box::new(source),
                    }
                })?;
            Ok((compiled, replacement.clone()))
        };
        let replacements = suite
            .normalise
            .iter()
            .map(compile)
            .collect::<Result<_, WireError>>()?;
        Ok(Self {
            replacements,
            folder: folder.to_owned(),
        })
    }

    /// Bytes that a peer received, made comparable.
    pub(super) fn bytes(
        &self,
        bytes: &[u8],
        places: &Places,
        is_client: impl Fn(u16) -> bool,
    ) -> String {
        self.text(&from_bytes(bytes), places, is_client)
    }

    /// A syslog datagram, made comparable.
    pub(super) fn log_line(
        &self,
        datagram: &[u8],
        places: &Places,
        is_client: impl Fn(u16) -> bool,
    ) -> String {
        let trailing = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
        let length = datagram
            .iter()
            .rposition(|b| !trailing(b))
            .map_or(0, |last| last + 1);
        let line = without_times(&from_bytes(&datagram[..length]));
        // Where a line that was cut ends depends on how many digits its timers have.
        if length > LONG_LINE {
            let start: String = line.chars().take(LONG_LINE_KEPT).collect();
            return self.text(&format!("{start} [long line]"), places, is_client);
        }
        self.text(&line, places, is_client)
    }

    fn text(&self, text: &str, places: &Places, is_client: impl Fn(u16) -> bool) -> String {
        let named = LOCAL_PORT.replace_all(text, |found: &Captures<'_>| {
            let (host, port) = (&found[1], &found[2]);
            if let Some(name) = places.name_of(port) {
                format!("{host}:{{{name}}}")
            } else if port.parse().is_ok_and(&is_client) {
                format!("{host}:{{client}}")
            } else {
                found[0].to_owned()
            }
        });
        let mut text = named.replace(&self.folder, "{dir}");
        for (pattern, replacement) in &self.replacements {
            text = pattern
                .replace_all(&text, |found: &fancy_regex::Captures<'_>| {
                    substitute(replacement, |group| {
                        found.get(group).map(|part| part.as_str())
                    })
                })
                .into_owned();
        }
        shorten(&text)
    }
}

/// A replacement in which `\1` stands for the first group.
fn substitute<'a>(replacement: &str, group: impl Fn(usize) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut rest = replacement.chars().peekable();
    while let Some(c) = rest.next() {
        let number = if c == '\\' {
            rest.peek().and_then(|next| next.to_digit(10))
        } else {
            None
        };
        match number {
            Some(number) => {
                rest.next();
                out.push_str(group(number as usize).unwrap_or_default());
            }
            None => out.push(c),
        }
    }
    out
}

/// A log line without date, pid, timers (`T`, though -1 is kept) and connection counters (`C`).
fn without_times(line: &str) -> String {
    let line = SYSLOG_HEAD.replace(line, "<$priority>$program: $message");
    let line = DATE.replace_all(&line, "[DATE]");
    let line = HTTP_TIMERS.replace(&line, |found: &Captures<'_>| {
        format!(" {} {}", hide_timers(&found[1]), &found[2])
    });
    let line = TCP_TIMERS.replace(&line, |found: &Captures<'_>| {
        format!("{} {} {}", &found[1], hide_timers(&found[2]), &found[3])
    });
    COUNTERS
        .replace(&line, " C/C/C/C/$retries $queues")
        .into_owned()
}

fn hide_timers(timers: &str) -> String {
    let hide = |timer: &str| {
        let plus = if timer.starts_with('+') { "+" } else { "" };
        let value = if timer.trim_start_matches('+') == "-1" {
            "-1"
        } else {
            "T"
        };
        format!("{plus}{value}")
    };
    timers.split('/').map(hide).collect::<Vec<_>>().join("/")
}

const LONG_LINE: usize = 900;
const LONG_LINE_KEPT: usize = 200;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

static LOCAL_PORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(127\.0\.0\.1|localhost):(\d{4,5})"));
static SYSLOG_HEAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?s)^<(?<priority>\d+)>\w{3} +\d+ [\d:]+ (?:\S+ )?(?<program>\S+?)\[\d+\]: (?<message>.*)",
    )
});
static DATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[\d\d/\w{3}/\d{4}:[^\]]*\]"));
static HTTP_TIMERS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r" ((?:-?\d+/){4}\+?-?\d+) (-?\d+ )"));
static TCP_TIMERS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(/\S+) ((?:-?\d+/){2}\+?-?\d+) (\+?\d+ \S\S )"));
static COUNTERS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r" -?\d+/-?\d+/-?\d+/-?\d+/(?<retries>\+?\d+) (?<queues>\d+/\d+)"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_lose_dates_pids_timers_and_counters() {
        let cases = [
            (
                "http",
                "<134>Feb  6 12:14:14 haproxy[14389]: 127.0.0.1:1 [06/Feb/2009:12:14:14.655] f b/s1 10/0/30/69/+109 200 2750 - - ---- 1/1/1/1/0 0/0 \"GET / HTTP/1.1\"",
                "<134>haproxy: 127.0.0.1:1 [DATE] f b/s1 T/T/T/T/+T 200 2750 - - ---- C/C/C/C/0 0/0 \"GET / HTTP/1.1\"",
            ),
            (
                "tcp, with a host name",
                "<134>Feb  6 12:14:14 host haproxy[1]: 127.0.0.1:1 [06/Feb/2009:12:14:14.655] f b/s1 0/-1/5007 212 -- 0/0/0/0/3 0/0",
                "<134>haproxy: 127.0.0.1:1 [DATE] f b/s1 T/-1/T 212 -- C/C/C/C/3 0/0",
            ),
        ];
        for (name, line, expected) in cases {
            assert_eq!(without_times(line), expected, "{name}");
        }
    }

    #[test]
    fn groups_are_put_into_replacements() {
        let found = |group| [None, Some("one"), Some("two")][group];
        assert_eq!(substitute(r"\2-\1P.", found), "two-oneP.");
    }
}
