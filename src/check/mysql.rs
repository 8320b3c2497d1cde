//! `option mysql-check`. Manual 1.4, section 4.2.
//!
//! Without a user the greeting of the server is enough. With one, a login without password and a
//! goodbye are sent at once, as a client before 4.1 or after it would.

use super::probe::Answer;
use super::report::{Report, Status, trimmed};

/// The login and the goodbye, in one.
pub(super) fn request(user: &[u8], since_4_1: bool) -> Vec<u8> {
    let mut login = Vec::new();
    if since_4_1 {
        // Protocol 4.1 with secure connections; packets up to 16 MB; UTF-8; room kept free.
        login.extend_from_slice(&[0x00, 0x82, 0, 0, 0, 0, 0, 1, 0x21]);
        login.extend_from_slice(&[0; 23]);
        login.extend_from_slice(user);
        login.extend_from_slice(&[0, 0]);
    } else {
        login.extend_from_slice(&[0x00, 0x80, 0, 0, 1]);
        login.extend_from_slice(user);
        login.extend_from_slice(&[0, 0]);
    }
    let mut bytes = Vec::new();
    packet(&login, 1, &mut bytes);
    packet(&[1], 0, &mut bytes);
    bytes
}

fn packet(content: &[u8], number: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&(content.len() as u32).to_le_bytes()[..3]);
    out.push(number);
    out.extend_from_slice(content);
}

/// Reads the greeting, and with a user the answer to the login.
pub(super) fn answer(bytes: &[u8], ended: bool, user: bool) -> Answer {
    let invalid = || Answer::Done(Report::new(Status::L7Invalid).saying(bytes));
    if bytes.len() < 5 {
        return if ended { invalid() } else { Answer::Wait };
    }
    let refused = |text: &[u8]| Answer::Done(Report::new(Status::L7Wrong).saying(text));
    let first = 4 + length(bytes);
    if !user {
        return match bytes[4] {
            0xff => refused(trimmed(bytes.get(7..).unwrap_or_default())),
            10 => version(bytes),
            _ => invalid(),
        };
    }
    let second = bytes.get(first..).unwrap_or_default();
    if second.is_empty() {
        return match bytes[4] {
            0xff => refused(trimmed(bytes.get(7..).unwrap_or_default())),
            _ if ended => invalid(),
            _ => Answer::Wait,
        };
    }
    // Two packets and no more are an answer; anything else is waited out.
    if second.len() < 5 || second.len() != 4 + length(second) {
        return Answer::Wait;
    }
    if second[4] == 0xff {
        return refused(trimmed(second.get(7..).unwrap_or_default()));
    }
    version(bytes)
}

/// The greeting is a good one: its version is what is said of it.
fn version(bytes: &[u8]) -> Answer {
    Answer::Done(Report::new(Status::L7Ok).saying(trimmed(&bytes[5..])))
}

/// The length of the packet that begins here, without its head.
fn length(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        let old = b"\n\0\0\x01\0\x80\0\0\x01bob\0\0\x01\0\0\0\x01";
        assert_eq!(request(b"bob", false), old);
        let new = request(b"bob", true);
        assert_eq!(new[..13], *b"%\0\0\x01\0\x82\0\0\0\0\0\x01!");
        assert_eq!(new[13..36], [0; 23]);
        assert_eq!(&new[36..], b"bob\0\0\x01\0\0\0\x01");
    }

    #[test]
    fn answers() {
        let greeting = b"\x08\0\0\0\n10.1.0\0";
        let denied = b"\x09\0\0\x02\xff\x15\x04denied";
        let blocked = b"\x13\0\0\0\xffi\x04Host is blocked";
        let fine = b"\x07\0\0\x02\0\0\0\x02\0\0\0";
        let status = |bytes: &[u8], user| match answer(bytes, false, user) {
            Answer::Done(report) => Some((report.status, report.said)),
            _ => None,
        };
        let ok = Some((Status::L7Ok, b"10.1.0".to_vec()));
        assert_eq!(status(greeting, false), ok);
        assert_eq!(status(greeting, true), None);
        assert_eq!(status(&[&greeting[..], fine].concat(), true), ok);
        assert_eq!(
            status(&[&greeting[..], denied].concat(), true),
            Some((Status::L7Wrong, b"denied".to_vec()))
        );
        assert_eq!(
            status(blocked, false),
            Some((Status::L7Wrong, b"Host is blocked".to_vec()))
        );
        assert_eq!(status(b"\x4a\0", false), None);
    }
}
