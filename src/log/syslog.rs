//! The frame around a line. RFC 3164; HAProxy puts no host name unless told to.

use std::io::Write;

use chrono::{DateTime, Datelike, Local, Timelike};

use crate::plan::{Facility, LogTarget, Severity};

/// Longest line that is sent, frame included. The rest is cut, as HAProxy does.
pub const MAX_LINE: usize = 1024;

/// The severity that a target gives to a line, or `None` when it does not want it.
pub fn level(target: &LogTarget, severity: Severity) -> Option<Severity> {
    (severity <= target.max_level).then(|| severity.max(target.min_level))
}

/// Appends what stands before the text: `<PRI>Mmm dd hh:mm:ss [host ]tag[pid]: `.
pub fn frame(
    facility: Facility,
    severity: Severity,
    time: DateTime<Local>,
    host: Option<&str>,
    tag: &str,
    pid: u32,
    out: &mut Vec<u8>,
) {
    let priority = u16::from(facility.0) * 8 + u16::from(severity.0);
    // Writing to a Vec cannot fail.
    let _ = write!(
        out,
        "<{priority}>{} {:>2} {:02}:{:02}:{:02} ",
        MONTHS[time.month0() as usize % 12],
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
    );
    if let Some(host) = host {
        let _ = write!(out, "{host} ");
    }
    let _ = write!(out, "{tag}[{pid}]: ");
}

/// English month names, whatever the locale.
pub(super) const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn frames() {
        let time = Local.with_ymd_and_hms(2026, 2, 3, 4, 5, 6).unwrap();
        let mut out = Vec::new();
        frame(
            Facility(16),
            Severity(6),
            time,
            None,
            "haproxy",
            42,
            &mut out,
        );
        assert_eq!(out, b"<134>Feb  3 04:05:06 haproxy[42]: ");
    }
}
