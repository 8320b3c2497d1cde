//! `option ssl-hello-chk`: a handshake of SSL 3.0 is begun. Manual 1.4, section 4.2.

use super::probe::Answer;
use super::report::{Report, Status};

/// Cipher suites that are offered: numbers from 1 on, and from 0x2f on.
const SUITES: [std::ops::RangeInclusive<u8>; 2] = [0x01..=0x1b, 0x2f..=0x3a];
/// What stands where random bytes belong.
const RANDOM: &[u8; 28] = b"HAPROXYSSLCHK\nHAPROXYSSLCHK\n";

/// The client's hello, at this time in seconds since 1970.
pub(super) fn request(now: u32) -> Vec<u8> {
    let suites: Vec<u8> = SUITES
        .into_iter()
        .flatten()
        .flat_map(|suite| [0, suite])
        .collect();
    let mut hello = vec![3, 0];
    hello.extend_from_slice(&now.to_be_bytes());
    hello.extend_from_slice(RANDOM);
    // No session to go on with.
    hello.push(0);
    hello.extend_from_slice(&(suites.len() as u16).to_be_bytes());
    hello.extend_from_slice(&suites);
    // No compression.
    hello.extend_from_slice(&[1, 0]);
    let mut record = vec![0x16, 3, 0];
    record.extend_from_slice(&(hello.len() as u16 + 4).to_be_bytes());
    record.push(1);
    record.extend_from_slice(&(hello.len() as u32).to_be_bytes()[1..]);
    record.extend_from_slice(&hello);
    record
}

/// Reads an answer: an alert is one, too.
pub(super) fn answer(bytes: &[u8], ended: bool) -> Answer {
    if bytes.len() < 5 && !ended {
        return Answer::Wait;
    }
    let speaks = bytes.len() >= 5 && matches!(bytes[0], 0x15 | 0x16);
    Answer::Done(Report::new(if speaks {
        Status::L6Ok
    } else {
        Status::L6Invalid
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello() {
        let hello = request(0x5449_4d45);
        assert_eq!(hello[..11], [0x16, 3, 0, 0, 0x79, 1, 0, 0, 0x75, 3, 0]);
        assert_eq!(&hello[11..43], b"TIMEHAPROXYSSLCHK\nHAPROXYSSLCHK\n");
        assert_eq!(hello[43..50], [0, 0, 0x4e, 0, 1, 0, 2]);
        assert_eq!(hello[hello.len() - 4..], [0, 0x3a, 1, 0]);
        assert_eq!(hello.len(), 5 + 0x79);
    }

    #[test]
    fn answers() {
        let status = |bytes: &[u8], ended| match answer(bytes, ended) {
            Answer::Done(report) => Some(report.status),
            _ => None,
        };
        assert_eq!(status(&[0x16, 3, 0, 0, 2], false), Some(Status::L6Ok));
        assert_eq!(
            status(&[0x15, 3, 0, 0, 2, 2, 40], false),
            Some(Status::L6Ok)
        );
        assert_eq!(status(&[0x16, 3, 0], false), None);
        assert_eq!(status(&[0x16, 3, 0], true), Some(Status::L6Invalid));
        assert_eq!(status(b"HTTP/1.0 400", false), Some(Status::L6Invalid));
    }
}
