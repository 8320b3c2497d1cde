//! The frame around a line. RFC 3164; HAProxy puts no host name unless told to.

use std::io::Write;

use chrono::{DateTime, Local, SecondsFormat};

use super::pen::Pen;
use crate::plan::{Facility, LogTarget, Severity};

/// The severity that a target gives to a line, or `None` when it does not want it.
pub fn level(target: &LogTarget, severity: Severity) -> Option<Severity> {
    (severity <= target.max_level).then(|| severity.max(target.min_level))
}

/// What stands before the text.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// For whom.
    pub facility: Facility,
    /// How bad.
    pub severity: Severity,
    /// When.
    pub time: DateTime<Local>,
    /// The host, when it is to be named.
    pub host: Option<&'a str>,
    /// Who writes.
    pub tag: &'a str,
    /// The process.
    pub pid: u32,
}

impl Frame<'_> {
    fn priority(&self) -> u16 {
        u16::from(self.facility.0) * 8 + u16::from(self.severity.0)
    }

    /// Appends `<PRI>Mmm dd hh:mm:ss [host ]tag[pid]: `.
    pub fn rfc3164(&self, out: &mut Vec<u8>) {
        let mut pen = Pen(out);
        pen.byte(b'<').number(self.priority()).byte(b'>');
        pen.day(&self.time).byte(b' ').time(&self.time).byte(b' ');
        if let Some(host) = self.host {
            pen.text(host).byte(b' ');
        }
        pen.text(self.tag).byte(b'[').number(self.pid).text("]: ");
    }

    /// Appends `<PRI>1 time host tag pid - - `, with `-` for what is not known.
    pub fn rfc5424(&self, out: &mut Vec<u8>) {
        let time = self.time.to_rfc3339_opts(SecondsFormat::Secs, false);
        let host = self.host.filter(|host| !host.is_empty()).unwrap_or("-");
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "<{}>1 {time} {host} {} {} - - ",
            self.priority(),
            self.tag,
            self.pid
        );
    }

    /// Appends `<severity>`, as systemd reads it.
    pub fn short(&self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "<{}>", self.severity.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn frames() {
        let time = Local.with_ymd_and_hms(2026, 2, 3, 4, 5, 6).unwrap();
        let mut out = Vec::new();
        let frame = Frame {
            facility: Facility(16),
            severity: Severity(6),
            time,
            host: None,
            tag: "haproxy",
            pid: 42,
        };
        frame.rfc3164(&mut out);
        assert_eq!(out, b"<134>Feb  3 04:05:06 haproxy[42]: ");
        out.clear();
        frame.rfc5424(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("<134>1 2026-02-03T04:05:06"), "{text}");
        assert!(text.ends_with(" - haproxy 42 - - "), "{text}");
    }
}
