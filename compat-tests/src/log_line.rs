//! Takes out of log lines what differs from run to run.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A log line without date, pid, timers (`T`, though -1 is kept) and connection counters (`C`).
pub(crate) fn without_times(line: &str) -> String {
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

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

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
}
