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
    let Some(&kind) = bytes.get(4) else {
        let said = if user { &[] } else { bytes };
        return if ended { invalid(said) } else { Answer::Wait };
    };
    if user {
        return login(bytes, ended);
    }
    match kind {
        REFUSAL => refused(bytes),
        // Its length is taken for all that it is.
        _ if bytes.len() >= SHORTEST_GREETING => version(bytes),
        _ if ended => invalid(bytes),
        _ => Answer::Wait,
    }
}

/// Reads greeting and answer: two packets and no more, or a first one that refuses. What HAProxy has
/// no name for, it waits out.
fn login(bytes: &[u8], ended: bool) -> Answer {
    let greeting = 4 + length(bytes);
    if bytes.len() < greeting {
        return if ended {
            invalid(&bytes[5..])
        } else {
            Answer::Wait
        };
    }
    match &bytes[greeting..] {
        [] if bytes[4] == REFUSAL => refused(bytes),
        second if second.len() < 5 || second.len() != 4 + length(second) => Answer::Wait,
        second if second[4] == REFUSAL => refused(second),
        _ => version(bytes),
    }
}

/// Whether the first packet is there, all of it.
pub(super) fn is_greeted(bytes: &[u8]) -> bool {
    bytes.len() >= 5 && bytes.len() >= 4 + length(bytes)
}

/// The first byte of a packet that refuses.
const REFUSAL: u8 = 0xff;

/// Fewer bytes are no greeting.
const SHORTEST_GREETING: usize = 52;

fn invalid(said: &[u8]) -> Answer {
    Answer::Done(Report::new(Status::L7Invalid).quoting(said))
}

/// A packet that refuses: behind its error number it says why.
fn refused(packet: &[u8]) -> Answer {
    let words = trimmed(packet.get(7..).unwrap_or_default());
    Answer::Done(Report::new(Status::L7Wrong).saying(words))
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
        let greeting = [b"\x30\0\0\0\n10.1.0\0", &[b'x'; 40][..]].concat();
        let denied = b"\x09\0\0\x02\xff\x15\x04denied";
        let blocked = b"\x12\0\0\0\xffi\x04Host is blocked";
        let fine = b"\x07\0\0\x02\0\0\0\x02\0\0\0";
        let status = |bytes: &[u8], user| match answer(bytes, false, user) {
            Answer::Done(report) => Some((report.status, report.said)),
            _ => None,
        };
        let ok = Some((Status::L7Ok, b"10.1.0".to_vec()));
        assert_eq!(status(&greeting, false), ok);
        assert_eq!(status(&greeting[..51], false), None);
        assert_eq!(status(&greeting, true), None);
        assert!(is_greeted(&greeting) && !is_greeted(&greeting[..51]));
        assert_eq!(status(&[&greeting[..], fine].concat(), true), ok);
        assert_eq!(
            status(&[&greeting[..], denied].concat(), true),
            Some((Status::L7Wrong, b"denied".to_vec()))
        );
        for user in [false, true] {
            let words = b"Host is blocked".to_vec();
            assert_eq!(status(blocked, user), Some((Status::L7Wrong, words)));
        }
        assert_eq!(status(b"\x4a\0", false), None);
    }

    /// What comes too short is quoted from its beginning, but after a login as if it were a version.
    #[test]
    fn fragments() {
        let said = |bytes: &[u8], user| match answer(bytes, true, user) {
            Answer::Done(report) => Some((report.status, report.said)),
            _ => None,
        };
        let invalid = |words: &[u8]| Some((Status::L7Invalid, words.to_vec()));
        for (bytes, alone, with_user) in [
            (&b"abc"[..], &b"abc"[..], &b""[..]),
            (
                b"HTTP/1.0 200 OK\r\n",
                b"HTTP/1.0 200 OK\r\n",
                b"1.0 200 OK\r\n",
            ),
            (b"\x4a\0\0\0\x0a5.5.3\0", b"J", b"5.5.3"),
        ] {
            assert_eq!(said(bytes, false), invalid(alone));
            assert_eq!(said(bytes, true), invalid(with_user));
        }
        // A greeting alone is no answer to a login.
        assert_eq!(said(b"\x06\0\0\0\n10.1\0", true), None);
    }
}
