//! Text, numbers and addresses at the end of a line.
//!
//! A busy proxy writes a line for every request, with two dozen numbers in it: each is written
//! without the machinery that `write!` sets going for it.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use chrono::{DateTime, Datelike, Local, Timelike};

/// English month names, whatever the locale.
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Appends to a line.
#[derive(Debug)]
pub(super) struct Pen<'a>(pub(super) &'a mut Vec<u8>);

impl Pen<'_> {
    /// A text.
    pub(super) fn text(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.0.extend_from_slice(text.as_ref());
        self
    }

    /// A byte.
    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    /// A number, as short as can be.
    pub(super) fn number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.text(itoa::Buffer::new().format(number))
    }

    /// A number of that many digits at least, with something before those that it has.
    pub(super) fn padded(&mut self, number: u32, digits: usize, with: u8) -> &mut Self {
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(number);
        for _ in text.len()..digits {
            self.byte(with);
        }
        self.text(text)
    }

    /// Numbers with a slash between each two.
    pub(super) fn numbers<const N: usize>(&mut self, numbers: [i64; N]) -> &mut Self {
        for (n, number) in numbers.into_iter().enumerate() {
            if n > 0 {
                self.byte(b'/');
            }
            self.number(number);
        }
        self
    }

    /// An address without port.
    pub(super) fn ip(&mut self, ip: IpAddr) -> &mut Self {
        match ip {
            IpAddr::V4(ip) => {
                let [first, rest @ ..] = ip.octets();
                self.number(first);
                for octet in rest {
                    self.byte(b'.').number(octet);
                }
            }
            IpAddr::V6(ip) => {
                // Writing to a Vec cannot fail.
                let _ = write!(self.0, "{ip}");
            }
        }
        self
    }

    /// An address and its port; no brackets around IPv6.
    pub(super) fn address(&mut self, address: SocketAddr) -> &mut Self {
        self.ip(address.ip()).byte(b':').number(address.port())
    }

    /// `20/Nov/2026`
    pub(super) fn date(&mut self, at: &DateTime<Local>) -> &mut Self {
        let date = at.date_naive();
        self.padded(date.day(), 2, b'0')
            .byte(b'/')
            .text(month(date))
            .byte(b'/')
            .padded(date.year().unsigned_abs(), 4, b'0')
    }

    /// `Nov  3`
    pub(super) fn day(&mut self, at: &DateTime<Local>) -> &mut Self {
        let date = at.date_naive();
        let day = date.day();
        self.text(month(date)).byte(b' ').padded(day, 2, b' ')
    }

    /// `01:02:03`
    pub(super) fn time(&mut self, at: &DateTime<Local>) -> &mut Self {
        let time = at.time();
        self.padded(time.hour(), 2, b'0')
            .byte(b':')
            .padded(time.minute(), 2, b'0')
            .byte(b':')
            .padded(time.second(), 2, b'0')
    }
}

fn month(date: impl Datelike) -> &'static str {
    MONTHS[date.month0() as usize % 12]
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn what_is_written() {
        let at = Local.with_ymd_and_hms(2026, 2, 3, 4, 5, 6).unwrap();
        let mut out = Vec::new();
        let mut pen = Pen(&mut out);
        pen.date(&at).byte(b' ').time(&at).byte(b' ').day(&at);
        pen.byte(b' ').numbers([-1, 0, i64::MAX]).byte(b' ');
        pen.padded(7, 3, b'0').padded(1234, 3, b'0').byte(b' ');
        pen.address("192.0.2.10:80".parse().unwrap()).byte(b' ');
        pen.address("[2001:db8::1]:443".parse().unwrap());
        assert_eq!(
            String::from_utf8_lossy(&out),
            "03/Feb/2026 04:05:06 Feb  3 -1/0/9223372036854775807 0071234 192.0.2.10:80 \
             2001:db8::1:443"
        );
    }
}
